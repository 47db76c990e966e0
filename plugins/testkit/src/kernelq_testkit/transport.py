"""TransportConformance: what a transport declares beyond lane and sender."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from kernelq.delivery import Settlement, Verdict
from kernelq.kernel.contracts.transport import TransportCapability as Can
from kernelq.outcome import Record
from kernelq_testkit.child import child_that_waits, kill, run_in_child
from kernelq_testkit.consuming import Consuming
from kernelq_testkit.messages import message, messages
from kernelq_testkit.transport_base import TransportKit

if TYPE_CHECKING:
    from kernelq.kernel.contracts.backend import ResultBackend
    from kernelq.kernel.contracts.transport import QueueAdmin, Transport


class TransportConformance(TransportKit):
    """Holds a transport to the capabilities it declares: dead set, purge, fan-out, lease, processes, atomic results.

    Subclass it with the fixture `transport_factory`, and with `backend` where ATOMIC_RESULTS is declared.
    """

    @pytest.fixture
    def backend(self) -> ResultBackend | None:
        """Return a result store on the same server as the broker, or None."""
        return None

    @pytest.fixture
    def admin(self, transport: Transport) -> QueueAdmin:
        """The queue administration."""
        return transport.admin()

    def test_capability_purge(
        self, transport: Transport, admin: QueueAdmin, consume: Any, send: Any, queue: str
    ) -> None:
        """PURGE: counts are right, and what is purged comes never. Without it, one of both fails."""
        send(*messages(queue, 3))
        lane = consume(queue)
        lane.settle(lane.take(1))
        lane.lane.close()
        counted = [info.ready for info in admin.queues() if info.name == queue]
        purged = admin.purge(queue)
        gone = consume(queue).quiet(self.quiet)
        works = (counted, purged, gone) == ([2], 2, True)
        assert works is self.can(transport, Can.PURGE), f"counted {counted}, purged {purged}, gone {gone}"
        assert admin.purge(queue) == 0

    def test_capability_dead_set(
        self, transport: Transport, admin: QueueAdmin, consume: Any, send: Any, queue: str
    ) -> None:
        """DEAD_SET: what was buried is listed, newest first, with its reason. Without it, it is not."""
        sent = messages(queue, 2)
        send(*sent)
        lane = consume(queue)
        for number, delivery in enumerate(lane.take(2)):
            lane.settle([delivery], Verdict.BURY, reason=f"reason {number}")
        letters = admin.dead(queue)
        assert bool(letters) is self.can(transport, Can.DEAD_SET)
        if letters:
            assert ["reason 1", "reason 0"] == [letter.reason for letter in letters]
            assert [sent[1].id, sent[0].id] == [letter.task_id for letter in letters]
            assert [1, 1] == [letter.deliveries for letter in letters]
            assert (letters[1].task, letters[1].queue, bytes(letters[1].body)) == ("kit.task", queue, sent[0].body)
            assert [letters[0].id] == [letter.id for letter in admin.dead(queue, limit=1)]

    def test_dead_letters_are_replayed_and_dropped(
        self, transport: Transport, admin: QueueAdmin, consume: Any, send: Any, queue: str
    ) -> None:
        """DEAD_SET: one by one, a letter is shown, put back as new to its queue, or deleted."""
        if not self.can(transport, Can.DEAD_SET):
            return
        sent = messages(queue, 3)
        send(*sent)
        lane = consume(queue)
        lane.settle(lane.take(3), Verdict.BURY, reason="why not")
        letters = {letter.task_id: letter for letter in admin.dead(queue)}
        shown = admin.dead_letter(letters[sent[0].id].id)
        assert shown is not None
        assert bytes(shown.body) == sent[0].body
        assert admin.replay([letters[sent[0].id].id, "no such letter"]) == 1
        assert admin.drop([letters[sent[1].id].id]) == 1
        assert admin.drop([letters[sent[1].id].id]) == 0
        (again,) = lane.take(1)
        assert (again.headers["id"], again.deliveries) == (sent[0].id, 1)
        assert [sent[2].id] == [letter.task_id for letter in admin.dead(queue)]

    def test_capability_lease(
        self, transport_factory: Callable[[], Transport], transport: Transport, consume: Any, send: Any, queue: str
    ) -> None:
        """LEASE: a consumer is killed, and what it had comes again within `lease_limit`. Without it, not soon.

        Where other processes cannot be consumers, a closed lane stands for the killed one.
        """
        send(message(queue))
        if not self.can(transport, Can.MULTIPROCESS):
            first = consume(queue)
            first.take(1)
            first.lane.close()
            assert consume(queue).quiet(self.quiet) is not self.can(transport, Can.LEASE)
            return

        def consumer(ready: Callable[[], None]) -> None:
            Consuming(transport_factory(), self.loop_class(), queue).take(1)
            ready()
            signal.pause()

        with child_that_waits(consumer) as pid:
            kill(pid)
            wait = self.lease_limit if self.can(transport, Can.LEASE) else self.quiet
            assert consume(queue).quiet(wait) is not self.can(transport, Can.LEASE)

    def test_capability_multiprocess(
        self, transport_factory: Callable[[], Transport], transport: Transport, consume: Any, queue: str
    ) -> None:
        """MULTIPROCESS: what another process publishes arrives. Without it, it cannot."""
        failure = run_in_child(lambda: transport_factory().sender().publish(message(queue)))
        came = not consume(queue).quiet(self.soon if self.can(transport, Can.MULTIPROCESS) else self.quiet)
        assert came is self.can(transport, Can.MULTIPROCESS), failure

    def test_capability_atomic_results(
        self, transport: Transport, backend: ResultBackend | None, consume: Any, send: Any, queue: str
    ) -> None:
        """ATOMIC_RESULTS: a settlement stores its result, and only where the delivery is this lane's own."""
        lane = consume(queue)
        commits = backend is not None and lane.lane.commits(backend)
        assert commits is self.can(transport, Can.ATOMIC_RESULTS)
        if backend is None or not commits:
            return
        send(message(queue))
        other = consume(queue)
        assert other.lane.commits(backend)
        (delivery,) = lane.take(1)
        foreign = Record("foreign", "SUCCESS", b"foreign", 60)
        other.lane.settle([Settlement(delivery, Verdict.ACK, record=foreign)])
        assert backend.get("foreign") is None
        own = Record("own", "SUCCESS", b"own", 60)
        lane.lane.settle([Settlement(delivery, Verdict.ACK, record=own)])
        lane.loop.run_until(lambda: backend.get("own") is not None, self.soon)
        assert backend.get("own") == b"own"

    def test_capability_fanout(self, transport: Transport) -> None:
        """FANOUT: what is broadcast reaches every bound queue. Without it, it does not."""
        try:
            reached = _broadcast(transport)
        except Exception:  # a transport without fan-out may refuse in any way it likes
            if self.can(transport, Can.FANOUT):
                raise
            reached = 0
        assert (reached == 2) is self.can(transport, Can.FANOUT), f"{reached} of 2 consumers had the broadcast"

    def test_making_a_transport_connects_to_nothing(self, transport_factory: Callable[[], Transport]) -> None:
        """Neither the transport nor what it makes opens a descriptor before it is used."""
        transport_factory()
        before = len(os.listdir("/dev/fd"))
        made = transport_factory()
        parts = made.lane(), made.sender(), made.admin(), made.capabilities, made.safe_url()
        assert len(os.listdir("/dev/fd")) == before, parts


def _broadcast(transport: Transport) -> int:
    """Broadcast to two consumers on connections of their own; return how many had it."""
    from uuid import uuid4

    from kombu import entity
    from kombu.messaging import Consumer, Producer

    name = f"kit-{uuid4().hex[:12]}.fanout"
    exchange = entity.Exchange(name, type="fanout", durable=False, auto_delete=True)
    had: list[str] = []
    connections = [transport.connection() for _ in range(3)]
    try:
        for number, connection in enumerate(connections[:2]):
            queue = entity.Queue(f"{name}.{number}", exchange, durable=False, auto_delete=True)
            consumer = Consumer(connection.channel(), [queue], accept=["json"], no_ack=True)
            consumer.register_callback(lambda body, message, number=number: had.append(body["word"] + str(number)))
            consumer.consume()
            _drain(connection, 0.2)
        Producer(connections[2].channel(), exchange).publish({"word": "all"}, serializer="json")
        for connection in connections[:2]:
            _drain(connection, 2.0)
    finally:
        for connection in connections:
            connection.release()
    return len(set(had))


def _drain(connection: Any, timeout: float) -> None:
    try:
        connection.drain_events(timeout=timeout)
    except TimeoutError:
        return
