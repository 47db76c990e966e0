"""Looking at processes, and hurting them; of Linux's /proc."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path


def lives(pid: int) -> bool:
    """Tell whether there is such a process that has not ended; a zombie has."""
    return state(pid) not in "ZX"


def state(pid: int) -> str:
    """Return the letter of its state, "X" where there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return "X"


def children(pid: int) -> list[int]:
    """Return the processes that descend from `pid`, zombies too."""
    found: list[int] = []
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            for word in Path(f"/proc/{pid}/task/{thread}/children").read_text().split():
                found += [int(word), *children(int(word))]
    return found


def descriptors(pid: int) -> int:
    """Return how many descriptors it has open."""
    return len(os.listdir(f"/proc/{pid}/fd"))


def opened(pid: int) -> list[str]:
    """Return what its descriptors are, sorted; for the message of a test that fails."""
    found = []
    for each in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            found.append(str(each.readlink()))
    return sorted(found)


def memory(pid: int) -> int:
    """Return the kilobytes of memory that are its own: private, dirty or clean."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_"))


def share(pid: int) -> int:
    """Return the bytes of memory that are its own, and its share of what it has with others (PSS)."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


def pending(pid: int) -> bool:
    """Tell whether signals were sent to it that it has not taken yet."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        return any(int(line.split()[1], 16) for line in lines if line.startswith(("SigPnd:", "ShdPnd:")))
    return False


def hurt(pid: int, number: int) -> bool:
    """Send a signal; return whether there was somebody to get it."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
        return True
    return False


def end(pids: list[int]) -> None:
    """Kill those that are left, by id, stopped ones too."""
    for pid in pids:
        hurt(pid, signal.SIGKILL)
