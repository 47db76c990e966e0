"""The consuming side, over plain kombu consumers."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any

from kombu.messaging import Consumer

from kernelq.delivery import Verdict
from kernelq.kernel.errors import BrokerLost, BrokerUnreachable
from kernelq_kombu import queues, wire
from kernelq_kombu.connector import forget
from kernelq_kombu.flow import Flow
from kernelq_kombu.gauge import Gauge
from kernelq_kombu.held import Held
from kernelq_kombu.hub import GuardedHub

if TYPE_CHECKING:
    from kombu.connection import Connection

    from kernelq.delivery import Delivery, Settlement
    from kernelq.handles import Loop, Timer
    from kernelq.kernel.contracts.backend import ResultBackend
    from kernelq_kombu.connector import Connector
    from kernelq_kombu.sender import KombuSender

POLLS = 20
"""Polls a second of a transport that cannot wake an event loop."""

BURST = 256
"""Messages taken by one poll, so that nothing else in the loop waits for long."""

PATIENCE = 1.0
"""Seconds that a message which came beyond the credit waits for more of it before it goes back to its queue."""


class Flight:
    """A message that this lane has and has not settled."""

    __slots__ = ("lost", "message", "queue")

    def __init__(self, message: Any, queue: str) -> None:
        self.message = message
        self.queue = queue
        self.lost = 0  # hosts that were lost with it here; the broker learns of them when it is published again


class KombuLane:
    """A lane on one connection and one channel, a kombu consumer per queue.

    In the worker's loop (one with a ``hub``) an asynchronous transport is driven by the hub; everything else is polled.
    """

    def __init__(self, connector: Connector, sender: KombuSender, known: set[str]) -> None:
        self._connector = connector
        self._sender = sender
        self._known = known
        self._flying: dict[int, Flight] = {}
        self._arrived: deque[Flight] = deque()
        self._consumers: dict[str, Any] = {}
        self._numbers = count(1)
        self._timers: list[Timer] = []
        self._credit = 0
        self._scheduled = False
        self._broken = False
        self._connection: Connection | None = None
        self._guarded: GuardedHub | None = None
        self.on_fenced: Callable[[], None] = lambda: None

    def open(self, loop: Loop, queues: Sequence[str], on_deliveries: Callable[[list[Delivery]], None]) -> None:
        """Connect and declare; raises BrokerUnreachable within the connection timeout."""
        self._loop, self._on_deliveries = loop, on_deliveries
        self._held = Held(loop, self._due, lambda flight: self._requeue([flight]))
        self._connection = connection = self._connector.connected(heartbeat=True)
        try:
            with self._holding():
                self._channel = connection.channel()
                self._flow = Flow(connection, self._channel, self._connector.virtual)
                self._gauge = Gauge(connection, self._connector)
                for queue in queues:
                    self.add_queue(queue)
        except BrokerLost:
            self.close()
            raise
        self._drive(loop)

    def want(self, n: int) -> None:
        """Set the credit; the broker's prefetch follows at the next turn of the loop."""
        self._credit = n
        self._schedule()

    def begin(self, batch: Sequence[Delivery]) -> None:
        """Note nothing: kombu has no way to tell a broker, so owners that are lost are not counted; hosts are."""

    def settle(self, batch: Sequence[Settlement]) -> None:
        """Settle; what is published for it is confirmed before the old message is acknowledged."""
        back: list[Flight] = []
        with self._holding():
            for settlement in batch:
                flight = self._flying.pop(settlement.delivery.tag, None)
                if flight is None:
                    continue
                flight.lost += settlement.counted
                if settlement.verdict is Verdict.ACK:
                    flight.message.ack()
                elif settlement.verdict is Verdict.BURY:
                    dead = queues.dead_name(flight.queue)
                    self._publish_again(flight, dead, wire.burial(flight.message, settlement.reason))
                elif settlement.verdict is Verdict.DEFER and settlement.eta is not None:
                    self._held.hold(flight, settlement.eta)
                else:
                    back.append(flight)
            self._requeue(back)
        self._schedule()

    def commits(self, backend: ResultBackend) -> bool:
        """Return False: kombu has no transactions to share."""
        return False

    def add_queue(self, queue: str) -> None:
        """Consume from one queue more."""
        if queue in self._consumers:
            return
        with self._holding():
            assert self._connection is not None
            entity = queues.configured(self._connector).get(queue) or queues.plain(self._connector, queue)
            queues.ensure(self._connection, entity, self._connector.driver == "amqp")
            came = partial(self._came, queue)
            consumer = Consumer(self._channel, [entity], auto_declare=False, on_message=came)
            consumer.on_decode_error = lambda message, _error: came(message)  # the task's executor says what is wrong
            self._consumers[queue] = consumer
            self._known.add(queue)
            self._flow.add(consumer)
        self._schedule()

    def cancel_queue(self, queue: str) -> None:
        """Consume from `queue` no longer."""
        consumer = self._consumers.pop(queue, None)
        if consumer is not None:
            with self._holding():
                self._flow.remove(consumer)

    def depth(self, most: int = 1000) -> int | None:
        """Count what waits here and in the queues; None when the lane is closed, or the broker cannot tell at once."""
        if self._connection is None:
            return None
        with self._holding():
            ready = self._gauge.count(self._consumers)
        return None if ready is None else min(ready + len(self._arrived), most)

    def close(self, release: Sequence[Delivery] = ()) -> None:
        """Give everything back, `release` first, and close. A broken connection is dropped without a word."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        for timer in self._timers:
            timer.cancel()
        if self._guarded is not None:
            self._guarded.clear()
        self._credit = 0
        held = self._held.clear()
        if not self._broken:
            released = [self._flying.pop(d.tag) for d in release if d.tag in self._flying]
            with contextlib.suppress(BrokerLost), self._holding():
                self._flow.stop()
                self._requeue([*released, *self._arrived, *held])
                self._channel.close()
                connection.release()
        if self._broken:
            connection.collect(socket_timeout=0.1)
        if self._flying and self._connector.driver == "amqp":  # RabbitMQ gives them to others at once
            self.on_fenced()
        self._arrived.clear()
        self._flying.clear()
        self._sender.close()

    def forked(self) -> None:
        """Leave the parent's connection alone; called in a forked child."""
        forget(self._connection)
        self._connection = None

    def info(self) -> dict[str, Any]:
        """Return the broker, the queues, the credit, and how many messages are held for later."""
        return {
            "transport": self._connector.driver,
            "url": self._connector.safe_url(),
            "queues": sorted(self._consumers),
            "credit": self._credit,
            "in_flight": len(self._flying),
            "held": len(self._held) if self._connection is not None else 0,
        }

    def _drive(self, loop: Loop) -> None:
        assert self._connection is not None
        hub = getattr(loop, "hub", None)
        if hub is not None and self._connector.asynchronous:
            self._guarded = GuardedHub(hub, self._connector, self._break)
            with self._holding():
                self._connection.register_with_event_loop(self._guarded)
        else:
            self._timers.append(loop.call_repeatedly(1 / POLLS, self._poll))
        heartbeat = self._connection.get_heartbeat_interval() if self._connection.supports_heartbeats else 0
        if heartbeat:
            self._timers.append(loop.call_repeatedly(heartbeat / 2, self._beat))
        self._timers.append(loop.call_repeatedly(PATIENCE, self._return_surplus))

    def _poll(self) -> None:
        if self._connection is None or not self._flow.running:
            return
        with self._holding():
            for _ in range(BURST):
                try:
                    self._connection.drain_events(timeout=0)
                except TimeoutError:
                    return
        self._loop.call_soon(self._poll)

    def _beat(self) -> None:
        if self._connection is not None:
            with self._holding():
                self._connection.heartbeat_check(rate=2)

    def _came(self, queue: str, message: Any) -> None:
        self._arrived.append(Flight(message, queue))
        self._schedule()

    def _due(self, flight: Flight) -> None:
        self._arrived.appendleft(flight)
        self._schedule()

    def _schedule(self) -> None:
        if not self._scheduled and self._connection is not None:
            self._scheduled = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        """Hand over what came, as far as the credit goes, and set the prefetch to what is wanted now."""
        self._scheduled = False
        if self._connection is None:
            return
        batch = [self._arrived.popleft() for _ in range(min(self._credit, len(self._arrived)))]
        if batch:
            self._credit -= len(batch)
            self._on_deliveries([self._deliver(flight) for flight in batch])
        if self._connection is not None:
            wanted = 0 if self._held.full else max(self._credit - len(self._arrived), 0)
            with self._holding():
                self._flow.set(len(self._flying) + len(self._arrived) + len(self._held), wanted)
        if self._credit and self._arrived:
            self._schedule()

    def _deliver(self, flight: Flight) -> Delivery:
        tag = next(self._numbers)
        self._flying[tag] = flight
        delivery = wire.delivery(flight.message, flight.queue, tag, self._connector.driver)
        delivery.deliveries += flight.lost
        return delivery

    def _return_surplus(self) -> None:
        if self._arrived and not self._credit and self._connection is not None:
            surplus = list(self._arrived)
            self._arrived.clear()
            with self._holding():
                self._requeue(surplus)

    def _requeue(self, flights: Sequence[Flight]) -> None:
        """Give messages back so that the first of `flights` is the next to be taken, where the broker can do that."""
        counted = [flight for flight in flights if flight.lost]
        for flight in counted:
            self._publish_again(flight, flight.queue, {wire.COUNT: wire.count_of(flight.message) + flight.lost})
        uncounted = [flight for flight in flights if not flight.lost]
        if uncounted:
            self._flow.prepare_return()
            self._schedule()
        for flight in self._flow.order_of_return(uncounted):
            self._flow.give_back(flight.message)

    def _publish_again(self, flight: Flight, queue: str, headers: dict[str, Any]) -> None:
        self._sender.post(queue, wire.copied(flight.message, queue, headers))
        flight.message.ack()

    @contextlib.contextmanager
    def _holding(self) -> Any:
        try:
            with self._connector.holding():
                yield
        except (BrokerLost, BrokerUnreachable):
            self._break()
            raise

    def _break(self) -> None:
        self._broken = True
