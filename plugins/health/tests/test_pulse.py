"""What the pulse says of a worker."""

from __future__ import annotations

from typing import Any

import pytest

from kernelq_health.pulse import SILENCE, SILENCE_AWAY, UNTAKEN, Pulse, Verdict

NOW = 1000.0


def pulse(**more: Any) -> Pulse:
    """One that was seen just now."""
    return Pulse(**{"clock": lambda: NOW, "turned_at": NOW, "connected": True, **more})


def test_a_worker_that_consumes_is_all_of_it() -> None:
    assert Verdict(live=True, ready=True, started=True) == pulse().verdict()


def test_until_the_loop_has_turned_it_is_starting() -> None:
    """And lives: how long it may take to start is another question."""
    assert Verdict(True, False, False, ("it is starting",)) == pulse(turned_at=None, connected=False).verdict()


@pytest.mark.parametrize(
    ("more", "live", "ready", "why"),
    [
        ({"connected": False}, True, False, "no connection to the broker"),
        ({"stopping": True}, True, False, "it is stopping"),
        ({"turned_at": NOW - SILENCE}, True, True, ""),
        ({"turned_at": NOW - SILENCE - 1}, False, False, "its loop has not turned for 11 s"),
        ({"turned_at": NOW - SILENCE - 1, "connected": False}, True, False, "no connection"),
        ({"turned_at": NOW - SILENCE - 1, "doing": lambda: "broker"}, True, False, "broker has not answered for 11 s"),
        ({"turned_at": NOW - SILENCE_AWAY - 1, "doing": lambda: "task"}, True, True, ""),
        ({"turned_at": NOW - SILENCE_AWAY - 1, "doing": lambda: "broker"}, False, False, "has not turned for 61 s"),
        ({"turned_at": NOW - SILENCE_AWAY - 1, "connected": False}, False, False, "has not turned for 61 s"),
        ({"untaken_since": NOW - UNTAKEN}, True, True, ""),
        ({"untaken_since": NOW - UNTAKEN - 1}, False, False, "none was taken for 9 s"),
        ({"wedged": True}, False, False, "none of its hosts"),
    ],
)
def test_what_is_not_as_it_should_be_has_a_reason(more: dict[str, Any], live: bool, ready: bool, why: str) -> None:
    verdict = pulse(**more).verdict()

    assert (live, ready, True) == (verdict.live, verdict.ready, verdict.started)
    assert why in "; ".join(verdict.reasons)
    assert bool(why) == bool(verdict.reasons)


def test_every_stall_is_red_within_fifteen_seconds() -> None:
    """The looks included, of which one comes a second, and one each two asks the broker."""
    assert max(SILENCE, UNTAKEN + 2) + 1 < 15
