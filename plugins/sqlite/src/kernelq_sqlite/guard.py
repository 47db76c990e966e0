"""What must happen around a fork to everything that holds descriptors or locks."""

from __future__ import annotations

import os
import threading
import weakref
from typing import Protocol


class Forkable(Protocol):
    """Something that a forked child must not share with its parent."""

    fork_rank: int
    """Its place in the order in which locks are taken: who holds a lock may take only those of higher rank."""

    def before_fork(self) -> None:
        """Reach a state in which a fork does no harm: take the locks."""

    def after_fork_in_parent(self) -> None:
        """Go on: give the locks back."""

    def after_fork_in_child(self) -> None:
        """Let go of what belongs to the parent, without touching it."""


class _Guard:
    """Every live Forkable of this process; one hook of the interpreter serves them all."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._members: weakref.WeakSet[Forkable] = weakref.WeakSet()
        self._held: list[Forkable] = []
        os.register_at_fork(before=self._before, after_in_parent=self._in_parent, after_in_child=self._in_child)

    def add(self, member: Forkable) -> None:
        """Watch over `member` for as long as it lives."""
        with self._lock:
            self._members.add(member)

    def _before(self) -> None:
        self._lock.acquire()
        self._held = sorted(self._members, key=lambda member: (member.fork_rank, id(member)))
        for member in self._held:
            member.before_fork()

    def _in_parent(self) -> None:
        for member in reversed(self._held):
            member.after_fork_in_parent()
        self._held = []
        self._lock.release()

    def _in_child(self) -> None:
        for member in reversed(self._held):
            member.after_fork_in_child()
        self._held = []
        self._lock = threading.Lock()


# One per process, because the interpreter's fork hooks are per process and cannot be taken back.
_guard = _Guard()


def guard(member: Forkable) -> None:
    """Have `member` told of every fork, for as long as it lives."""
    _guard.add(member)
