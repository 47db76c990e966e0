"""Which redelivered tasks may run at the same time in one worker; `task_max_deliveries` is 3."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from kernelq_worker import quarantine
from kernelq_worker.quarantine import ALONE, Quarantine


@pytest.mark.parametrize(("runs", "comes", "expected"), [(2, 2, True), (2, 3, False), (3, 2, False), (3, 3, False)])
def test_only_what_would_be_buried_is_kept_apart(runs: int, comes: int, expected: bool) -> None:
    """After the first loss of a worker with a thousand tasks they run as many at a time as ever."""
    kept = Quarantine(3)
    assert kept.may_begin(1, runs)
    kept.begin(1, runs)
    assert expected is kept.may_begin(2, comes)
    kept.end(1)
    assert expected is kept.may_begin(2, comes), "its end is not settled"
    assert expected is not kept.settled()
    assert kept.may_begin(2, comes)
    assert not kept


def test_company_that_has_run_for_long_is_no_danger(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(quarantine, "time", SimpleNamespace(monotonic=lambda: now))
    kept = Quarantine(3)
    kept.begin(1, 2)
    assert 0.0 == kept.until
    now += ALONE / 2
    assert not kept.may_begin(2, 3)
    assert 100.0 + ALONE == kept.until
    now = kept.until
    assert kept.may_begin(2, 3)
    assert 0.0 == kept.until


def test_what_is_not_of_these_ends_unnoticed() -> None:
    kept = Quarantine(3)
    kept.begin(1, 2)
    kept.end(2)
    assert not kept.settled()
    assert kept


def test_a_task_is_no_company_of_its_own() -> None:
    """A host may give it back before it starts."""
    kept = Quarantine(3)
    kept.begin(1, 3)
    assert kept.may_begin(1, 3)
