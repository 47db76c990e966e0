"""The pauses between two attempts."""

from __future__ import annotations

import logging
import time
from typing import Any

import pytest

from kernelq_worker.backoff import FIRST_DELAY, LONGEST_DELAY, Backoff


class Loop:
    """Notes when it is to turn."""

    def __init__(self) -> None:
        self.delays: list[float] = []

    def call_later(self, seconds: float, callback: Any) -> None:
        callback()  # which does nothing: that the loop turns is all
        self.delays.append(seconds)


@pytest.fixture
def loop() -> Any:
    """A loop that never turns."""
    return Loop()


def test_pauses_grow_up_to_a_bound_and_begin_anew_after_a_success(loop: Any) -> None:
    backoff = Backoff(loop, "store results")
    began = time.monotonic()

    assert [FIRST_DELAY, 2 * FIRST_DELAY, 4 * FIRST_DELAY] == [backoff.failed(OSError("away"), 1) for _ in range(3)]
    assert LONGEST_DELAY == max(backoff.failed(OSError("away"), 1) for _ in range(20))
    assert began + LONGEST_DELAY <= backoff.until

    backoff.succeeded()
    assert 0.0 == backoff.until
    assert FIRST_DELAY == backoff.failed(OSError("away"), 1)


def test_the_loop_turns_when_a_pause_is_over(loop: Any) -> None:
    backoff = Backoff(loop, "store results")

    pauses = [backoff.failed(OSError("away"), 1) for _ in range(3)]

    assert pauses == loop.delays


def test_the_log_tells_what_waits_and_when_it_goes_on(loop: Any, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "kernelq.worker"):
        backoff = Backoff(loop, "store results")
        backoff.succeeded()
        backoff.failed(OSError("no route"), 7)
        backoff.succeeded()

    assert ["cannot store results (no route); 7 wait, next try in 0.1 seconds", "can store results again"] == [
        record.getMessage() for record in caplog.records
    ]
