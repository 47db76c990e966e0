"""The consuming side: deliveries against credit, settlements in batches."""

from __future__ import annotations

import contextlib
import logging
import random
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from typing import TYPE_CHECKING, Any

from amqp.exceptions import AMQPNotImplementedError

from kernelq.delivery import Verdict
from kernelq.kernel.errors import BrokerLost
from kernelq_amqp import delays, flow, queues, wire
from kernelq_amqp.again import Again
from kernelq_amqp.driven import Driven
from kernelq_amqp.estate import Estate
from kernelq_amqp.flight import Flight, Open
from kernelq_amqp.held import Held
from kernelq_amqp.link import short_strings
from kernelq_amqp.poster import Poster
from kernelq_amqp.tables import properties

if TYPE_CHECKING:
    from kernelq.delivery import Delivery, Settlement
    from kernelq.handles import Loop, Timer
    from kernelq.kernel.contracts.backend import ResultBackend
    from kernelq_amqp.connector import Connector
    from kernelq_amqp.link import Channel, Link
    from kernelq_amqp.queues import Queues

log = logging.getLogger("kernelq.amqp")

PATIENCE = 1.0
"""Seconds that a message which came beyond the credit waits for more of it before it goes back to its queue."""
MOST_RETURNS = 10
"""So often a quorum queue's message may have come back before it is rather kept here: RabbitMQ counts each return, and
drops a message, or sends it to a dead set, at its limit (20 in RabbitMQ 4)."""
GOODBYE = 2.0
"""Seconds for the closing words to a broker that answers."""


