"""The broker, or the network, lets go."""

from __future__ import annotations

import socket
import threading
import time
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest
from amqp import spec

from kernelq.kernel.errors import BrokerLost, BrokerUnreachable
from kernelq_amqp.transport import AmqpTransport
from kernelq_testkit.consuming import Consuming
from kernelq_testkit.faultproxy import Fault, FaultProxy, Way
from kernelq_testkit.messages import message

pytestmark = pytest.mark.broker


class Wire:
    """A TCP proxy to the broker that can fall silent with its connections open."""

    def __init__(self, target):
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets = []
        self.frozen = threading.Event()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    @property
    def port(self):
        return self._listener.getsockname()[1]

    def close(self):
        self._listener.close()
        for each in self._sockets:
            each.close()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(self._target)
            self._sockets += [client, server]
            for here, there in ((client, server), (server, client)):
                threading.Thread(target=self._pump, args=(here, there), daemon=True).start()

    def _pump(self, here, there):
        while True:
            try:
                data = here.recv(65536)
                if not self.frozen.is_set():
                    there.sendall(data) if data else there.shutdown(socket.SHUT_RDWR)
                if not data:
                    return
            except OSError:
                return


@pytest.fixture
def wire():
    wire = Wire(("127.0.0.1", 5672))
    yield wire
    wire.close()


def test_a_closed_connection_is_told_and_its_messages_come_again(transport, loop, amqp_queue):
    """The lane says BrokerLost from the loop; a new lane has what was in flight."""
    sender = transport.sender()
    sender.publish(message(amqp_queue, id="flying"))
    sender.close()
    lane = Consuming(transport, loop, amqp_queue)
    lane.take(1)
    lane.lane._link.sock.shutdown(socket.SHUT_RDWR)
    with pytest.raises(BrokerLost):
        loop.run_for(10)
    lane.lane.close()
    lane.lane.close()
    again = Consuming(transport, loop, amqp_queue)
    assert again.take(1)[0].headers["id"] == "flying"
    again.settle(again.deliveries)
    again.lane.close()


def test_what_ended_just_before_the_loss_is_not_run_again(amqp_url, loop, amqp_queue):
    """Its acknowledgement did not arrive. What was not acknowledged comes again, and so does a retry of the first."""
    sent = [message(amqp_queue, id="ended"), message(amqp_queue, id="open"), message(amqp_queue, id="ended")]
    sent[2].headers["retries"] = 1
    parts = urlsplit(amqp_url)
    with FaultProxy(parts.hostname, parts.port) as proxy:
        url = parts._replace(netloc=f"guest:guest@127.0.0.1:{proxy.port}").geturl()
        transport = AmqpTransport(url)
        sender = transport.sender()
        sender.publish_many(sent)
        sender.close()
        lane = Consuming(transport, loop, amqp_queue)
        taken = lane.take(3)
        proxy.set(Fault.DROP, Way.TO_SERVER)
        lane.settle(taken[:1])
        proxy.set(Fault.RESET)
        with pytest.raises(BrokerLost):
            loop.run_for(10)
        lane.lane.close()
        proxy.set(Fault.NONE)
        again = Consuming(transport, loop, amqp_queue)
        came = [(one.headers["id"], one.headers.get("retries") or 0) for one in again.take(2)]
        assert [("open", 0), ("ended", 1)] == came
        again.settle(again.deliveries)
        assert 0 == again.lane.depth()
        again.lane.close()


def test_a_lane_that_takes_nothing_back_tells_that_others_have_its_deliveries(transport, loop, amqp_queue):
    """Whether its connection was lost, or it is closed without them; not where it has none."""
    told = []
    sender = transport.sender()
    sender.publish(message(amqp_queue))
    sender.close()
    for cut in (True, False):
        lane = Consuming(transport, loop, amqp_queue)
        lane.lane.on_fenced = lambda: told.append("fenced")
        lane.take(1)
        if cut:
            lane.lane._link.sock.shutdown(socket.SHUT_RDWR)
            with pytest.raises(BrokerLost):
                loop.run_for(10)
        lane.lane.close()
        lane.lane.close()
    lane = Consuming(transport, loop, amqp_queue)
    lane.lane.on_fenced = lambda: told.append("in vain")
    taken = lane.take(1)
    lane.lane.close(taken)
    assert ["fenced", "fenced"] == told


