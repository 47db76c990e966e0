"""Tell workers to do something: revoke, rate_limit, shutdown, …"""

from __future__ import annotations

from kernelq.cli.verbs import verb
from kernelq.command import CommandKind

control = verb(
    CommandKind.CONTROL,
    "Tell workers to do COMMAND and print their replies.\n\nExits with 1 where no worker answers, or one refuses.",
)
