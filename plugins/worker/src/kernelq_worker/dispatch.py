"""From deliveries to requests: the compiled strategies, one for each task."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from kernelq.delivery import Delivery, Settlement, Verdict
from kernelq.exceptions import NotRegistered, TaskRevokedError, WorkerLostError
from kernelq.request import Request
from kernelq_worker import records

if TYPE_CHECKING:
    from kernelq.app import KernelQ
    from kernelq.handles import Screen, WorkerHandle
    from kernelq.kernel.contracts.strategy import Handler
    from kernelq.outcome import Record
    from kernelq.task import Task
    from kernelq_worker.requests import Ledger
    from kernelq_worker.state import State

log = logging.getLogger("kernelq.worker")

GROUP = "kernelq.strategies"


class Dispatcher:
    """Decides each delivery by its task's strategy, and brings the decision to the ledger.

    It is the `kernelq.handles.StrategyHost` of the strategies.
    """

    def __init__(
        self, app: KernelQ, worker: WorkerHandle, state: State, ledger: Ledger, screen: Screen | None = None
    ) -> None:
        self.app = app
        self.hostname = worker.hostname
        self.invalid = 0
        """Messages that could not be read, since the worker started."""
        self._worker = worker
        self._state = state
        self._ledger = ledger
        self._screen = screen
        self._tasks = app.tasks
        self._handlers: dict[str, Handler] = {}
        self._changes = state.changes
        self._most: int = app.conf.task_max_deliveries
        self._record: Record | None = None
        self._unnamed: Handler = self._load("default")(None, self)
        self._received = app.hooks.compiled("task_received")

    def __call__(self, deliveries: list[Delivery]) -> list[Request]:
        """Decide a batch; return the requests, and give the other deliveries' ends to the ledger."""
        if self._state.changes != self._changes:
            self._handlers.clear()
            self._unnamed = self._load("default")(None, self)  # it compiles those of protocol 1
            self._changes = self._state.changes
        if self._screen is not None:
            self._screen(deliveries)
        requests: list[Request] = []
        for delivery in deliveries:
            try:
                if delivery.deliveries > self._most and not self._runs(delivery):
                    decision: Request | Settlement = self._exhausted(delivery)
                else:
                    name = delivery.headers.get("task")
                    handler = self._handlers.get(name) or self._compile(name)  # type: ignore[arg-type]  # None is not there
                    decision = handler(delivery)
            except Exception as error:  # noqa: BLE001 - whatever a message holds, the worker lives on; it is buried
                decision = self._malformed(delivery, error)
            if isinstance(decision, Request):
                requests.append(decision)
            else:
                self._ledger.end(decision, self._record)
                self._record = None
        if requests:
            self._note(requests)
        return requests

    def revoked(self, task_id: str) -> bool:
        """Tell whether a revoke for this id is known here."""
        return task_id in self._state.revoked

    def limits(self, task: str) -> tuple[float | None, float | None]:
        """Return (soft, hard) seconds: those of a command, else the task's, else the settings'."""
        known = self._state.time_limits.get(task)
        if known is not None:
            return known
        conf, one = self.app.conf, self._tasks.get(task)
        soft, hard = getattr(one, "soft_time_limit", None), getattr(one, "time_limit", None)
        return soft or conf.task_soft_time_limit, hard or conf.task_time_limit

    def rate_limit(self, task: str) -> str | None:
        """Return the rate limit of a command, else the task's, else the settings'."""
        known = self._state.rate_limits.get(task)
        if known is not None:
            return known
        return getattr(self._tasks.get(task), "rate_limit", None) or self.app.conf.task_default_rate_limit

    def rejected(self, delivery: Delivery, state: str, detail: str) -> None:
        """Log a decision that runs nothing, call its hook, and make its result, where there is one."""
        headers, hooks = delivery.headers, self.app.hooks
        name, task_id = headers.get("task"), headers.get("id")
        if state == "REVOKED":
            log.info("Task %s[%s] not run: %s", name, task_id, detail)
            expired = detail == "expired"
            hooks.event("task_revoked", sender=self._worker, request=delivery, terminated=False, signum=None,
                        expired=expired)  # fmt: skip
            self._record = records.failure(self.app, headers, TaskRevokedError(detail), "REVOKED", delivery.properties)
        elif state == "REJECTED":
            self.invalid += 1
            log.error("message %r of queue %s buried: %s", task_id, delivery.queue, detail)
            hooks.event("task_rejected", sender=self._worker, message=delivery, exc=detail)
        else:
            log.warning("no task here is named %r[%s], from queue %s: %s", name, task_id, delivery.queue, detail)
            hooks.event("task_unknown", sender=self._worker, name=name, id=task_id, message=delivery, exc=detail)
            if state == "FAILURE":
                self._record = records.failure(self.app, headers, NotRegistered(name), properties=delivery.properties)

    def _compile(self, name: Any) -> Handler:
        task: Task[Any, Any] | None = self._tasks.get(name) if isinstance(name, str) else None
        if task is None:
            return self._unnamed
        strategy = getattr(task, "strategy", None) or "default"
        handler = self._handlers[task.name] = self._load(strategy, f"task {task.name}")(task, self)
        return handler

    def _load(self, strategy: str, wanted_by: str = "the worker") -> Callable[[Any, Any], Handler]:
        return self.app.discovery.load(GROUP, strategy, wanted_by=wanted_by)  # type: ignore[no-any-return]  # by contract

    def _malformed(self, delivery: Delivery, error: Exception) -> Settlement:
        why = f"the message cannot be handled: {type(error).__name__}: {error}"
        log.debug("what it was", exc_info=error)
        self.rejected(delivery, "REJECTED", why)
        return Settlement(delivery, Verdict.BURY, reason=why)

    def _runs(self, delivery: Delivery) -> bool:
        """Tell whether the task is here all the same: connections were lost with it, and no worker."""
        return self._ledger.find(str(delivery.headers.get("id"))) is not None

    def _exhausted(self, delivery: Delivery) -> Settlement:
        """Bury what took as many workers down as may be, where the broker counts and does not bury by itself."""
        why = f"{delivery.deliveries - 1} workers or hosts were lost with it, and task_max_deliveries is {self._most}"
        log.error("message %r of queue %s buried: %s", delivery.headers.get("id"), delivery.queue, why)
        self._record = records.failure(self.app, delivery.headers, WorkerLostError(why), properties=delivery.properties)
        return Settlement(delivery, Verdict.BURY, reason=why)

    def _note(self, requests: list[Request]) -> None:
        totals = self._state.totals
        for request in requests:
            name = request.job.task
            totals[name] = totals.get(name, 0) + 1
        if log.isEnabledFor(logging.INFO):
            for request in requests:
                log.info("Task %s[%s] received", request.job.task, request.job.task_id)
        if self._received is not None:
            for request in requests:
                self._received(sender=self._worker, request=request)
