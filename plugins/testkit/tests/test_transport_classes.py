"""TransportConformance and SenderConformance fail where they must."""

from __future__ import annotations

import pytest

pytest_plugins = ["pytester"]

ALL = ["DEAD_SET", "PURGE", "FANOUT", "LEASE", "ATOMIC_RESULTS"]


@pytest.mark.parametrize("capability", ALL)
def test_an_undeclared_ability_fails(failures, capability):
    """What works and is not declared is a failure."""
    name = f"test_capability_{capability.lower()}"
    source = f"""
class TestIt(OneBroker, TransportConformance):
    declared = OneBroker.declared - {{Can.{capability}}}
"""
    assert [name] == failures(name, source)


def test_declared_processes_that_cannot_see_the_queues_fail(failures):
    """MULTIPROCESS is more than a word."""
    source = """
class TestIt(OneBroker, TransportConformance):
    declared = OneBroker.declared | {Can.MULTIPROCESS}
    lease_limit = 0.2
"""
    assert ["test_capability_multiprocess"] == failures("test_capability_multiprocess", source)


BROKEN = {
    "test_capability_dead_set": "broker._bury = lambda entry, name, reason: None",
    "test_capability_purge": "broker.purge = lambda queue: 0",
    "test_capability_lease": "broker.leave = lambda owner, released: None",
    "test_capability_atomic_results": "broker._owns = lambda owner, s: s.delivery.tag in broker._flying",
    "test_dead_letters_are_replayed_and_dropped": "broker.exhume = lambda ids, replay: 1",
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_transport_fails_its_test(failures, name):
    """Each promise, broken, fails the test of that name."""
    source = f"""
class BrokenLane(Lane):
    def __init__(self, broker):
        super().__init__(broker)
        {BROKEN[name]}

class TestIt(OneBroker, TransportConformance):
    lane = BrokenLane
"""
    assert [name] == failures(name, source)


SENDERS = {
    "test_one_and_many_arrive_in_order": """
    def publish_many(self, messages):
        super().publish_many(messages[::-1])
    """,
    "test_published_before_anyone_consumes": """
    def publish(self, message):
        if message.queue in self._broker._queues:
            super().publish(message)
    """,
    "test_closed_sender_opens_again": """
    def close(self):
        self._broker = None
    """,
    "test_threads_share_a_sender": """
    def publish(self, message):
        self.last = message
        time.sleep(0.0005)
        super().publish(self.last)
    """,
    "test_forked_child": """
    def publish(self, message):
        self._broker._pid = os.getpid()
        super().publish(message)
    """,
}


@pytest.mark.parametrize("name", SENDERS)
def test_a_broken_sender_fails_its_test(failures, name):
    """Each promise of a sender, broken, fails the test of that name."""
    source = f"""
class BrokenSender(Sender):
{SENDERS[name]}

class TestIt(OneBroker, SenderConformance):
    sender = BrokenSender
"""
    assert [name] == failures(name, source)


def test_a_foreign_error_for_a_missing_broker_fails(failures):
    """It must be BrokerUnreachable."""
    source = """
class Refusing(Sender):
    def publish(self, message):
        raise ConnectionRefusedError("secret")

class TestIt(OneBroker, SenderConformance):
    @pytest.fixture
    def unreachable_transport(self):
        class Away(MemoryTransport):
            def sender(self): return Refusing(self._broker)
        return Away("memory://")
"""
    assert ["test_unreachable_broker"] == failures("test_unreachable_broker", source)