class AmqpLane:
    """A `Lane` on one connection; see the contract. What it publishes itself goes over a second one.

    The connection is read and written in the worker's loop, and waited for only to declare a queue, and in `begin`.
    """

    def __init__(self, connector: Connector, known: Queues) -> None:
        self._connector = connector
        self._queues = known
        self._base = random.getrandbits(32) << 32
        self._numbers = count(1)
        self._flying: dict[int, Flight] = {}
        self._arrived: deque[Flight] = deque()
        self._names: list[str] = []
        self._credit = 0
        self._scheduled = self._broken = False
        self._surplus_since = 0.0
        self._link: Link | None = None
        self._timer: Timer | None = None
        self.on_fenced: Callable[[], None] = lambda: None

    # -- the contract -------------------------------------------------------------------------------------------------

    def open(self, loop: Loop, queues: Sequence[str], on_deliveries: Callable[[list[Delivery]], None]) -> None:
        """Connect and declare; raises BrokerUnreachable within the connection timeout."""
        self._loop, self._on_deliveries = loop, on_deliveries
        link = self._connector.link("lane")
        self._link = link
        self._poster = Poster(self._connector, loop, self._break)
        self._again = Again(link, self._connector, self._queues, self._poster, self._posted)
        self._held = Held(loop, self._due)
        self._driven = Driven(loop, link, self._connector, self._handle_now, self._break)
        self._timer = loop.call_repeatedly(PATIENCE / 2, self._return_surplus)
        try:
            with self._holding():
                self._channel: Channel = link.channel()
                self._channel.on_deliver = self._came
                self._channel.on_cancelled = self._cancelled
                self._open = Open(link, self._channel)
                quorum = any(self._queues[name].quorum for name in queues)
                self._flow = flow.choose(link, self._channel, quorum or self._queues.each_alone)
                self._estate = Estate(link, self._poster, quorum)
                for name in queues:
                    self.add_queue(name)
        except BaseException:
            self._broken = True
            self.close()
            raise

    def want(self, n: int) -> None:
        """Set the credit; what the broker may send follows at the end of the turn."""
        self._credit = n
        self._schedule()

    def begin(self, batch: Sequence[Delivery]) -> None:
        """Count this owner before it can die of the message; returns when the broker has noted it."""
        flights = [self._flying[d.tag] for d in batch if d.tag in self._flying and not self._flying[d.tag].mark]
        if flights:
            with self._holding():
                self._estate.begin(flights, self._acknowledge, self._connector.timeout)
                self._driven.flush()

    def settle(self, batch: Sequence[Settlement]) -> None:
        """Settle; what is published for it is confirmed before the old message is acknowledged."""
        done: list[Flight] = []
        back: list[Flight] = []
        with self._holding():
            for settlement in batch:
                flight = self._flying.pop(settlement.delivery.tag, None)
                if flight is None:
                    continue
                verdict = settlement.verdict
                if verdict is Verdict.ACK:
                    done.append(flight)
                elif verdict is Verdict.BURY:
                    self._bury(flight, settlement.reason)
                elif verdict is Verdict.DEFER and settlement.eta is not None:
                    self._defer(flight, settlement.eta, settlement.counted)
                elif settlement.counted or flight.mark:
                    self._again.publish(flight, None, settlement.counted)
                else:
                    back.append(flight)
            self._acknowledge(*done)
            self._give_back(back)
        self._connector.ended.acknowledge(done)
        self._schedule()

    def commits(self, backend: ResultBackend) -> bool:
        """Return False: RabbitMQ keeps no results."""
        return False

    def add_queue(self, queue: str) -> None:
        """Consume from one queue more."""
        if queue in self._names:
            return
        with self._holding():
            link = self._linked()
            declaration = self._queues[queue]
            queues.ensure(link, declaration)
            delays.bind_for_celery(link, declaration)
            self._estate.add_queue(queue)
            self._names.append(queue)
            self._flow.add(queue, declaration.consumer_arguments)
        self._schedule()

    def cancel_queue(self, queue: str) -> None:
        """Consume from `queue` no longer; what came and was not handed over goes back."""
        if queue not in self._names:
            return
        self._names.remove(queue)
        with self._holding():
            self._flow.remove(queue)
            back = [flight for flight in self._arrived if flight.queue == queue]
            self._arrived = deque(flight for flight in self._arrived if flight.queue != queue)
            self._open.give_back(flight.tag for flight in back)
            self._driven.flush()

    def depth(self, most: int = 1000) -> int | None:
        """Count what waits here and in the queues, in a millisecond or two; None when the lane is closed."""
        if self._link is None:
            return None
        with self._holding():
            ready = sum(queues.count(self._link, name) or 0 for name in self._names)
        return min(ready + len(self._arrived), most)

    def close(self, release: Sequence[Delivery] = ()) -> None:
        """Give everything back that did not start, `release` first, and close. A lost connection is just dropped."""
        link, self._link = self._link, None
        if link is None:
            return
        self._driven.stop()
        if self._timer is not None:
            self._timer.cancel()
        self._credit = 0
        held = self._held.clear()
        if not self._broken:
            link.patience = GOODBYE
            with contextlib.suppress(BrokerLost), self._holding():
                self._leave(release, held)
        if self._broken:
            self._connector.ended.lost()
            link.abort()
        else:
            link.part(GOODBYE)
        self._poster.close(self._broken)
        if self._flying:  # the broker gives them to others at once
            self.on_fenced()
        for each in (self._arrived, self._flying, self._names):
            each.clear()

    def info(self) -> dict[str, Any]:
        """Return the broker, the queues, the credit, and what is here."""
        link = self._link
        return {
            "transport": "amqp",
            "url": self._connector.safe_url(),
            "queues": sorted(self._names),
            "credit": self._credit,
            "in_flight": len(self._flying),
            "arrived": len(self._arrived),
            "held": 0 if link is None else len(self._held),
            "unconfirmed": 0 if link is None else self._poster.waiting,
            "blocked": link is not None and self._poster.blocked,
            "heartbeat": 0 if link is None else link.heartbeat,
        }

    # -- what comes ---------------------------------------------------------------------------------------------------

    def _came(self, consumer: str, tag: int, redelivered: bool, route: bytes, header: bytes, body: bytes) -> None:
        queue = self._flow.came(consumer)
        self._open.add(tag)
        exchange, key = short_strings(route)
        try:
            came = wire.Came(properties(header), body, redelivered, exchange, key)
        except ValueError as error:
            raw = wire.Came({}, body, redelivered, exchange, key)
            self._loop.call_soon(self._bury, Flight(tag, queue, consumer, raw), str(error))
            return
        flight = Flight(tag, queue, consumer, came)
        if queue not in self._names:  # it was on its way while the queue was cancelled
            self._open.give_back([tag])
        elif redelivered and self._connector.ended.has(flight):
            self._flow.gone(consumer)
            self._open.ack([tag])
        elif came.headers and wire.ETA in came.headers and (came.eta or 0.0) > time.time() + 0.01:
            self._early(flight, came.eta or 0.0)
        else:
            self._arrived.append(flight)

    def _early(self, flight: Flight, eta: float) -> None:
        """Take a message whose time has not come: the levels count whole seconds, what is left waits here."""
        if eta - time.time() < delays.SHORTEST and not self._held.full:
            self._held.hold(flight, eta)
        else:
            self._loop.call_soon(self._defer_early, flight, eta)

    def _defer_early(self, flight: Flight, eta: float) -> None:
        if self._link is not None:
            with self._holding():
                self._defer(flight, eta, False)

    def _due(self, flight: Flight) -> None:
        self._arrived.appendleft(flight)
        self._schedule()

    def _cancelled(self, consumer: str) -> None:
        queue = self._flow.cancelled(consumer)
        if queue is not None:
            self._loop.call_soon(self._consume_anew, queue)

    def _consume_anew(self, queue: str) -> None:
        if self._link is None or queue not in self._names:
            return
        log.warning("the queue %s was deleted in the broker; it is declared again", queue)
        self._names.remove(queue)
        with self._holding():
            self._flow.stop()
            self.add_queue(queue)

    # -- turns of the loop --------------------------------------------------------------------------------------------

    def _schedule(self) -> None:
        if not self._scheduled and self._link is not None:
            self._scheduled = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        self._scheduled = False
        if self._link is not None:
            self._hand_over()
            self._set_flow()

    def _set_flow(self) -> None:
        if self._link is not None:  # whoever took the deliveries may have closed the lane
            with self._holding():
                self._flow.set(len(self._open), max(self._credit - len(self._arrived), 0))
            self._driven.flush()

    def _handle_now(self) -> None:
        """Hand over what has just been read, without waiting for the loop's next turn."""
        if self._arrived and self._credit:
            self._hand_over()

    def _hand_over(self) -> None:
        arrived = self._arrived
        batch = [arrived.popleft() for _ in range(min(self._credit, len(arrived)))]
        if batch:
            self._credit -= len(batch)
            self._on_deliveries([self._deliver(flight) for flight in batch])

    def _deliver(self, flight: Flight) -> Delivery:
        number = self._base | next(self._numbers)
        self._flying[number] = flight
        came = flight.came
        if came.redelivered or came.headers.get(wire.COUNT):
            counted = came.count
            came.deliveries = counted + 1 if counted else 1 + self._lost(flight.queue)
        return wire.delivery(flight.queue, number, came)

    def _lost(self, queue: str) -> bool:
        with self._holding():
            return self._estate.lost(queue)

    def _return_surplus(self) -> None:
        """Give back what came beyond the credit and has waited long enough."""
        now = time.monotonic()
        if not self._arrived or self._credit or self._link is None:
            self._surplus_since = 0.0
        elif not self._surplus_since:
            self._surplus_since = now
        elif now - self._surplus_since >= PATIENCE:
            surplus = [flight for flight in self._arrived if flight.returns < MOST_RETURNS]
            self._arrived = deque(flight for flight in self._arrived if flight.returns >= MOST_RETURNS)
            with self._holding():
                self._give_back(surplus)

    # -- settling -----------------------------------------------------------------------------------------------------

    def _acknowledge(self, *flights: Flight) -> None:
        originals = []
        for flight in flights:
            if flight.mark and flight.consumer == "":
                self._estate.settle(flight)
            else:
                self._flow.gone(flight.consumer)
                originals.append(flight.tag)
                flight.consumer = ""
        if originals:
            self._open.ack(originals)
            self._driven.flush()
        elif flights:
            self._driven.flush()

    def _give_back(self, flights: Sequence[Flight]) -> None:
        """Return messages to their places; nothing is consumed meanwhile, or what stands behind them came first."""
        if flights:
            self._flow.stop()
            self._open.give_back(flight.tag for flight in flights)
            self._driven.flush()
            self._schedule()

    def _bury(self, flight: Flight, reason: str) -> None:
        if self._link is not None:
            with self._holding():
                self._again.bury(flight, reason)

    def _defer(self, flight: Flight, eta: float, counted: bool) -> None:
        soon = eta - time.time() < delays.SHORTEST
        if soon and not counted and not flight.mark and not self._held.full:
            self._held.hold(flight, eta)
        else:
            self._again.publish(flight, eta, counted)

    def _posted(self, flight: Flight) -> None:
        self._acknowledge(flight)
        self._schedule()

    # -- the end ------------------------------------------------------------------------------------------------------

    def _leave(self, release: Sequence[Delivery], held: Sequence[Flight]) -> None:
        self._flow.stop()
        released = [self._flying.pop(d.tag) for d in release if d.tag in self._flying]
        for flight in released:
            if flight.mark:  # its copy in the estate would come back counted
                self._again.publish(flight, None, False)
        with contextlib.suppress(TimeoutError):
            self._poster.wait(GOODBYE)
            self._estate.collect(GOODBYE)
        back = sorted((*released, *self._arrived, *held), key=lambda flight: flight.tag)
        self._open.give_back(flight.tag for flight in back if not flight.mark)
        if not self._flying and not self._poster.waiting:
            self._estate.close()
        self._channel.close()

    def _linked(self) -> Link:
        if self._link is None:
            raise BrokerLost("the lane is closed")
        return self._link

    def _break(self, error: BaseException) -> None:
        if isinstance(error.__cause__, AMQPNotImplementedError):
            self._queues.each_alone = True  # for the next lane
        if not self._broken:
            self._broken = True
            self._connector.broke(error)

    @contextlib.contextmanager
    def _holding(self) -> Iterator[None]:
        try:
            with self._connector.holding():
                yield
        except BrokerLost as error:
            self._break(error)
            raise
