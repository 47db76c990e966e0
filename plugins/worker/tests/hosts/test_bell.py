"""A bell is readable from the ring until it is hushed."""

from __future__ import annotations

import os
import select

import pytest

from kernelq_worker.hosts.bell import Bell


def heard(bell: Bell) -> bool:
    return bool(select.select([bell.fd], [], [], 0)[0])


@pytest.mark.parametrize("eventfd", [True, False])
def test_it_is_heard_until_it_is_hushed(eventfd: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rings add up to one, and neither ringing nor hushing ever waits; also where there are no event descriptors."""
    if not eventfd:
        monkeypatch.delattr(os, "eventfd")
    bell = Bell()
    assert not heard(bell)
    for _ in range(3000):
        bell.ring()
    assert heard(bell)
    bell.hush()
    assert not heard(bell)
    bell.hush()
    bell.ring()
    assert heard(bell)
    bell.close()


def test_a_pipe_that_is_full_is_rung_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "eventfd")
    bell = Bell()
    for _ in range(20_000):
        bell.ring()
    assert heard(bell)
    bell.close()
