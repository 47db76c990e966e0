"""The plugin's key."""

from __future__ import annotations

from kernelq_events.keys import COURIER


def test_who_misses_it_is_told_what_to_install():
    assert ("courier", "events") == (COURIER.name, COURIER.extra)
