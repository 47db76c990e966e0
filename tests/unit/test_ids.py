"""Ids of tasks."""

from __future__ import annotations

import uuid

import pytest

from kernelq import ids


@pytest.mark.parametrize("new", [ids.new_id, ids.Ids().new], ids=["one", "many"])
def test_ids_are_uuids_and_none_comes_twice(new):
    made = {new() for _ in range(1000)}

    assert 1000 == len(made)
    assert {(7, uuid.RFC_4122)} == {(uuid.UUID(one).version, uuid.UUID(one).variant) for one in made}
    assert all(str(uuid.UUID(one)) == one for one in made)


@pytest.mark.parametrize("new", [ids.new_id, ids.Ids().new], ids=["one", "many"])
def test_ids_sort_by_the_time_they_were_made(monkeypatch, new):
    times = [1_700_000_000_000_000_000 + step for step in (0, 500, 999_999, 1_000_000, 60_000_000_000)]
    monkeypatch.setattr(ids.time, "time_ns", iter(times).__next__)

    made = [new() for _ in times]

    assert sorted(made) == made
    assert times[0] // 1_000_000 == uuid.UUID(made[0]).int >> 80


@pytest.mark.parametrize("given", [None, "mine", "x" * 255, "ä"])
def test_an_id_may_be_chosen(given):
    """Any text of a line."""
    assert given == ids.checked_id(given)


@pytest.mark.parametrize("given", ["", "x" * 256, "a\nb", "\0", 5, b"a"], ids=repr)
def test_what_is_no_id_is_an_error(given):
    """It would be a key in a store, and a word in a log."""
    with pytest.raises(ValueError, match="task id"):
        ids.checked_id(given)
