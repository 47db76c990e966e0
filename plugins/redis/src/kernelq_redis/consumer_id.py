"""The names of consumers, from which other processes of the same machine can tell that one has died."""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from uuid import uuid4

_RESCUED = "celery-"
"""Begins the last part of the names of those whose flights Celery's workers may rescue."""


def new(rescued: bool = False) -> str:
    """Return a name for a consumer in this process, never given before; it tells how its flights are kept."""
    kind = _RESCUED if rescued else ""
    return f"{_machine()}.{os.getpid()}.{_started(os.getpid()) or 0}.{kind}{uuid4().hex[:12]}"


def is_rescued(name: str) -> bool:
    """Tell whether Celery's workers may rescue what a consumer has in flight."""
    return name.rpartition(".")[2].startswith(_RESCUED)


def died(name: str) -> bool:
    """Tell whether the process of a consumer is known to be gone; False where it may live, on another machine say."""
    parts = name.split(".")
    if len(parts) != 4 or parts[0] != _machine() or not parts[0] or parts[2] == "0":
        return False
    return parts[1].isdigit() and str(_started(int(parts[1]))) != parts[2]


def _machine() -> str:
    """Return what processes have in common whose process ids mean the same; "" where that cannot be known."""
    try:
        with open("/proc/sys/kernel/random/boot_id") as file:
            boot = file.read()
        same = f"{boot}{os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""
    return hashlib.sha1(same.encode(), usedforsecurity=False).hexdigest()[:12]


def _started(pid: int) -> int | None:
    """Return when a process started, in ticks since the boot; None where there is none, or it is dead already."""
    with suppress(OSError, ValueError, IndexError):
        with open(f"/proc/{pid}/stat") as file:
            words = file.read().rpartition(")")[2].split()
        return None if words[0] in "ZX" else int(words[19])
    return None
