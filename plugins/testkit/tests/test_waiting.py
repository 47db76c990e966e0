"""How long tests wait."""

from __future__ import annotations

import pytest

from kernelq_testkit.waiting import VARIABLE, eventually, patience


@pytest.mark.parametrize(("said", "expected"), [("", 2.0), ("1", 2.0), ("2.5", 5.0)], ids=["nothing", "one", "more"])
def test_the_environment_says_how_much_longer(monkeypatch, said, expected):
    monkeypatch.setenv(VARIABLE, said)
    assert expected == patience(2.0)


def test_by_default_as_long_as_asked(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    assert 2.0 == patience(2.0)


def test_what_is_no_number_is_refused(monkeypatch):
    monkeypatch.setenv(VARIABLE, "much")
    with pytest.raises(ValueError, match="much"):
        patience(2.0)


def test_who_waits_in_vain_is_told_for_how_long(monkeypatch):
    monkeypatch.setenv(VARIABLE, "3")
    with pytest.raises(AssertionError, match=r"it was not so within 0.0\d+ s; the last value was 0"):
        eventually(lambda: 0, 0.02, wanted="it")
