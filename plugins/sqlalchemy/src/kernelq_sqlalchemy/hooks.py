"""What this plugin tells the app."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernelq import hookimpl
from kernelq_sqlalchemy.options import DatabaseSettings

if TYPE_CHECKING:
    from kernelq.kernel.settings import Settings


@hookimpl
def declare_settings(settings: Settings) -> None:
    """Make the settings ``database_*`` known."""
    settings.section(DatabaseSettings)
