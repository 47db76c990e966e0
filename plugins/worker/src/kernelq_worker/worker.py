"""A worker: the two blueprints resolved, booted, run and stopped."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from kernelq.handles import Shutdown
from kernelq.kernel import graph
from kernelq.kernel.blueprint import Blueprint, Candidate
from kernelq.kernel.boot import Boot
from kernelq.kernel.keys import Context, Key
from kernelq.kernel.plan import Plan
from kernelq.keys import APP, BACKEND, LOOP, TRANSPORT, WORKER
from kernelq_worker import banner, logs, orders
from kernelq_worker.aside import aside
from kernelq_worker.hosts.carried import Logs
from kernelq_worker.interrupts import Interrupts
from kernelq_worker.options import Options, WorkerSettings

if TYPE_CHECKING:
    from kernelq.app import KernelQ

log = logging.getLogger("kernelq.worker")

GIVEN: tuple[Key[Any], ...] = (APP, WORKER, TRANSPORT, BACKEND)


class Worker:
    """Runs an app's tasks: ``Worker(app).run()`` blocks until a signal, a command or `shutdown` ends it.

    Keyword arguments beside those named are settings of the app: ``Worker(app, worker_concurrency=2)``.
    """

    def __init__(
        self,
        app: KernelQ,
        *,
        hostname: str | None = None,
        pool: str | None = None,
        concurrency: int | None = None,
        hosts: int | None = None,
        queues: Iterable[str] = (),
        exclude_queues: Iterable[str] = (),
        loglevel: str | int = "WARNING",
        logfile: str | None = None,
        purge: bool = False,
        load: str = "",
        show_banner: bool = False,
        setup_logging: bool = False,
        folder: str | None = None,
        **settings: Any,
    ) -> None:
        from kernelq import nodenames

        given = {"worker_pool": pool, "worker_concurrency": concurrency}
        app.conf.section(WorkerSettings)
        app.conf.update({name: value for name, value in given.items() if value is not None}, source="the worker")
        app.conf.update(settings, source="the worker")
        self.app = app
        self.hostname = nodenames.default_nodename(hostname)
        self.pid = os.getpid()
        self.started_at = time.monotonic()
        self.stopping: Shutdown | None = None
        self.ready = False
        self.exit_code = 0
        self.options = Options(
            hostname=self.hostname,
            queues=tuple(queues),
            exclude_queues=tuple(exclude_queues),
            hosts=hosts,
            loglevel=logs.level_of(loglevel),
            logfile=logfile,
            purge=purge,
            load=load,
        )
        self._context = Context()
        self._consumer_context: Context | None = None
        self.plans: tuple[Plan, ...] = ()
        self._show_banner = show_banner
        self._setup_logging = setup_logging
        self._folder = folder  # where the command line was typed, which `restart` types again
        self._boot: Boot | None = None
        self._consumer: Boot | None = None
        self._stopping_since: float | None = None
        self._restart = False
        self._ready_event = threading.Event()

    # the life of a worker

    def resolve(self) -> tuple[Plan, Plan]:
        """Return the plans of both blueprints; nothing is started. Raises `BlueprintError`."""
        outer, inner = self._discover()
        return self._resolve(outer, inner)

    def _discover(self) -> list[list[Candidate]]:
        found = []
        for name in ("worker", "consumer"):
            log.debug("| %s: Preparing bootsteps.", name.capitalize())
            found.append(Blueprint(name).discover(self.app.discovery, self.app.added_steps(name)))
        return found

    def _resolve(
        self, outer: list[Candidate], inner: list[Candidate], sort: graph.Sort = graph.sort
    ) -> tuple[Plan, Plan]:
        worker = Blueprint("worker", sort).resolve(outer, self.app.conf, given=GIVEN)
        provided = [key for step in worker.steps for key in step.cls.provides]
        consumer = Blueprint("consumer", sort).resolve(inner, self.app.conf, given=[*GIVEN, *provided])
        return worker, consumer

    def _plans(self, outer: list[Candidate], inner: list[Candidate]) -> tuple[Plan, Plan]:
        """Return what `resolve` does, where networkx is in this process only if there is no other way."""
        log.debug("| Worker, Consumer: Building graph...")
        try:
            plans = self._resolve(outer, inner, orders.recall)
        except orders.Unknown:
            # It takes 13 MB, which nobody needs once the plans are known, and which cannot be freed.
            plans = aside(lambda: self._resolve(outer, inner))
            for plan in plans:
                orders.keep(plan)
        for plan in plans:
            names = ", ".join(step.name for step in plan.steps)
            log.debug("| %s: New boot order: {%s}", plan.name.capitalize(), names)
        return plans

    def start(self) -> None:
        """Start the steps of the blueprint `worker`; the hosts run then, and nothing is consumed yet."""
        app, hooks = self.app, self.app.hooks
        if self._setup_logging:
            logs.setup(app, self.options.loglevel, self.options.logfile, self.hostname)
        app.import_modules()
        app.finalize()
        hooks.event("celeryd_init", sender=self.hostname, instance=self, conf=app.conf, options=self.options)
        self.plans = self._plans(*self._discover())
        context = self._context
        context[APP], context[WORKER] = app, self
        context[TRANSPORT], context[BACKEND] = app.transport, app.backend
        hooks.event("celeryd_after_setup", sender=self.hostname, instance=self, conf=app.conf)
        hooks.event("worker_init", sender=self)
        self._boot = Boot(self.plans[0], context, _Teller("Worker"))
        self._boot.start()
        if self.options.purge:
            self._purge()
        if self._show_banner:
            sys.stdout.write(banner.text(self))
            sys.stdout.flush()

    def run(self, started: Callable[[], None] | None = None) -> int:
        """Start, consume until the end is asked for, stop; return the exit code. `started` is called before consuming.

        A broker that is away does not hold `started` up.
        """
        interrupts = Interrupts(self)
        if threading.current_thread() is threading.main_thread():
            interrupts.install()
        try:
            if self._boot is None:
                self.start()
            assert self._boot is not None
            if started is not None:
                started()
            self._boot.run()
        finally:
            self.stop()
            interrupts.remove()
        if self._restart:
            self._exec()
        return self.exit_code

    def stop(self) -> None:
        """Stop everything that started. May come twice."""
        boot, self._boot = self._boot, None
        if boot is None:
            return
        if self.stopping is None:
            self.stopping = "cold"
        boot.terminate() if self.stopping == "cold" else boot.stop()
        for name, error in [*boot.failures, *(self._consumer.failures if self._consumer else ())]:
            log.error("step %s failed to stop: %s: %s", name, type(error).__name__, error, exc_info=error)
        self.app.hooks.event("worker_shutdown", sender=self)
        log.info("worker %s has stopped", self.hostname)

    # what the steps and commands ask

    @property
    def load(self) -> str:
        """What `kernelq.loading.load_app` takes to import the app in a new interpreter; "" where nobody knows."""
        return self.options.load

    @property
    def context(self) -> Context:
        """Every key of both blueprints, for commands."""
        return self._consumer_context or self._context

    def shutdown(self, how: Shutdown = "warm", exit_code: int = 0, by: str = "command") -> None:
        """Ask for the end; returns at once. Safe from any thread and from a signal handler."""
        if self.stopping == how or self.stopping == "cold":
            return
        first = self.stopping is None
        self.stopping = how
        self.exit_code = exit_code or self.exit_code
        if first:
            self._stopping_since = time.monotonic()
        loop: Any = self._context.get(LOOP)
        if loop is not None:
            loop.call_soon(self._tell_shutdown, by, how)

    def restart(self) -> None:
        """Stop warmly and begin anew, as the same process; returns at once."""
        self._restart = True
        self.shutdown("warm", by="SIGHUP")

    @property
    def restarting(self) -> bool:
        """Whether it stops to begin anew."""
        return self._restart

    def abandon(self) -> None:
        """Note that running tasks are not waited for any longer."""
        self.stopping = "cold"

    def grace_left(self) -> float | None:
        """Return the seconds that running tasks may still take; None: as long as they want."""
        timeout = self.app.conf.worker_shutdown_timeout
        if timeout is None or self._stopping_since is None:
            return timeout
        return max(self._stopping_since + timeout - time.monotonic(), 0.0)

    def consumer_boot(self) -> Boot:
        """Return a new boot of the blueprint `consumer`, for one connection."""
        self._consumer_context = self._context.child()
        self._consumer = Boot(self.plans[1], self._consumer_context, _Teller("Consumer"))
        return self._consumer

    def consuming(self) -> None:
        """Note that the worker consumes; called for each connection."""
        self.ready = True
        self._ready_event.set()
        log.info("%s ready.", self.hostname)
        self.app.hooks.event("worker_ready", sender=self)

    def wait_ready(self, timeout: float) -> bool:
        """Wait, in another thread, until the worker consumes; return whether it does."""
        return self._ready_event.wait(timeout)

    def info(self) -> dict[str, Any]:
        """Return the `info` of every started step of both blueprints, by step name."""
        shown: dict[str, Any] = {}
        for boot in (self._boot, self._consumer):
            if boot is not None:
                shown.update(boot.info())
        return shown

    @property
    def logs(self) -> Logs | None:
        """How the log was set up, so that hosts that are new interpreters do alike; None where it was left alone."""
        return Logs(self.options.loglevel, self.options.logfile) if self._setup_logging else None

    @property
    def timings(self) -> dict[str, dict[str, float]]:
        """Seconds that each step's start and stop took."""
        boots = [boot for boot in (self._boot, self._consumer) if boot is not None]
        return {name: seconds for boot in boots for name, seconds in boot.timings.items()}

    def _tell_shutdown(self, by: str, how: Shutdown) -> None:
        log.warning("worker: %s shutdown (%s)", how, by)
        self.app.hooks.event("worker_shutting_down", sender=self.hostname, sig=by, how=how, exitcode=self.exit_code)

    def _purge(self) -> None:
        from kernelq.keys import QUEUES

        admin = self.app.transport.admin()
        for queue in self._context[QUEUES].names():
            log.warning("purged %d messages from the queue %s", admin.purge(queue), queue)

    def _exec(self) -> None:
        log.warning("worker: begins anew")
        if self._folder is not None:
            with contextlib.suppress(OSError):  # it was removed, or is not for the user that this has become
                os.chdir(self._folder)
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 - our own command line again


class _Teller:
    """Writes a boot's progress to the log, in Celery's words."""

    def __init__(self, blueprint: str) -> None:
        self._blueprint = blueprint

    def __call__(self, what: str, step: str) -> None:
        if what == "started":
            log.debug("^-- substep ok")
        else:
            log.debug("| %s: %s %s", self._blueprint, what.capitalize(), step)
