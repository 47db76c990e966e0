"""Ask workers something: ping, stats, active, registered, …."""

from __future__ import annotations

from kernelq.cli.verbs import verb
from kernelq.command import CommandKind

inspect = verb(
    CommandKind.INSPECT,
    "Ask workers COMMAND and print their replies; it changes nothing.\n\nExits with 1 where no worker answers.",
)
