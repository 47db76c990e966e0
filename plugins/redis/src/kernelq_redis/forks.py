"""Who must know, in a forked child, that its connections are the parent's."""

from __future__ import annotations

import os
from typing import Protocol
from weakref import WeakSet


class Forkable(Protocol):
    """Something that a forked child must not share with its parent."""

    def forked(self) -> None:
        """Let go, in the child, of connections and locks; say no word to the server."""


class _Children:
    """Every live Forkable of this process."""

    def __init__(self) -> None:
        self._members: WeakSet[Forkable] = WeakSet()
        os.register_at_fork(after_in_child=self._in_child)

    def add(self, member: Forkable) -> None:
        """Tell `member` of every fork, for as long as it lives."""
        self._members.add(member)

    def _in_child(self) -> None:
        for member in list(self._members):
            member.forked()


# One per process, because the interpreter's fork hooks are per process and cannot be taken back.
_children = _Children()


def watch(member: Forkable) -> None:
    """Have `member` told, in the child, of every fork, for as long as it lives."""
    _children.add(member)
