"""Which descriptors a forked host keeps: the app's own files, which were open when the pool started.

The supervisor's later ones are not for hosts. A host that kept them would hold connections open that the supervisor
has closed, and the locks of a supervisor that is dead.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Collection, Mapping
from contextlib import suppress

Identity = tuple[int, int]
"""Device and inode: what a descriptor is open on, since numbers are used again."""

_FOLDER = "/proc/self/fd" if os.path.isdir("/proc/self/fd") else "/dev/fd"
_STANDARD = (0, 1, 2)


def opened() -> dict[int, Identity]:
    """Return this process's open descriptors."""
    found = {}
    for name in os.listdir(_FOLDER):
        with suppress(OSError):  # the listing's own
            found[int(name)] = _identity(int(name))
    return found


def foreign(kept: Mapping[int, Identity], own: Collection[int]) -> dict[int, Identity]:
    """Return the open descriptors that are neither among `kept` nor `own`, nor a log's."""
    ours = {*_STANDARD, *own, *_of_logs()}
    return {fd: of for fd, of in opened().items() if kept.get(fd) != of and fd not in ours}


def shut(others: Mapping[int, Identity]) -> None:
    """Let go of descriptors in a forked child.

    The numbers stay taken, by the null device: whoever closes one later, as its object is freed, closes nothing else.
    """
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for fd, of in others.items():
        with suppress(OSError):  # closed already, by what runs in the child before
            if _identity(fd) == of:
                os.dup2(null, fd, inheritable=False)
    os.close(null)


def _identity(fd: int) -> Identity:
    status = os.fstat(fd)
    return status.st_dev, status.st_ino


def _of_logs() -> set[int]:
    # A log file that was rotated is open on something else than when the pool started. The list is logging's own.
    found = set()
    for reference in getattr(logging, "_handlerList", ()):
        handler = reference()
        for name in ("stream", "socket", "sock"):
            with suppress(AttributeError, OSError, ValueError):
                found.add(getattr(handler, name).fileno())
    return found
