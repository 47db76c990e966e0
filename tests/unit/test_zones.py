"""Which time zone times without one are in."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from kernelq import KernelQ
from kernelq.kernel.errors import ConfigurationError


def test_the_setting_names_it():
    assert ZoneInfo("Europe/Berlin") == KernelQ(timezone="Europe/Berlin").timezone


def test_without_one_it_is_utc():
    assert UTC == KernelQ().timezone


def test_or_the_local_zone():
    local = KernelQ(enable_utc=False).timezone

    assert datetime.now().astimezone().utcoffset() == datetime.now(local).utcoffset()


@pytest.mark.parametrize("name", ["Europe/Atlantis", "../etc/passwd"])
def test_a_zone_that_there_is_not_is_told(name):
    with pytest.raises(ConfigurationError, match=f"timezone names no time zone: '{name}'"):
        _ = KernelQ(timezone=name).timezone
