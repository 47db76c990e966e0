"""What was typed after `kernelq multi COMMAND`: names of nodes, options for all of them, options for some."""

from __future__ import annotations

import signal
from collections.abc import Iterable

import attrs

Options = dict[str, str | None]
"""Values by option, as it was typed: ``-c``, ``--pidfile``; None: an option without a value."""


@attrs.define
class Arguments:
    """Names and options, not yet brought together."""

    names: list[str] = attrs.field(factory=list)
    options: Options = attrs.field(factory=dict)
    of_some: dict[str, Options] = attrs.field(factory=dict)
    """Options by what stands behind the colon: a name, a number, a range or a list of these."""
    rest: list[str] = attrs.field(factory=list)
    """``--`` and what follows it, which every node is given as it is."""
    signal: signal.Signals | None = None
    """The last one that was typed like an option, ``-9`` or ``-KILL``, where signals are looked for."""

    def add(self, option: str, value: str | None) -> None:
        """Note an option, of all nodes or of those behind its colon."""
        name, _, whose = option.partition(":")
        (self.of_some.setdefault(whose, {}) if whose else self.options)[name] = value


def parse(words: Iterable[str], signals: bool = False) -> Arguments:
    """Read the words as Celery's multi does (celery/apps/multi.py).

    A short option takes the next word for its value, unless that begins with a dash; a long one has its value behind
    ``=``. Whatever is no option is a node.
    """
    found = Arguments()
    left = [word for word in words if word]
    while left:
        word = left.pop(0)
        if word == "--":
            found.rest = [word, *left]
            break
        if not word.startswith("-") or word == "-":
            found.names.append(word)
        elif word.startswith("--"):
            name, separator, value = word.partition("=")
            found.add(name, value if separator else None)
        elif signals and (number := signal_of(word[1:])) is not None:
            found.signal = number
        else:
            found.add(word, left.pop(0) if left and not left[0].startswith("-") else None)
    return found


def signal_of(word: str) -> signal.Signals | None:
    """Return the signal of ``9``, ``KILL`` or ``SIGKILL``; None where there is none."""
    try:
        return signal.Signals(int(word)) if word.isdecimal() else signal.Signals[f"SIG{word.removeprefix('SIG')}"]
    except (KeyError, ValueError):
        return None
