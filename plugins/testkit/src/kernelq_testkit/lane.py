"""LaneConformance: the consuming side of a transport."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from kernelq.delivery import Verdict
from kernelq.kernel.contracts.transport import TransportCapability as Can
from kernelq_testkit.messages import message, messages
from kernelq_testkit.transport_base import TransportKit

if TYPE_CHECKING:
    from kernelq.kernel.contracts.transport import Transport
    from kernelq_testkit.consuming import Consuming
    from kernelq_testkit.loop import SteppedLoop

Consume = Callable[..., "Consuming"]
Send = Callable[..., Any]

DELAY = 2.5
"""Seconds that a delayed message waits in these tests."""


class LaneConformance(TransportKit):
    """Holds a lane to `kernelq.kernel.contracts.transport.Lane`, and its transport to its capabilities, both ways.

    Subclass it with a fixture `transport_factory`.
    """

    def test_no_credit_no_delivery(self, consume: Consume, send: Send, queue: str, loop: SteppedLoop) -> None:
        """Before `want` nothing is handed over."""
        lane = consume(queue)
        send(message(queue))
        loop.run_for(self.quiet)
        assert lane.ids == []

    def test_credit_is_a_bound(self, consume: Consume, send: Send, queue: str, loop: SteppedLoop) -> None:
        """Never more deliveries than were wanted, until more are."""
        lane = consume(queue)
        send(*messages(queue, 5))
        lane.take(2)
        loop.run_for(self.quiet)
        assert len(lane) == 2
        lane.take(3)
        assert len(lane) == 5

    def test_credit_is_replaced_not_added(self, consume: Consume, send: Send, queue: str, loop: SteppedLoop) -> None:
        """The last figure counts."""
        lane = consume(queue)
        lane.lane.want(5)
        lane.lane.want(1)
        send(*messages(queue, 3))
        loop.run_until(lambda: len(lane) > 1, self.quiet + 1)
        assert len(lane) == 1

    def test_credit_taken_back_stops(self, consume: Consume, send: Send, queue: str) -> None:
        """`want(0)` ends the flow: what is published afterwards stays in the queue."""
        lane = consume(queue)
        send(message(queue))
        lane.take(1)
        send(message(queue))
        assert lane.quiet(self.quiet, credit=0)

    def test_waiting_lane_is_woken(self, consume: Consume, send: Send, queue: str, loop: SteppedLoop) -> None:
        """A message that comes while the lane waits is delivered at once."""
        lane = consume(queue)
        assert lane.quiet(self.quiet, credit=1)
        send(message(queue))
        assert loop.run_until(lambda: len(lane) == 1, self.soon)

    def test_delivery_carries_the_message(self, consume: Consume, send: Send, queue: str) -> None:
        """Headers, body, properties, content type and queue arrive as they were sent, the body undecoded."""
        sent = message(queue, "kit.add", args=(2, "ü"))
        send(sent)
        (delivery,) = consume(queue).take(1)
        assert delivery.queue == queue
        assert bytes(delivery.body) == sent.body
        assert {name: delivery.headers[name] for name in sent.headers} == sent.headers
        assert delivery.properties["correlation_id"] == sent.id
        assert (delivery.content_type, delivery.content_encoding) == ("application/json", "utf-8")
        assert delivery.deliveries == 1

    def test_order_is_kept(self, consume: Consume, send: Send, queue: str) -> None:
        """First in, first out."""
        sent = messages(queue, 20)
        send(*sent)
        lane = consume(queue)
        lane.take(20)
        assert lane.ids == [each.id for each in sent]

    def test_tags_are_unique(self, consume: Consume, send: Send, queue: str) -> None:
        """Each delivery has a receipt of its own, a repeated one of the same message too."""
        send(*messages(queue, 3))
        lane = consume(queue)
        lane.settle(lane.take(3), Verdict.REQUEUE)
        lane.take(3)
        assert len({delivery.tag for delivery in lane.deliveries}) == 6

    def test_acknowledged_is_gone(self, consume: Consume, send: Send, queue: str) -> None:
        """An acknowledged message comes never again, to this lane or to the next."""
        send(*messages(queue, 3))
        lane = consume(queue)
        lane.settle(lane.take(3))
        assert lane.quiet(self.quiet)
        lane.lane.close()
        assert consume(queue).quiet(self.quiet)

    def test_requeued_comes_next_and_uncounted(self, consume: Consume, send: Send, queue: str) -> None:
        """REQUEUE puts messages before those that wait, in their order, and counts nothing."""
        sent = messages(queue, 4)
        send(*sent)
        lane = consume(queue)
        lane.settle(lane.take(2), Verdict.REQUEUE)
        again = lane.take(4)
        assert [each.id for each in sent] == [delivery.headers["id"] for delivery in again]
        assert [1] * 4 == [delivery.deliveries for delivery in again]

    def test_foreign_settlement_changes_nothing(self, consume: Consume, send: Send, queue: str) -> None:
        """A settlement of what another lane owns, or of what is settled, is passed over."""
        send(message(queue))
        first, second = consume(queue), consume(queue)
        lost = first.take(1)
        second.settle(lost)
        first.lane.close()
        owned = second.take(1)
        second.settle(owned, Verdict.REQUEUE)
        second.settle(owned, Verdict.ACK)
        assert len(second.take(1)) == 1

    def test_close_releases_in_order_and_uncounted(self, consume: Consume, send: Send, queue: str) -> None:
        """What is released at close is at once, in order and uncounted, there for others."""
        sent = messages(queue, 4)
        send(*sent)
        first = consume(queue)
        first.lane.close(release=first.take(3))
        again = consume(queue).take(4, timeout=self.soon)
        assert [each.id for each in sent] == [delivery.headers["id"] for delivery in again]
        assert [1] * 4 == [delivery.deliveries for delivery in again]

    def test_close_ends_the_lease(self, consume: Consume, send: Send, queue: str) -> None:
        """What was neither settled nor released comes again at the close, not only after a lease."""
        send(message(queue))
        first = consume(queue)
        first.take(1)
        first.lane.close()
        first.lane.close()
        consume(queue).take(1, timeout=self.soon)

    def test_queues_come_and_go(self, consume: Consume, send: Send, queue: str) -> None:
        """`add_queue` and `cancel_queue` change what is consumed; in flight stays in flight."""
        lane = consume(queue)
        other = queue + "-other"
        lane.lane.add_queue(other)
        lane.lane.add_queue(other)
        send(message(other))
        (delivery,) = lane.take(1)
        assert delivery.queue == other
        lane.lane.cancel_queue(other)
        send(message(other))
        assert lane.quiet(self.quiet)
        lane.settle([delivery])
        lane.lane.add_queue(other)
        lane.take(1)

    def test_depth_is_what_waits(self, consume: Consume, send: Send, queue: str) -> None:
        """`depth` counts what is ready in the queues that are consumed, up to a bound; not what is in flight.

        None, always, where the broker cannot tell at once.
        """
        lane = consume(queue)
        first = lane.lane.depth()
        send(*messages(queue, 4), message(queue + "-other"))
        if first is None:
            assert [None, None] == [_depth(lane, None), lane.lane.depth(2)]
            return
        assert first == 0
        assert _depth(lane, 4) == 4
        assert lane.lane.depth(2) == 2
        taken = lane.take(1)
        lane.lane.want(0)
        assert _depth(lane, 3) == 3
        lane.settle(taken)
        assert _depth(lane, 3) == 3

    def test_depth_follows_the_queues(self, consume: Consume, send: Send, queue: str) -> None:
        """`depth` counts a queue from `add_queue` to `cancel_queue`; a closed lane has none."""
        lane, other = consume(queue), queue + "-other"
        lane.lane.add_queue(other)
        known = lane.lane.depth() is not None
        send(message(queue), message(other))
        assert _depth(lane, 2) == (2 if known else None)
        lane.lane.cancel_queue(other)
        assert _depth(lane, 1) == (1 if known else None)
        lane.lane.close()
        assert lane.lane.depth() is None

    def test_depth_counts_what_has_become_due(self, consume: Consume, send: Send, queue: str) -> None:
        """A delayed message whose time has come counts, also while there is no credit to take it."""
        lane = consume(queue)
        known = lane.lane.depth() is not None
        send(message(queue, eta=time.time() + 0.3))
        assert _depth(lane, 1) == (1 if known else None)

    def test_deferred_waits_for_its_time(self, consume: Consume, send: Send, queue: str) -> None:
        """DEFER delivers again, not before the time and soon after it."""
        send(message(queue))
        lane = consume(queue)
        eta = time.time() + DELAY
        lane.settle(lane.take(1), Verdict.DEFER, eta=eta)
        lane.take(1, timeout=DELAY + self.soon)
        assert time.time() >= eta - 0.05

    def test_capability_delay(self, consume: Consume, send: Send, queue: str, transport: Transport) -> None:
        """DELAY: the broker itself keeps a message back until its time. Without it, it does not."""
        send(message(queue, eta=time.time() + DELAY))
        lane = consume(queue)
        kept = lane.quiet(self.quiet)
        assert kept is self.can(transport, Can.DELAY)
        if kept:
            assert lane.loop.run_until(lambda: len(lane) == 1, DELAY + self.soon)

    def test_capability_delay_outlives_the_lane(
        self, consume: Consume, send: Send, queue: str, transport: Transport
    ) -> None:
        """DELAY: a deferred message waits in the broker, so the lane may go. Without it, it comes back at once."""
        send(message(queue))
        first = consume(queue)
        first.settle(first.take(1), Verdict.DEFER, eta=time.time() + DELAY)
        first.lane.close()
        assert consume(queue).quiet(self.quiet) is self.can(transport, Can.DELAY)

    def test_capability_counter(self, consume: Consume, send: Send, queue: str, transport: Transport) -> None:
        """COUNTER: every owner that was lost with a message that it had begun is counted. Without it, they are not."""
        send(message(queue))
        counts = [_leave(consume(queue), begins=True) for _ in range(3)]
        assert ([1, 2, 3] == counts) is self.can(transport, Can.COUNTER), f"counted {counts}"

    def test_capability_counter_passes_over_the_unbegun(
        self, consume: Consume, send: Send, queue: str, transport: Transport
    ) -> None:
        """COUNTER: of the owners that were lost before they had begun a message, only the first is counted."""
        send(message(queue))
        counts = [_leave(consume(queue), begins=False) for _ in range(4)]
        assert ([1, 2, 2, 2] == counts) is self.can(transport, Can.COUNTER), f"counted {counts}"

    def test_capability_counter_goes_on_with_a_later_owner(
        self, consume: Consume, send: Send, queue: str, transport: Transport
    ) -> None:
        """COUNTER: an owner that begins a message counts, whatever was not counted before."""
        send(message(queue))
        counts = [_leave(consume(queue), begins) for begins in (False, False, True, False)]
        assert ([1, 2, 2, 3] == counts) is self.can(transport, Can.COUNTER), f"counted {counts}"

    def test_begin_of_what_is_not_in_flight(self, consume: Consume, send: Send, queue: str) -> None:
        """`begin` of what is settled, or another lane's, changes nothing and raises nothing."""
        send(message(queue))
        first, second = consume(queue), consume(queue)
        taken = first.take(1)
        second.lane.begin(taken)
        first.settle(taken)
        first.lane.begin(taken)
        first.lane.close()
        assert second.quiet(self.quiet)

    def test_counted_requeue(self, consume: Consume, send: Send, queue: str) -> None:
        """REQUEUE and DEFER with `counted` raise the figure, each by one."""
        send(message(queue))
        lane = consume(queue)
        lane.settle(lane.take(1), Verdict.REQUEUE, counted=True)
        again = lane.take(1)
        assert again[0].deliveries == 2
        lane.settle(again, Verdict.DEFER, eta=time.time(), counted=True)
        assert lane.take(1)[0].deliveries == 3

    def test_capability_priority(self, consume: Consume, send: Send, queue: str, transport: Transport) -> None:
        """PRIORITY: 9 comes before 0. Without it, they come in the order they were sent."""
        consume(queue).lane.close()  # the queue exists with its arguments
        low, high = message(queue, priority=0), message(queue, priority=9)
        send(low, high)
        lane = consume(queue)
        lane.take(2)
        assert ([high.id, low.id] == lane.ids) is self.can(transport, Can.PRIORITY)

    def test_buried_comes_not_again(self, consume: Consume, send: Send, queue: str) -> None:
        """BURY ends the deliveries of a message, for every lane."""
        send(message(queue))
        lane = consume(queue)
        lane.settle(lane.take(1), Verdict.BURY, reason="it was time")
        assert lane.quiet(self.quiet)
        lane.lane.close()
        assert consume(queue).quiet(self.quiet)

    def test_info_is_json_without_password(self, consume: Consume, queue: str, transport: Transport) -> None:
        """`info` goes out as a reply to `inspect stats`."""
        text = json.dumps(consume(queue).lane.info())
        assert _password(transport.url) not in text
        assert _password(transport.url) not in transport.safe_url()


def _leave(lane: Consuming, begins: bool) -> int:
    """Take one message, begin it where it is redelivered and `begins` says so, and leave; return its figure."""
    (delivery,) = lane.take(1)
    if begins and delivery.deliveries > 1:
        lane.lane.begin([delivery])
    lane.lane.close()
    return delivery.deliveries


def _depth(lane: Consuming, expected: int | None) -> int | None:
    """Turn the loop until the depth is `expected`, at most for the lane's patience; return what it is."""
    lane.loop.run_until(lambda: lane.lane.depth() == expected, lane.patience)
    return lane.lane.depth()


def _password(url: str) -> str:
    from urllib.parse import urlsplit

    return f":{urlsplit(url).password or 'no password'}@"
