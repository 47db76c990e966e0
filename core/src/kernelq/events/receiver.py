"""Taking events from the broker (celery/events/receiver.py)."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Any

from kombu.connection import Connection
from kombu.entity import Queue

from kernelq.events.event import exchange, utcoffset
from kernelq.events.subscription import Subscription
from kernelq.failover import attempts
from kernelq.ids import new_id
from kernelq.kernel.errors import BrokerLost, BrokerUnreachable

if TYPE_CHECKING:
    from kernelq.app import KernelQ

Handler = Callable[[dict[str, Any]], Any]

log = logging.getLogger("kernelq.events")

LOOK = 0.2
"""Seconds after which a receiver that waits looks whether it is to stop, and keeps its connection alive."""
FIRST_LOOK = 0.01
"""Seconds of a first look at a new connection: on Redis kombu subscribes when it looks, and not before."""
BACKOFF = (0.2, 5.0)
"""Seconds before the first attempt to connect again, and the most before a later one."""


class Receiver:
    """Calls `handlers` with the events of a cluster: by type, ``"task-failed"``, with ``"*"`` for all other types.

    `connection`, a kombu connection or channel, tells the broker, by default it is the app's. `routing_key` chooses,
    ``worker.#`` the events of workers, where the broker can. The other arguments are the queue's, else the settings
    ``event_queue_…`` (times in seconds). Not thread-safe, but for `stop`.
    """

    def __init__(
        self,
        app: KernelQ,
        connection: Any = None,
        handlers: Mapping[str, Handler] | None = None,
        routing_key: str = "#",
        node_id: str | None = None,
        *,
        queue_prefix: str | None = None,
        queue_ttl: float | None = None,
        queue_expires: float | None = None,
        accept: Iterable[str] | None = None,
    ) -> None:
        conf = app.conf
        self.app = app
        self.handlers = dict(handlers or {})
        self.routing_key = routing_key
        self.node_id = node_id or new_id()
        self.queue_prefix = conf.event_queue_prefix if queue_prefix is None else queue_prefix
        self.accept = {conf.event_serializer, "json"} if accept is None else set(accept)
        self.should_stop = False
        self.connected = False
        """Whether events can come now."""
        self.on_ready: Callable[[], Any] | None = None
        """Called whenever there is a connection, in the thread of `capture`."""
        self._given: Connection | None = _connection(connection)
        self._ttl = conf.event_queue_ttl if queue_ttl is None else queue_ttl
        self._expires = conf.event_queue_expires if queue_expires is None else queue_expires
        self._stopped = threading.Event()

    def capture(self, limit: int | None = None, timeout: float | None = None, wakeup: bool = True) -> None:
        """Take events until `stop` is called, or `limit` messages have come; a message may hold several events.

        With `wakeup`, workers are asked for a heartbeat at once. A broker that is lost is connected to again. Raises
        TimeoutError after `timeout` seconds in which no message came, `BrokerUnreachable` where there is no broker at
        the start, and what a handler raises.
        """
        for _ in self.itercapture(limit, timeout, wakeup):
            pass

    def itercapture(
        self, limit: int | None = None, timeout: float | None = None, wakeup: bool = True
    ) -> Iterator[None]:
        """Do as `capture`, yielding after each message."""
        taken, last = 0, time.monotonic()
        with closing(self._messages(wakeup, LOOK if timeout is None else min(LOOK, timeout))) as messages:
            for events in messages:
                if events:
                    for event in events:
                        self.process(*self.event_from_message(event))
                    yield
                    taken, last = taken + 1, time.monotonic()
                    if limit and taken >= limit:
                        return
                elif timeout is not None and time.monotonic() - last >= timeout:
                    raise TimeoutError(f"no event came within {timeout:g} seconds")

    def stop(self) -> None:
        """End `capture` within a second. Safe from any thread and from a handler."""
        self.should_stop = True
        self._stopped.set()

    def wakeup_workers(self, connection: Connection) -> None:
        """Ask all workers for a heartbeat, over `connection`; nobody replies."""
        self.app.control.mailbox()(connection).abcast("heartbeat")

    def process(self, type: str, event: dict[str, Any]) -> None:
        """Call the handler of a type of events, else that of ``"*"``."""
        handler = self.handlers.get(type) or self.handlers.get("*")
        if handler is not None:
            handler(event)

    def event_from_message(self, body: dict[str, Any], localize: bool = True) -> tuple[str, dict[str, Any]]:
        """Return the type of an event, and the event with what the receiver adds.

        The clock is adjusted by the event's, or gives it one: senders of tasks have none that counts. `localize`
        corrects ``timestamp`` by the difference of the two ``utcoffset``, hours west of UTC, as Celery does.
        ``local_received`` is when it came here, in seconds since the epoch.
        """
        clock = self.app.clock
        if body["type"] == "task-sent":
            body["clock"] = max(clock.value, 1) - 1
        elif isinstance(body.get("clock"), int):
            clock.adjust(body["clock"])
        else:
            body["clock"] = clock.forward()
        offset, timestamp = body.get("utcoffset"), body.get("timestamp")
        if localize and isinstance(offset, int | float) and isinstance(timestamp, int | float):
            body["timestamp"] = timestamp - (offset - utcoffset()) * 3600
        body["local_received"] = time.time()
        return body["type"], body

    # The connection

    def _messages(self, wakeup: bool, look: float) -> Generator[list[dict[str, Any]]]:
        """Yield the events of each message, and an empty list on connecting and when none came for `look` seconds."""
        pause, ever = BACKOFF[0], False
        while not self.should_stop:
            try:
                with closing(self._connected(wakeup, look)) as messages:
                    for events in messages:
                        pause, ever = BACKOFF[0], True
                        yield events
            except (BrokerLost, BrokerUnreachable) as error:
                if not ever:
                    raise
                log.warning("%s; trying again in %.1f s", error, pause)
                self._stopped.wait(pause)
                pause = min(2 * pause, BACKOFF[1])

    def _connected(self, wakeup: bool, look: float) -> Generator[list[dict[str, Any]]]:
        subscription = self._subscribe()
        try:
            bodies = subscription.wait(FIRST_LOOK)
            if wakeup:
                with subscription.guarded():
                    self.wakeup_workers(subscription.connection)
            self.connected = True
            if self.on_ready is not None:
                self.on_ready()
            yield []
            while not self.should_stop:
                for body in bodies:
                    events = [one for one in (body if isinstance(body, list) else [body]) if _is_event(one)]
                    if events:
                        yield events
                bodies = subscription.wait(look)
                if not bodies:
                    yield []
        finally:
            self.connected = False
            subscription.close()

    def _subscribe(self) -> Subscription:
        failure: BrokerUnreachable | None = None
        timeout = self.app.conf.broker_connection_timeout
        for connection, place in self._places():
            try:
                return Subscription(connection, place, self._queue, self.accept, timeout)
            except BrokerUnreachable as error:
                failure = error
        assert failure is not None
        raise failure

    def _places(self) -> Iterator[tuple[Connection, str]]:
        if self._given is not None:
            yield self._given.clone(), self._given.as_uri()
        else:
            for transport in attempts(self.app.transport):
                yield transport.connection(), transport.safe_url()

    def _queue(self, connection: Connection) -> Queue:
        conf = self.app.conf
        return Queue(
            f"{self.queue_prefix}.{self.node_id}",
            exchange=exchange(connection, conf.event_exchange),
            routing_key=self.routing_key,
            auto_delete=not conf.event_queue_durable,
            durable=conf.event_queue_durable,
            exclusive=conf.event_queue_exclusive and not conf.event_queue_durable,
            message_ttl=self._ttl,
            expires=self._expires,
        )


def _is_event(body: Any) -> bool:
    return isinstance(body, dict) and isinstance(body.get("type"), str)


def _connection(given: Any) -> Connection | None:
    """Return the connection that is given, or that of the channel that is."""
    connection: Connection | None = given
    if given is not None and not isinstance(given, Connection):
        connection = given.connection.client
    return connection
