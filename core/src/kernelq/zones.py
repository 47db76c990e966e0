"""The time zone that the settings name."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING

from kernelq.kernel.errors import ConfigurationError

if TYPE_CHECKING:
    from kernelq.conf import Conf


def zone(conf: Conf) -> tzinfo:
    """Return the zone of the setting ``timezone``, else UTC, or the local zone. Raises `ConfigurationError`."""
    if conf.timezone:
        from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

        try:
            return ZoneInfo(conf.timezone)
        except (ZoneInfoNotFoundError, ValueError):
            raise ConfigurationError(f"the setting timezone names no time zone: {conf.timezone!r}") from None
    if conf.enable_utc:
        return UTC
    local = datetime.now().astimezone().tzinfo
    assert local is not None
    return local
