"""TransportMachine finds what is wrong with a broker; nobody tells it where to look."""

from __future__ import annotations

import pytest

pytest_plugins = ["pytester"]
pytestmark = pytest.mark.slow

BROKEN = {
    "acknowledged messages come again": """
        def settle(self, batch):
            super().settle([Settlement(each.delivery, Verdict.REQUEUE) for each in batch])
    """,
    "requeued messages are lost": """
        def settle(self, batch):
            super().settle([Settlement(each.delivery, Verdict.ACK) for each in batch])
    """,
    "buried messages are lost": """
        def settle(self, batch):
            for each in batch:
                each.verdict = Verdict.ACK if each.verdict is Verdict.BURY else each.verdict
            super().settle(batch)
    """,
    "anybody may settle": """
        def __init__(self, broker):
            super().__init__(broker)
            broker._owns = lambda owner, settlement: settlement.delivery.tag in broker._flying
    """,
    "a lost owner's messages are lost": """
        def close(self, release=()):
            self._broker.leave = lambda owner, released: None
            super().close(release)
    """,
    "a lost owner counts always": """
        def begin(self, batch): pass
        def close(self, release=()):
            for tag, (_, _, who) in list(self._broker._flying.items()):
                if who is self:
                    self._broker._begun.add(tag)
            super().close(release)
    """,
    "a lost owner that had begun is not counted": """
        def begin(self, batch): pass
    """,
    "order is lost": """
        def _fetch(self):
            hand_over = self._on_deliveries
            self._on_deliveries = lambda batch: hand_over(batch[::-1])
            super()._fetch()
            self._on_deliveries = hand_over
    """,
    "credit is no bound": """
        def want(self, n):
            super().want(n + 1 if n > 1 else n)
    """,
    "two lanes have the same message": """
        kept = []
        def _fetch(self):
            hand_over = self._on_deliveries
            def both(batch):
                self.kept.extend(batch)
                hand_over(batch if len(self.kept) < 5 else [*batch[:-1], self.kept[0]])
            self._on_deliveries = both
            super()._fetch()
            self._on_deliveries = hand_over
    """,
    "far is near": """
        def settle(self, batch):
            for each in batch:
                each.eta = time.time() if each.eta else None
            super().settle(batch)
    """,
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_transport_is_found_out(failures, name):
    """Whatever promise it breaks."""
    source = f"""
class BrokenLane(Lane):
{BROKEN[name]}

class TestIt(OneBroker, TransportMachine):
    lane = BrokenLane
    hoards = False
    runs = 30
"""
    assert ["test_any_order_of_events"] == failures("test_any_order_of_events", source)


def test_a_whole_one_is_not(failures):
    """The broker in memory as it is."""
    source = """
class TestIt(OneBroker, TransportMachine):
    hoards = False
    runs = 5
"""
    assert [] == failures("test_any_order_of_events", source)


def test_a_sender_that_forgets_is_found_out(failures):
    """Accepted and lost."""
    source = """
class Forgetful(Sender):
    def publish_many(self, messages):
        super().publish_many(messages[:3])

class TestIt(OneBroker, TransportMachine):
    sender = Forgetful
"""
    assert ["test_any_order_of_events"] == failures("test_any_order_of_events", source)
