"""Remote control, the asking side: commands over kombu's pidbox, as Celery's clients send them (kombu/pidbox.py)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kernelq.asking import Call, Reply, ask, check_destination
from kernelq.inspection import Inspect
from kernelq.notices import QUEUE

if TYPE_CHECKING:
    from kernelq.app import KernelQ
    from kernelq.kernel.contracts.transport import Transport
    from kernelq.notices import Notices

log = logging.getLogger("kernelq.control")

UNKEPT = "neither the broker nor a result store keeps it; set result_backend, as redis://localhost/1 or a SQL database"
"""Of a revoke, where there are no notices."""


class ControlClient:
    """Sends control commands to the workers of an app's broker. Thread-safe: each call has a connection of its own."""

    def __init__(self, app: KernelQ) -> None:
        self.app = app
        self.warns = True
        """Whether a revoke that nobody keeps is told in the log, once; the command line tells it itself."""
        self._notices: tuple[Any, Notices | None] | None = None

    def notices(self) -> Notices | None:
        """Return what keeps revokes and paused queues: the broker, else the result store; None where neither can."""
        from kernelq.notices import open_notices

        transport = _in_use(self.app.transport)
        with self.app._lock:
            if self._notices is None or self._notices[0] is not transport:
                self.close()
                self._notices = transport, open_notices(self.app)
            return self._notices[1]

    def close(self) -> None:
        """Free everything. May be called twice; a later use opens again."""
        with self.app._lock:
            opened, self._notices = self._notices, None
            if opened is not None and opened[1] is not None:
                opened[1].close()

    def broadcast(
        self,
        command: str,
        arguments: Mapping[str, Any] | None = None,
        destination: Sequence[str] | None = None,
        *,
        pattern: str | None = None,
        matcher: str | None = None,
        reply: bool = False,
        timeout: float = 1.0,
        limit: int | None = None,
        callback: Callable[[Reply], Any] | None = None,
        **more: Any,
    ) -> list[Reply] | None:
        """Send a command to all workers, to those named in `destination`, or to those that `pattern` names.

        `matcher` tells how: "glob" or "pcre". With `reply`, wait at most `timeout` seconds for answers, and no longer
        than until `limit` have come; by default as many as there are destinations, or as nodes got the command. Where
        the broker does not tell how many these are (RabbitMQ), the nodes that answer name those they know of, and the
        wait ends when they have answered, or are gone. Return the answers, one dict for each node. `arguments` and
        `more` are the command's. Raises TypeError for a `destination` that is one string,
        `kernelq.kernel.errors.BrokerUnreachable` where there is no broker.
        """
        check_destination(destination)
        if (pattern is None) != (matcher is None):
            raise TypeError(f"{command}: pattern and matcher go together, as pattern='w*', matcher='glob'")
        given = {**(arguments or {}), **more}
        if destination is None and pattern is None:
            given = self._kept(command, given)
        return self._call(Call(command, given, destination, pattern, matcher, reply, timeout, limit, callback))

    def _kept(self, command: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Write down what a command revokes, for workers that are down; return the arguments, which say so."""
        from kernelq.kernel.errors import BackendUnreachable
        from kernelq.notices import revoked_by

        kind, names = revoked_by(command, arguments)
        if not names:
            return arguments
        notices = self.notices()
        if notices is None:
            if self.warns:
                self.warns = False
                log.warning("%s reaches only workers that are up now: %s", command, UNKEPT)
            return arguments
        try:
            notices.put(kind, names, self.app.conf.task_revoke_expires)
        except BackendUnreachable as error:
            log.warning("workers that are down now will not know of this %s: %s", command, error)
            return arguments
        return {**arguments, "kept": True}

    def _call(self, call: Call) -> list[Reply] | None:
        from kernelq.failover import attempts
        from kernelq.kernel.errors import BrokerUnreachable

        failure: BrokerUnreachable | None = None
        for transport in attempts(self.app.transport):
            try:
                return self._ask(transport, call)
            except BrokerUnreachable as error:
                failure = error
        assert failure is not None
        raise failure

    def _ask(self, transport: Transport, call: Call) -> list[Reply] | None:
        from kombu.exceptions import OperationalError

        from kernelq.kernel.errors import BrokerUnreachable

        connection = transport.connection()
        try:
            connection.ensure_connection(max_retries=1, timeout=self.app.conf.broker_connection_timeout)
            used = _in_use(transport)
            count, attended = getattr(used, "audience", None), getattr(used, "attended", None)
            return ask(self.mailbox()(connection), call, count, attended)
        except (OperationalError, *connection.connection_errors) as error:
            where = transport.safe_url()
            raise BrokerUnreachable(f"the command {call.command} could not be sent to {where}: {error}") from error
        finally:
            connection.release()

    def mailbox(self, **more: Any) -> Any:
        """Return the kombu mailbox that commands go through, as the settings ``control_*`` have it.

        Requests and replies carry the app's clock, and move it on. `more`: what a worker's end of it needs besides.
        """
        from kombu.pidbox import Mailbox

        conf = self.app.conf
        return Mailbox(
            conf.control_exchange,
            type="fanout",
            clock=self.app.clock,
            accept=list(conf.accept_content),
            serializer=conf.task_serializer,
            queue_ttl=conf.control_queue_ttl,
            reply_queue_ttl=conf.control_queue_ttl,
            queue_expires=conf.control_queue_expires,
            reply_queue_expires=conf.control_queue_expires,
            queue_exclusive=conf.control_queue_exclusive,
            queue_durable=conf.control_queue_durable,
            **more,
        )

    def inspect(
        self,
        destination: Sequence[str] | None = None,
        *,
        timeout: float = 1.0,
        pattern: str | None = None,
        matcher: str | None = None,
        limit: int | None = None,
        callback: Callable[[Reply], Any] | None = None,
    ) -> Inspect:
        """Return the object whose methods ask workers and wait for their answers; arguments as in `broadcast`."""
        return Inspect(
            self, destination, timeout=timeout, pattern=pattern, matcher=matcher, limit=limit, callback=callback
        )

    # What `options` are: destination, pattern, matcher, reply, timeout, limit, callback, as in `broadcast`.

    def ping(self, destination: Sequence[str] | None = None, timeout: float = 1.0, **options: Any) -> list[Reply]:
        """Return ``[{node: {"ok": "pong"}}, …]`` of those that answer."""
        return self.broadcast("ping", {}, destination, reply=True, timeout=timeout, **options) or []

    def revoke(
        self, task_id: str | Iterable[str], terminate: bool = False, signal: str = "SIGTERM", **options: Any
    ) -> list[Reply] | None:
        """Have tasks not run, by id; `terminate` ends those that run with `signal`.

        Without a destination it holds for workers that start later too, for ``task_revoke_expires`` seconds.
        """
        ids = task_id if isinstance(task_id, str) else list(task_id)
        return self.broadcast("revoke", {"task_id": ids, "terminate": terminate, "signal": signal}, **options)

    def revoke_by_stamped_headers(
        self, headers: Mapping[str, Any], terminate: bool = False, signal: str = "SIGTERM", **options: Any
    ) -> list[Reply] | None:
        """Have tasks not run that carry these stamps."""
        arguments = {"headers": dict(headers), "terminate": terminate, "signal": signal}
        return self.broadcast("revoke_by_stamped_headers", arguments, **options)

    def revoke_group(
        self, group_id: str | Iterable[str], terminate: bool = False, signal: str = "SIGTERM", **options: Any
    ) -> list[Reply] | None:
        """Have the tasks of groups not run, by the groups' ids; for workers of KernelQ, and those that start later."""
        ids = [group_id] if isinstance(group_id, str) else list(group_id)
        return self.broadcast("revoke_group", {"group_id": ids, "terminate": terminate, "signal": signal}, **options)

    def pause_queue(self, *queues: str, seconds: float | None = None) -> None:
        """Have all workers of KernelQ take nothing from these queues, also those that start later.

        For so many seconds, or until `resume_queue`. Raises `kernelq.kernel.errors.ConfigurationError` where neither
        the broker nor the result store can keep that.
        """
        self._keeper().put(QUEUE, queues, seconds)

    def resume_queue(self, *queues: str) -> int:
        """Have workers take from these queues again; return how many of them were paused. Raises as `pause_queue`."""
        return self._keeper().remove(QUEUE, queues)

    def paused_queues(self) -> list[str]:
        """Return the names of the queues that are paused."""
        notices = self.notices()
        return notices.names(QUEUE) if notices is not None else []

    def _keeper(self) -> Notices:
        from kernelq.kernel.errors import ConfigurationError

        notices = self.notices()
        if notices is None:
            raise ConfigurationError(
                f"the broker {self.app.transport.safe_url()} cannot keep which queues are paused, nor can a result "
                "store: set result_backend, as redis://localhost/1"
            )
        return notices

    def terminate(self, task_id: str | Iterable[str], signal: str = "SIGTERM", **options: Any) -> list[Reply] | None:
        """End running tasks, by id, with `signal`."""
        return self.revoke(task_id, terminate=True, signal=signal, **options)

    def shutdown(self, destination: Sequence[str] | None = None, **options: Any) -> list[Reply] | None:
        """Stop workers; running tasks end first."""
        return self.broadcast("shutdown", {}, destination, **options)

    def rate_limit(
        self, task_name: str, rate_limit: str | int | float, destination: Sequence[str] | None = None, **options: Any
    ) -> list[Reply] | None:
        """Limit how often a task type starts in each worker: "10/s", "10/m", "10/h", or a number per second."""
        arguments = {"task_name": task_name, "rate_limit": rate_limit}
        return self.broadcast("rate_limit", arguments, destination, **options)

    def time_limit(
        self, task_name: str, soft: float | None = None, hard: float | None = None, **options: Any
    ) -> list[Reply] | None:
        """Set the time limits of a task type, in seconds."""
        return self.broadcast("time_limit", {"task_name": task_name, "soft": soft, "hard": hard}, **options)

    def add_consumer(
        self,
        queue: str,
        exchange: str | None = None,
        exchange_type: str = "direct",
        routing_key: str | None = None,
        options: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> list[Reply] | None:
        """Have workers consume from one queue more; `options` are the queue's, `more` as in `broadcast`."""
        arguments = {
            "queue": queue, "exchange": exchange, "routing_key": routing_key, "exchange_type": exchange_type,
        }  # fmt: skip
        return self.broadcast("add_consumer", {**arguments, **(options or {})}, **more)

    def cancel_consumer(self, queue: str, **options: Any) -> list[Reply] | None:
        """Have workers consume from a queue no longer."""
        return self.broadcast("cancel_consumer", {"queue": queue}, **options)

    def enable_events(self, **options: Any) -> list[Reply] | None:
        """Have workers send task events."""
        return self.broadcast("enable_events", {}, **options)

    def disable_events(self, **options: Any) -> list[Reply] | None:
        """Have workers send no task events."""
        return self.broadcast("disable_events", {}, **options)

    def heartbeat(self, **options: Any) -> list[Reply] | None:
        """Have workers send a heartbeat event now."""
        return self.broadcast("heartbeat", {}, **options)

    def pool_grow(self, n: int = 1, **options: Any) -> list[Reply] | None:
        """Add `n` slots to each worker's pool."""
        return self.broadcast("pool_grow", {"n": n}, **options)

    def pool_shrink(self, n: int = 1, **options: Any) -> list[Reply] | None:
        """Take `n` slots from each worker's pool."""
        return self.broadcast("pool_shrink", {"n": n}, **options)

    def pool_restart(
        self, modules: Sequence[str] | None = None, reload: bool = False, **options: Any
    ) -> list[Reply] | None:
        """Replace the hosts of each worker's pool; `modules` are imported, or reloaded."""
        return self.broadcast("pool_restart", {"modules": modules, "reload": reload}, **options)

    def autoscale(self, max: int, min: int, **options: Any) -> list[Reply] | None:
        """Set the bounds that autoscaling workers keep to."""
        return self.broadcast("autoscale", {"max": max, "min": min}, **options)

    def election(self, id: str, topic: str, action: Any = None, **options: Any) -> list[Reply] | None:
        """Have the workers elect one of them to do `action`."""
        return self.broadcast("election", {"id": id, "topic": topic, "action": action}, **options)

    def purge(self, queues: Iterable[str] | None = None) -> int:
        """Drop the waiting messages of `queues`, by default of all queues of the settings; return how many."""
        admin = self.app.transport.admin()
        names = list(queues) if queues is not None else self._configured()
        return sum(admin.purge(name) for name in names)

    discard_all = purge

    def _configured(self) -> list[str]:
        from kernelq.routing import Queues

        return sorted(Queues(self.app.conf).known) or [self.app.conf.task_default_queue]


def _in_use(transport: Any) -> Any:
    """Return the broker in use of several, or the one that there is."""
    return getattr(transport, "current", transport)
