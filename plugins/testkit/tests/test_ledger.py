"""The ledger: what is noted, and what is made of it."""

from __future__ import annotations

import os
import threading

import pytest

from kernelq_testkit import Ledger
from kernelq_testkit.ledger import Tail


@pytest.fixture
def ledger(tmp_path):
    return Ledger(tmp_path / "ledger")


def lines(ledger, *texts):
    ledger.path.write_text("".join(f"{text}\n" for text in texts))


def test_notes_of_many_threads_are_whole_lines(ledger):
    """One write each."""
    threads = [
        threading.Thread(target=lambda n=n: [ledger.note("start", f"k{n}-{m}") for m in range(50)]) for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert 200 == len(set(ledger.keys("start")))
    assert {os.getpid()} == {entry.pid for entry in ledger.entries()}
    assert (200, 0) == (ledger.count("start"), ledger.count("end"))


def test_nothing_noted(ledger):
    """A file that is not there yet is an empty one."""
    assert ([], 0) == (ledger.entries(), ledger.count("start"))
    assert [] == ledger.tally(0, (), {}).lost


def test_lost_is_what_was_accepted_and_never_ended(ledger):
    """Buried is an end too."""
    lines(ledger, "1 start a 10", "2 end a 10", "3 start b 10")
    tally = ledger.tally(5, ["a", "b", "c", "d"], {}, dead=["c"])

    assert (5, 4, ["b", "d"]) == (tally.attempted, tally.accepted, tally.lost)


@pytest.mark.parametrize(
    ("hurt", "faults", "explained"), [({10: 2.0}, (), True), ({}, (2.0,), True), ({11: 2.0}, (4.0,), False)]
)
def test_a_second_start_is_explained_or_not(ledger, hurt, faults, explained):
    """By a process that was hurt, or by a fault between the two starts."""
    lines(ledger, "1 start a 10", "3 start a 11", "9 end a 11")
    tally = ledger.tally(1, ["a"], hurt, faults=faults)

    assert (["a"], []) == ((tally.doubled, tally.unexplained) if explained else (tally.unexplained, tally.doubled))
    assert 6.0 == tally.gap
    assert (1.0 if 10 in hurt else 0.0) == tally.slowest
    assert {"attempted": 1, "accepted": 1, "lost": 0} == {key: tally.row()[key] for key in list(tally.row())[:3]}


def test_a_tail_reads_only_whole_lines(ledger):
    """A line that is being written counts when it is."""
    tail = Tail(ledger.path)
    lines(ledger, "1 start s0-1 10", "2 start s1-1 10")
    with ledger.path.open("a") as file:
        file.write("3 sta")
        file.flush()
        assert (2, 1) == (tail.count("start"), tail.count("start", "s0"))
        file.write("rt s0-2 10\n")
    assert (3, 2) == (tail.count("start"), tail.count("start", "s0"))
