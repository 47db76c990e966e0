"""From a consumer's name others tell that its process is gone."""

from __future__ import annotations

import os

from kernelq_redis import consumer_id


def test_names_are_never_given_twice():
    """Also in one process."""
    assert consumer_id.new() != consumer_id.new()


def test_only_what_is_known_to_be_dead_is_dead():
    """Not this process, nor one of another machine, nor one whose name says nothing; but one whose number went on."""
    mine = consumer_id.new()
    machine, pid, started, rest = mine.split(".")
    assert str(os.getpid()) == pid
    assert [False] * 4 == [
        consumer_id.died(name) for name in (mine, f"other.{pid}.1.{rest}", f"{machine}.{pid}.0.{rest}", "celery@host")
    ]
    assert consumer_id.died(f"{machine}.{pid}.{int(started) + 1}.{rest}")


def test_a_name_tells_how_its_flights_are_kept():
    """So that whoever ends them knows where they are."""
    assert consumer_id.is_rescued(consumer_id.new(rescued=True))
    assert not consumer_id.is_rescued(consumer_id.new())
    assert not consumer_id.died(consumer_id.new(rescued=True))
