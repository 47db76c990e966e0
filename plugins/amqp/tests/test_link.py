"""The stream of frames, cut anywhere; and a socket that takes what it likes."""

from __future__ import annotations

import socket
from contextlib import closing
from struct import pack
from types import SimpleNamespace

import amqp
import pytest
from amqp.method_framing import frame_handler
from hypothesis import given
from hypothesis import strategies as st

from kernelq_amqp.link import ACK, DELIVER, LONG, Link, short_strings


def frame(kind, channel, payload):
    return pack(">BHI", kind, channel, len(payload)) + payload + b"\xce"


def short(text):
    return bytes([len(text)]) + text.encode()


def delivery(channel, tag, body, chunk):
    """The frames of one delivery, its body in pieces of `chunk` bytes."""
    method = DELIVER + short("consumer") + pack(">QB", tag, tag % 2) + short("ex") + short("key")
    header = pack(">HHQ", 60, 0, len(body)) + amqp.Message(correlation_id=str(tag))._serialize_properties()
    pieces = [body[at : at + chunk] for at in range(0, len(body), chunk)]
    return frame(1, channel, method) + frame(2, channel, header) + b"".join(frame(3, channel, one) for one in pieces)


class Ends:
    """A link on one end of a socket pair, its channels 1 and 2 noting what they are handed."""

    def __init__(self):
        here, self.there = socket.socketpair()
        here.settimeout(0)
        self.link = Link(1.0)
        self.link._transport = SimpleNamespace(sock=here, connected=True, close=here.close)
        self.link.on_inbound_frame = frame_handler(self.link, self.link.on_inbound_method)
        self.link.frame_writer = self.link._make_writer(self.link, self.link._transport)
        self.came = []
        for number in (1, 2):
            self.link.channels[number] = SimpleNamespace(
                on_deliver=lambda *what, number=number: self.came.append((number, *what)), collect=lambda: None
            )

    def close(self):
        self.link.abort()
        self.there.close()


@pytest.fixture
def ends():
    ends = Ends()
    yield ends
    ends.close()


@given(
    bodies=st.lists(st.tuples(st.integers(1, 2), st.binary(max_size=40), st.integers(1, 50)), max_size=5),
    cuts=st.lists(st.integers(1, 60), min_size=1, max_size=30),
)
def test_deliveries_are_the_same_wherever_the_stream_is_cut(bodies, cuts):
    """Of two channels, with bodies of none, one and several frames, and heartbeats between them."""
    beat = frame(8, 0, b"")
    stream = b"".join(delivery(number, tag, body, chunk) + beat for tag, (number, body, chunk) in enumerate(bodies))
    with closing(Ends()) as ends:
        at = turn = 0
        while at < len(stream):
            size = cuts[turn % len(cuts)]
            ends.there.sendall(stream[at : at + size])
            ends.link.receive()
            at, turn = at + size, turn + 1
        expected = [(number, tag, body) for tag, (number, body, _) in enumerate(bodies)]
        assert expected == [(each[0], each[2], each[6]) for each in ends.came]
        assert all(("ex", "key") == short_strings(each[4]) for each in ends.came)


@given(
    acks=st.lists(st.tuples(st.integers(1, 2**63), st.booleans()), max_size=5),
    cuts=st.lists(st.integers(1, 60), min_size=1, max_size=30),
)
def test_confirmations_are_the_same_wherever_the_stream_is_cut(acks, cuts):
    """Of a channel that takes them, past py-amqp's decoding; each is something that came."""
    stream = b"".join(frame(1, 1, ACK + pack(">QB", tag, multiple)) for tag, multiple in acks)
    with closing(Ends()) as ends:
        confirmed = []
        ends.link.channels[1].on_ack = lambda *what: confirmed.append(what)
        at = turn = 0
        while at < len(stream):
            size = cuts[turn % len(cuts)]
            ends.there.sendall(stream[at : at + size])
            before = len(confirmed)
            assert ends.link.receive() == (len(confirmed) > before)
            at, turn = at + size, turn + 1
        assert acks == confirmed


def test_the_end_of_the_stream_is_a_lost_connection(ends):
    """As is a frame that does not end where it says."""
    ends.there.sendall(b"\x08\x00\x00\x00\x00\x00\x00\x00")
    with pytest.raises(amqp.exceptions.UnexpectedFrame):
        ends.link.receive()
    ends.there.close()
    with pytest.raises(OSError, match="closed the connection"):
        ends.link.receive()


def test_a_read_tells_whether_there_may_be_more(ends):
    """So that what comes in large is read in one turn, and what comes in small by one call of the system."""
    beat = frame(8, 0, b"")
    for count, full in ((LONG // len(beat), True), (1, False)):
        ends.there.sendall(beat * count)
        ends.link.receive()
        assert full is ends.link.full
    ends.link.full = True
    ends.link.receive()
    assert not ends.link.full


def test_nothing_is_written_that_the_socket_does_not_take(ends):
    """`flush` never waits; what is left goes out when there is room."""
    ends.link.write(b"x" * 5_000_000)
    assert ends.link.flush() is False
    left = ends.link.unsent
    assert 0 < left < 5_000_000
    taken = 0
    while taken < 5_000_000:
        taken += len(ends.there.recv(1 << 20))
        ends.link.flush()
    assert 0 == ends.link.unsent
    assert ends.link.flush() is True


def test_waiting_ends_in_time(ends):
    """For an answer, and for room."""
    with pytest.raises(TimeoutError, match="did not answer"):
        ends.link.drain_events(0.05)


def test_a_parting_without_an_answer_is_bounded(ends):
    """And leaves nothing open."""
    ends.link.channels = {}
    ends.link.part(0.05)
    assert ends.link._transport is None
