"""The last yard of a send: hooks, then the broker, tried again by policy, never longer than the connection timeout."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from kernelq import signals
from kernelq.context import add_child
from kernelq.failpoint import around
from kernelq.kernel.errors import BrokerUnreachable
from kernelq.result import AsyncResult

if TYPE_CHECKING:
    from kernelq.app import KernelQ
    from kernelq.couriers import Couriers
    from kernelq.events.sent import SentEvents
    from kernelq.kernel.contracts.transport import Sender
    from kernelq.message import Message


RETRY_WINDOW = 0.25
"""The share of ``broker_connection_timeout`` in which a failed publish may be tried again."""

FEW = 100
"""Messages in one publication that is expected to be over in ``broker_connection_timeout``."""


class Errand:
    """A coroutine's send on its way, see `kernelq.couriers`."""

    publishing = False
    """Whether it waits for the broker, with few messages."""


ERRAND: ContextVar[Errand | None] = ContextVar("kernelq_errand", default=None)


class Publisher:
    """Publishes the messages of one app. Thread-safe."""

    def __init__(self, app: KernelQ) -> None:
        self._app = app
        self._local = threading.local()
        self._sent_events: SentEvents | None = None
        self._couriers: Couriers | None = None
        self._publish = around(publish, "before_publish", "after_publish")
        self._compiled: tuple[tuple[int, int], Any, Any] = ((-1, -1), None, None)

    def send(self, message: Message, options: Mapping[str, Any]) -> AsyncResult[Any]:
        """Publish one message, or keep it for the end of this thread's `batch`; return the result to be.

        Of `options`, those of `apply_async`, `retry`, `retry_policy` and `add_to_parent` count here. Raises
        `BrokerUnreachable`.
        """
        batch = self._local.__dict__.get("batch")
        if batch is None:
            self.deliver([message], options)
        else:
            batch.append(message)
        result: AsyncResult[Any] = AsyncResult(message.id, self._app, ignored=message.ignored)
        if options.get("add_to_parent", True):
            add_child(result)
        return result

    @contextmanager
    def batch(self) -> Iterator[None]:
        """Keep what this thread sends, and publish it all at the end; nothing where the block raises."""
        outer = self._local.__dict__.get("batch")
        messages: list[Message] = []
        self._local.batch = messages
        try:
            yield
        finally:
            self._local.batch = outer
        if outer is not None:
            outer.extend(messages)
        elif messages:
            self.deliver(messages, {})

    def deliver(self, messages: Sequence[Message], options: Mapping[str, Any]) -> None:
        """Publish messages now, with the hooks around it. Raises `BrokerUnreachable`."""
        app = self._app
        conf = app.conf
        retry = options.get("retry")
        policy = None
        if conf.task_publish_retry if retry is None else retry:
            policy = conf.task_publish_retry_policy
            if options.get("retry_policy"):
                policy = {**policy, **options["retry_policy"]}
        before, after = self._hooks()
        if before is not None:
            for one in messages:
                before(**_told(one), properties=one.properties, retry_policy=policy)
        errand = ERRAND.get()
        if errand is None:
            self._publish(app.sender, messages, conf.broker_connection_timeout, policy)
        else:
            errand.publishing = len(messages) <= FEW
            self._publish(app.sender, messages, conf.broker_connection_timeout, policy)
            errand.publishing = False
        if after is not None:
            for one in messages:
                after(**_told(one))
        if conf.task_send_sent_event:
            self._tell(messages)

    def _tell(self, messages: Sequence[Message]) -> None:
        """Send the events task-sent."""
        if self._sent_events is None:
            from kernelq.events.sent import SentEvents

            self._sent_events = SentEvents(self._app)  # a second thread may do the same: it opens nothing yet
        self._sent_events(messages)

    @property
    def couriers(self) -> Couriers:
        """The threads in which coroutines send."""
        if self._couriers is None:
            from kernelq.couriers import Couriers

            self._couriers = Couriers(self._app)  # a second thread may do the same: it starts nothing yet
        return self._couriers

    def close(self) -> None:
        """Free what it has opened; a later send opens it again."""
        if self._couriers is not None:
            self._couriers.close()
        if self._sent_events is not None:
            self._sent_events.close()

    def _hooks(self) -> tuple[Any, Any]:
        """Return the compiled hooks around a publish; compiled anew when a signal is connected."""
        version, before, after = self._compiled
        now = signals.before_task_publish.version, signals.after_task_publish.version
        if version != now:
            compiled = self._app.hooks.compiled
            before, after = compiled("before_task_publish"), compiled("after_task_publish")
            self._compiled = (now, before, after)
        return before, after


def _told(message: Message) -> dict[str, Any]:
    return {
        "sender": message.headers["task"],
        "body": message.body,
        "exchange": message.exchange,
        "routing_key": message.routing_key,
        "headers": message.headers,
    }


def publish(sender: Sender, messages: Sequence[Message], timeout: float, policy: Mapping[str, Any] | None) -> None:
    """Publish `messages` and return when the broker has them.

    Raises `BrokerUnreachable` after the retries of `policy` (None: none), and within 1.25 times `timeout` seconds: each
    try is bounded by the sender to `timeout`, and nothing is tried again after a quarter of it, so that a broker
    which first refuses and then hangs holds nobody longer than five seconds by default.
    """
    ends: float | None = None
    retries = 0
    while True:
        begin = time.monotonic()
        try:
            if len(messages) == 1:
                sender.publish(messages[0])
            else:
                sender.publish_many(messages)
            return
        except BrokerUnreachable:
            ends = begin + timeout * RETRY_WINDOW if ends is None else ends
            wait = _wait(policy, retries)
            if wait is None or time.monotonic() + wait >= ends:
                raise
        time.sleep(wait)
        retries += 1


def _wait(policy: Mapping[str, Any] | None, retries: int) -> float | None:
    """Return the seconds before the next try, or None where there is none."""
    if policy is None:
        return None
    allowed = policy.get("max_retries", 3)
    if allowed is not None and retries >= allowed:
        return None
    wait = policy.get("interval_start", 0) + policy.get("interval_step", 0.2) * retries
    return float(min(wait, policy.get("interval_max", 1)))
