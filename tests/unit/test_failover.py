"""Several brokers, of which one is in use."""

from __future__ import annotations

import threading
import time
import weakref

import pytest

from kernelq.conf import Conf
from kernelq.failover import SHARES, Failover, attempts
from kernelq.kernel.contracts.transport import TransportCapability as Can
from kernelq.kernel.errors import BrokerLost, BrokerUnreachable
from kernelq.message import Message
from kernelq_testkit.child import run_in_child


class Net:
    """Brokers that are up, down, or hang for as long as they may."""

    def __init__(self):
        self.down = set()
        self.hanging = set()
        self.got = []
        self.closed = []
        self.made = []

    def reach(self, url, seconds):
        if url in self.hanging:
            time.sleep(seconds)
        if url in self.down | self.hanging:
            raise BrokerUnreachable(f"{url} does not answer")


class Broker:
    def __init__(self, net, url, settings):
        self.net, self.url, self.settings = net, url, settings
        net.made.append(weakref.ref(self))
        self.capabilities = frozenset({Can.DELAY, Can.LEASE} if url == "a" else {Can.LEASE, Can.PURGE})

    def sender(self):
        return self

    def admin(self):
        return self

    def publish(self, message):
        self.publish_many([message])

    def publish_many(self, messages):
        self.net.reach(self.url, self.settings.broker_connection_timeout)
        self.net.got += [(self.url, message.id) for message in messages]

    def close(self):
        self.net.closed.append(self.url)

    def connection(self):
        return f"connection {self.url}"

    def lane(self):
        return f"lane {self.url}"

    def safe_url(self):
        return f"safe {self.url}"

    def queues(self):
        if self.url in self.net.down:
            raise BrokerLost("away")
        return [self.url]

    def purge(self, queue):
        return self.queues() and 1

    def dead(self, queue=None, limit=100):
        return self.queues()

    def dead_letter(self, letter_id):
        return self.queues() and letter_id

    def replay(self, ids):
        return self.queues() and len(ids)

    drop = replay


@pytest.fixture
def net():
    return Net()


def failover(net, urls="abc", **settings):
    conf = Conf()
    conf.update(settings, source="test")
    return Failover(list(urls), lambda url, given: Broker(net, url, given), conf)


def message(id="1"):
    return Message(id, {}, b"", {}, "q")


def test_everything_is_the_first_brokers_and_after_a_loss_the_nexts(net):
    several = failover(net)
    assert ("a", "lane a", "connection a", "safe a") == (
        several.url, several.lane(), several.connection(), several.safe_url()
    )  # fmt: skip
    assert ["safe b", "safe c"] == several.alternates
    assert "safe b" == several.advance()
    assert ("lane b", ["safe a", "safe c"]) == (several.lane(), several.alternates)
    assert ["safe c", "safe a", "safe b"] == [several.advance() for _ in range(3)]


def test_only_what_all_can_is_promised(net):
    assert frozenset({Can.LEASE}) == failover(net).capabilities


def test_a_strategy_that_ends_or_repeats_itself_is_no_dead_end(net):
    assert "safe b" == failover(net, broker_failover_strategy=lambda urls: iter(())).advance()
    several = failover(net, broker_failover_strategy=lambda urls: iter(["a", "c", "x"]))
    assert "safe c" == several.advance()


def test_a_sender_goes_to_the_next_and_stays_there(net):
    sender = failover(net).sender()
    sender.publish(message("1"))
    net.down = {"a"}
    sender.publish(message("2"))
    net.down = set()
    sender.publish_many([message("3"), message("4")])
    assert [("a", "1"), ("b", "2"), ("b", "3"), ("b", "4")] == net.got
    sender.close()
    assert {"a", "b"} == set(net.closed)
    sender.publish(message("5"))
    assert ("b", "5") == net.got[-1]


def test_a_sender_follows_the_consumer_that_has_moved(net):
    several = failover(net)
    sender = several.sender()
    sender.publish(message("1"))
    several.advance()
    sender.publish(message("2"))
    assert [("a", "1"), ("b", "2")] == net.got


def test_the_transport_of_a_sender_lives_as_long_as_it(net):
    """It tells its senders of forks."""
    several = failover(net)
    sender = several.sender()
    net.down = {"a"}
    for _ in range(3):
        sender.publish(message())

    assert ["a", "b", "c", "a", "b"] == [made().url for made in net.made]


def test_all_brokers_down_is_unreachable(net):
    net.down = {"a", "b", "c"}
    sender = failover(net).sender()
    for _ in range(3):
        with pytest.raises(BrokerUnreachable):
            sender.publish(message())
    net.down = {"a", "b"}
    sender.publish(message("1"))
    assert [("c", "1")] == net.got


def test_brokers_that_hang_take_no_longer_than_the_timeout_in_all(net):
    """And the next publish goes on where this one ended."""
    net.hanging = set("abcde")
    sender = failover(net, "abcdef", broker_connection_timeout=0.9).sender()
    began = time.monotonic()
    with pytest.raises(BrokerUnreachable):
        sender.publish(message())
    assert 0.6 <= time.monotonic() - began < 5
    for _ in range(SHARES):
        try:
            sender.publish(message("1"))
            break
        except BrokerUnreachable:
            continue
    assert [("f", "1")] == net.got


def test_other_errors_are_no_reason_to_change(net):
    sender = failover(net).sender()
    with pytest.raises(AttributeError):
        sender.publish(None)
    assert [] == net.got


def test_threads_that_fail_at_once_all_get_through(net):
    net.down = {"a", "b"}
    sender = failover(net).sender()
    go, errors = threading.Barrier(16), []

    def send(number):
        go.wait(30)
        try:
            sender.publish(message(str(number)))
        except Exception as error:  # noqa: BLE001 - the test looks at it
            errors.append(error)

    threads = [threading.Thread(target=send, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [] == errors
    assert {("c", str(number)) for number in range(16)} == set(net.got)


def test_a_child_that_is_forked_in_the_middle_can_send(net):
    net.down = {"a"}
    several = failover(net)
    with several._lock:
        assert "" == run_in_child(lambda: several.sender().publish(message()))


def test_the_administration_takes_the_first_that_answers(net):
    admin = failover(net).admin()
    net.down = {"a"}
    answers = (
        admin.queues(), admin.purge("q"), admin.dead(), admin.dead_letter("x"), admin.replay(iter("xy")),
        admin.drop(iter("xyz")),
    )  # fmt: skip
    assert (["b"], 1, ["b"], "x", 2, 3) == answers
    net.down = {"a", "b", "c"}
    with pytest.raises(BrokerLost):
        admin.queues()


def test_a_client_asks_each_broker_once_and_stays_with_the_one_that_answers(net):
    several = failover(net)
    assert ["a", "b", "c"] == [one.url for one in attempts(several)]
    alone = Broker(net, "z", None)
    assert [alone] == list(attempts(alone))
    for one in attempts(several):
        if one.url == "a":
            break
    assert "a" == several.url
