"""What this plugin tells the app."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernelq import hookimpl
from kernelq_redis.settings import RedisSettings

if TYPE_CHECKING:
    from kernelq.kernel.settings import Settings


@hookimpl
def declare_settings(settings: Settings) -> None:
    """Make the settings ``redis_*`` and ``result_backend_transport_options`` known."""
    settings.section(RedisSettings)
