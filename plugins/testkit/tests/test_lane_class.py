"""LaneConformance fails where it must."""

from __future__ import annotations

import pytest

pytest_plugins = ["pytester"]

BROKEN = {
    "test_no_credit_no_delivery": """
        def open(self, loop, queues, on_deliveries):
            super().open(loop, queues, on_deliveries)
            self.want(1)
    """,
    "test_credit_is_a_bound": """
        def want(self, n):
            super().want(n + 1 if n == 2 else n)
    """,
    "test_credit_is_replaced_not_added": """
        def want(self, n):
            super().want(self._credit + n)
    """,
    "test_credit_taken_back_stops": """
        def want(self, n):
            super().want(n or 1)
    """,
    "test_waiting_lane_is_woken": """
        def wake(self):
            if self._loop is not None:
                self._loop.call_later(1.3, self._fetch)
    """,
    "test_delivery_carries_the_message": """
        def _fetch(self):
            hand_over = self._on_deliveries
            self._on_deliveries = lambda batch: hand_over([decode(each) for each in batch])
            super()._fetch()
            self._on_deliveries = hand_over
    """,
    "test_order_is_kept": """
        def _fetch(self):
            hand_over = self._on_deliveries
            self._on_deliveries = lambda batch: hand_over(batch[::-1])
            super()._fetch()
            self._on_deliveries = hand_over
    """,
    "test_acknowledged_is_gone": """
        def settle(self, batch):
            super().settle([Settlement(each.delivery, Verdict.REQUEUE) for each in batch])
    """,
    "test_requeued_comes_next_and_uncounted": """
        def settle(self, batch):
            for each in batch:
                if each.verdict is Verdict.REQUEUE:
                    each.counted = True
            super().settle(batch)
    """,
    "test_foreign_settlement_changes_nothing": """
        def __init__(self, broker):
            super().__init__(broker)
            broker._owns = lambda owner, settlement: settlement.delivery.tag in broker._flying
    """,
    "test_close_releases_in_order_and_uncounted": """
        def close(self, release=()):
            super().close()
    """,
    "test_close_ends_the_lease": """
        def close(self, release=()):
            self._broker.leave = lambda owner, released: None
            super().close(release)
    """,
    "test_queues_come_and_go": """
        def cancel_queue(self, queue):
            pass
    """,
    "test_depth_is_what_waits": """
        def depth(self, most=1000):
            return super().depth(1000)
    """,
    "test_depth_follows_the_queues": """
        def depth(self, most=1000):
            return min(self._broker.waiting(list(self._broker._queues)), most)
    """,
    "test_depth_counts_what_has_become_due": """
        def depth(self, most=1000):
            return None if self._loop is None else min(sum(self._broker._queues[q].waiting for q in self._queues), most)
    """,
    "test_deferred_waits_for_its_time": """
        def settle(self, batch):
            for each in batch:
                each.eta = time.time()
            super().settle(batch)
    """,
    "test_begin_of_what_is_not_in_flight": """
        def begin(self, batch):
            self._broker._begun.update(tag for delivery in batch if self._broker._flying[tag := delivery.tag])
    """,
    "test_counted_requeue": """
        def settle(self, batch):
            for each in batch:
                each.counted = False
            super().settle(batch)
    """,
    "test_buried_comes_not_again": """
        def settle(self, batch):
            super().settle([Settlement(each.delivery, Verdict.REQUEUE) for each in batch])
    """,
    "test_info_is_json_without_password": """
        def info(self):
            return {"loop": self._loop}
    """,
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_lane_fails_its_test(failures, name):
    """Each promise of a lane, broken, fails the test of that name."""
    source = f"""
def decode(delivery):
    delivery.body = delivery.body.decode()
    return delivery

class BrokenLane(Lane):
{BROKEN[name]}

class TestIt(OneBroker, LaneConformance):
    lane = BrokenLane
    soon = 0.5
    patience = 5.0
"""
    assert [name] == failures(name, source)


@pytest.mark.parametrize("capability", ["DELAY", "COUNTER", "PRIORITY"])
def test_an_undeclared_ability_fails(failures, capability):
    """What works and is not declared is a failure: the declaration can be trusted both ways."""
    name = f"test_capability_{capability.lower()}"
    source = f"""
class TestIt(OneBroker, LaneConformance):
    declared = OneBroker.declared - {{Can.{capability}}}
"""
    assert name in failures(name, source)


DECLARED = {
    "test_capability_delay": "message.eta = None",
    "test_capability_priority": "message.priority = 0",
}


@pytest.mark.parametrize("name", DECLARED)
def test_a_declared_inability_fails(failures, name):
    """What is declared and does not work is a failure."""
    source = f"""
class Forgetful(Sender):
    def publish_many(self, messages):
        for message in messages:
            {DECLARED[name]}
        super().publish_many(messages)

class TestIt(OneBroker, LaneConformance):
    sender = Forgetful
"""
    assert name in failures(name, source)


ALL = [f"test_capability_counter{rest}" for rest in ("", "_goes_on_with_a_later_owner", "_passes_over_the_unbegun")]
COUNTS, GOES_ON, PASSES_OVER = ALL
MISCOUNTING = {
    "no owner": (ALL, """
        def close(self, release=()):
            mine = [Delivery(tag, "", {}, b"", {}) for tag, (_, _, who) in self._broker._flying.items() if who is self]
            super().close(mine)
    """),
    "the first owner only": ([COUNTS, GOES_ON], """
        def begin(self, batch):
            pass
    """),
    "every owner": ([GOES_ON, PASSES_OVER], """
        def close(self, release=()):
            self._broker._begun.update(self._broker._flying)
            super().close(release)
    """),
    "no owner after one that had not begun": ([GOES_ON], """
        def begin(self, batch):
            if not hasattr(self._broker, "deaf"):
                super().begin(batch)
        def close(self, release=()):
            if any(entry.deliveries > 1 and tag not in self._broker._begun
                   for tag, (entry, _, _) in self._broker._flying.items()):
                self._broker.deaf = True
            super().close(release)
    """),
}  # fmt: skip


@pytest.mark.parametrize("counted", MISCOUNTING)
def test_a_declared_counter_that_miscounts_fails(failures, counted):
    """Where COUNTER is declared, the first lost owner counts, and of the others those that had begun."""
    expected, methods = MISCOUNTING[counted]
    source = f"""
class BrokenLane(Lane):
{methods}

class TestIt(OneBroker, LaneConformance):
    lane = BrokenLane
"""
    assert expected == failures(COUNTS, source)
