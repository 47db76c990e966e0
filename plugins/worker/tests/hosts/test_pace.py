"""How many jobs a host may have."""

from __future__ import annotations

import pytest

from kernelq_worker.hosts.pace import AHEAD, MOST_AHEAD, Pace


def test_a_slot_has_one_job_until_jobs_are_known_to_be_short():
    pace = Pace()
    assert 8 == pace.room(8)
    pace.ran(0.00001)
    assert 8 * AHEAD == pace.room(8)


@pytest.mark.parametrize("slots", [100, 1_000, 10_000])
def test_a_host_of_many_slots_is_not_sent_the_queue(slots):
    pace = Pace()
    pace.ran(0.00001)
    assert slots + MOST_AHEAD == pace.room(slots)


def test_filling_ahead_holds_whatever_jobs_take():
    pace = Pace(least=4)
    assert 4_000 == pace.room(1_000)
    pace.ran(0.00001)
    assert 4_000 == pace.room(1_000)
    pace.stalled()
    assert 4 == pace.room(1)


def test_one_long_job_ends_it():
    pace = Pace()
    for _ in range(100):
        pace.ran(0.00001)
    pace.ran(60.0)
    pace.ran(60.0)
    pace.ran(60.0)
    pace.ran(60.0)
    pace.ran(60.0)
    assert 1 == pace.room(1)
