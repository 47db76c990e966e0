"""What a kombu connection leaves in the loop: nothing, once it is gone."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from kernelq.kernel.errors import BrokerLost
from kernelq_worker.consumer.registration import Registration
from kernelq_worker.loop import WorkerLoop


class Gone(Exception):
    """The connection's own error."""


@pytest.fixture
def loop() -> Iterator[WorkerLoop]:
    loop = WorkerLoop()
    yield loop
    loop.close()


@pytest.fixture
def registration(loop: WorkerLoop) -> Registration:
    return Registration(loop.hub, (Gone,), lambda error: BrokerLost(f"lost: {error}"))


def test_everything_goes_at_once(loop: WorkerLoop, registration: Registration) -> None:
    """Ticks, timers and readers; those of others stay."""
    ours, theirs = socket.socketpair()
    ticks, called = len(loop.hub.on_tick), []
    try:
        registration.on_tick.add(lambda: called.append("tick"))
        registration.call_repeatedly(0.001, lambda: called.append("timer"))
        registration.add_reader(ours.fileno(), lambda: called.append("read"))
        theirs.send(b"x")
        while {"tick", "timer", "read"} > set(called):
            loop.turn(0.01)

        registration.clear()
        called.clear()
        loop.turn(0.01)
        loop.turn(0.01)

        assert [] == called
        assert ticks == len(loop.hub.on_tick)
        assert ours.fileno() not in loop.hub.readers
    finally:
        ours.close()
        theirs.close()


def test_a_lost_connection_is_told_in_our_words(loop: WorkerLoop, registration: Registration) -> None:
    def lose() -> None:
        raise Gone("no more")

    registration.on_tick.add(lose)

    with pytest.raises(BrokerLost, match="lost: no more"):
        loop.turn(0.0)


def test_a_tick_can_be_taken_away_by_itself(loop: WorkerLoop, registration: Registration) -> None:
    called: list[int] = []

    def tick() -> None:
        called.append(1)

    registration.on_tick.add(tick)
    registration.on_tick.remove(tick)
    loop.turn(0.0)

    assert [] == called


def test_a_descriptor_that_was_given_up_is_not_taken_from_its_next_owner(
    loop: WorkerLoop, registration: Registration
) -> None:
    ours, theirs = socket.socketpair()
    try:
        registration.add_reader(ours.fileno(), lambda: None)
        registration.remove(ours.fileno())
        loop.add_reader(ours.fileno(), lambda: None)

        registration.clear()

        assert ours.fileno() in loop.hub.readers
    finally:
        ours.close()
        theirs.close()