def test_a_silent_network_is_noticed_and_left_at_once(wire, loop, amqp_queue):
    """Two heartbeats without a word, on either connection; then no answer is waited for on any of them."""
    settings = SimpleNamespace(broker_heartbeat=1, broker_connection_timeout=8)
    transport = AmqpTransport(f"amqp://guest:guest@127.0.0.1:{wire.port}//", settings)
    control = transport.connection()
    control.connect()
    channel = control.default_channel
    control.register_with_event_loop(loop.hub)
    lane = Consuming(transport, loop, amqp_queue)
    lane.lane.want(1)
    loop.run_for(0.3)
    wire.frozen.set()
    with pytest.raises(BrokerLost, match="silent|heartbeats"):
        loop.run_for(30)
    start = time.monotonic()
    channel.basic_cancel("nobody")
    channel.close()
    lane.lane.close()
    control.release()
    assert time.monotonic() - start < 5  # each would wait for 8


def test_a_control_connection_that_ends_is_a_lost_broker(transport, loop):
    """It is told out of the loop, whether or not the lane has lost its own."""
    control = transport.connection()
    control.connect()
    control.register_with_event_loop(loop.hub)
    control.connection.sock.shutdown(socket.SHUT_RDWR)
    with pytest.raises(BrokerLost, match="control connection"):
        loop.run_for(10)
    control.release()


def test_a_network_that_stops_in_a_frame_stops_no_loop(loop):
    """Of a long answer a byte comes every quarter of a second; the loop turns for others meanwhile."""
    settings = SimpleNamespace(broker_heartbeat=0)
    with FaultProxy("127.0.0.1", 5672) as proxy:
        control = AmqpTransport(f"amqp://guest:guest@127.0.0.1:{proxy.port}//", settings).connection()
        control.connect()
        channel = control.default_channel
        control.register_with_event_loop(loop.hub)
        proxy.set(Fault.TRICKLE, Way.TO_CLIENT, 0.25)
        name = "kit-" + 200 * "n"
        channel.send_method(spec.Queue.Declare, "BsbbbbbF", (0, name, False, False, True, True, False, {}))
        start = time.monotonic()
        loop.run_for(4)
        assert time.monotonic() - start < 20  # the whole answer takes fifty
        control.collect()


def test_an_idle_worker_is_kept_alive_by_its_heartbeat(loop, amqp_url, amqp_queue):
    """Without a message either way for longer than two heartbeats."""
    transport = AmqpTransport(amqp_url, SimpleNamespace(broker_heartbeat=2))
    lane = Consuming(transport, loop, amqp_queue)
    control = transport.connection()
    control.connect()
    control.register_with_event_loop(loop.hub)
    assert lane.quiet(7.0)
    assert control.connected
    control.release()
    lane.lane.close()


def test_a_sender_goes_on_after_its_idle_connection_was_closed(transport, loop, amqp_queue):
    """The message that finds it closed is published on another."""
    sender = transport.sender()
    sender.publish(message(amqp_queue, id="one"))
    sender._publisher.link.sock.shutdown(socket.SHUT_RDWR)
    sender.publish(message(amqp_queue, id="two"))
    sender.close()
    lane = Consuming(transport, loop, amqp_queue)
    lane.take(2)
    assert ["one", "two"] == lane.ids
    lane.settle(lane.deliveries)
    lane.lane.close()


def test_a_sender_gives_up_in_time_when_nothing_answers(wire, amqp_queue):
    """A frozen network costs the connection timeout once, not for each step, and on a connection that stood too."""
    settings = SimpleNamespace(broker_connection_timeout=1)
    transport = AmqpTransport(f"amqp://guest:guest@127.0.0.1:{wire.port}//", settings)
    sender = transport.sender()
    sender.publish(message(amqp_queue))
    wire.frozen.set()
    for _ in range(2):
        start = time.monotonic()
        with pytest.raises(BrokerUnreachable):
            sender.publish(message(amqp_queue))
        assert time.monotonic() - start < 6
    wire.frozen.clear()
    sender.publish(message(amqp_queue))
    sender.close()


def test_what_the_broker_did_not_confirm_is_sent_again(wire, loop, amqp_queue):
    """The connection ends under a bulk: each message arrives, some perhaps twice."""
    transport = AmqpTransport(f"amqp://guest:guest@127.0.0.1:{wire.port}//", SimpleNamespace())
    sender = transport.sender()
    sender.publish(message(amqp_queue, id="first"))
    publisher = sender._publisher
    sent = [message(amqp_queue, id=f"m{n}") for n in range(3000)]
    send = publisher.publish

    def cut(*args):
        send(*args)
        if args[-1] == 2000:
            publisher.link.sock.shutdown(socket.SHUT_RDWR)

    publisher.publish = cut
    sender.publish_many(sent)
    sender.close()
    lane = Consuming(transport, loop, amqp_queue)
    lane.lane.want(8000)
    assert loop.run_until(lambda: {each.id for each in sent} <= set(lane.ids), 30)
    lane.settle(lane.deliveries)
    lane.lane.close()
