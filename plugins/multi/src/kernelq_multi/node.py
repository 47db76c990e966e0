"""A node: one worker, by its name, with the options that it is started with."""

from __future__ import annotations

import os
import shlex
import sys
from functools import cached_property

import attrs

from kernelq.nodenames import node_format, nodesplit
from kernelq_multi.arguments import Options

COMMAND = "-m kernelq worker --detach"

BEFORE = ("-A", "--app", "-b", "--broker", "--result-backend", "--config", "--workdir", "--no-color", "-q", "--quiet")
"""Options of the root command."""
PIDFILE, LOGFILE, EXECUTABLE = "--pidfile", "--logfile", "--executable"
LONG = {"-p": PIDFILE, "-f": LOGFILE}
PATHS = (PIDFILE, LOGFILE, "--workdir")


def default_paths() -> Options:
    """Return the usual pid and log file: where a system keeps them, for root; else in the current folder."""
    runs, logs = ("/var/run/kernelq/", "/var/log/kernelq/") if os.geteuid() == 0 else ("", "")
    return {PIDFILE: f"{runs}%n.pid", LOGFILE: f"{logs}%n%I.log"}


@attrs.frozen(slots=False, eq=False)
class Node:
    """One worker. Letters (``%n`` …) in its options are expanded."""

    name: str
    """The whole name, ``celery1@host``."""
    options: Options = attrs.field(factory=dict)
    command: str = COMMAND
    """What follows the interpreter: the command, and options of all nodes."""
    append: str = ""
    rest: tuple[str, ...] = ()

    def expand(self, text: str) -> str:
        """Expand letters as Celery's multi does: ``%n`` and ``%N`` the short name, ``%h`` and ``%p`` the whole, ``%d``
        the host; ``%i`` and ``%I`` are left for the worker.
        """
        short, host = nodesplit(self.name)
        return node_format(text, self.name, N=short or "", d=host, h=self.name, i="%i", I="%I")

    @cached_property
    def _known(self) -> Options:
        given: Options = {LONG.get(option, option): value for option, value in self.options.items()}
        merged: Options = {**default_paths(), **given, "-n": self.name}
        expanded = {option: value and self.expand(value) for option, value in merged.items()}
        return {
            name: value and os.path.expanduser(value) if name in PATHS else value for name, value in expanded.items()
        }

    @property
    def pidfile(self) -> str:
        """Its path, as the worker writes it."""
        return os.path.join(self._folder, node_format(self._known[PIDFILE] or "", self.name))

    @property
    def logfile(self) -> str:
        """Its path, as the worker's main process writes it."""
        return os.path.join(self._folder, node_format(self._known[LOGFILE] or "", self.name))

    @property
    def _folder(self) -> str:
        return self._known.get("--workdir") or ""

    @property
    def owner(self) -> tuple[str | None, str | None]:
        """The user and the group that the worker is to become."""
        return self._known.get("--uid"), self._known.get("--gid")

    @property
    def argv(self) -> list[str]:
        """What follows the interpreter."""
        words = shlex.split(self.expand(self.command))
        before = [word for option in BEFORE if option in self._known for word in _words(option, self._known[option])]
        place = words.index("worker") if "worker" in words else len(words)
        after = [option for option in self._known if option not in (*BEFORE, EXECUTABLE)]
        options = [word for option in after for word in _words(option, self._known[option])]
        return [*words[:place], *before, *words[place:], *options, *self.rest, *shlex.split(self.expand(self.append))]

    @property
    def executable(self) -> str:
        """The interpreter."""
        return self._known.get(EXECUTABLE) or sys.executable

    @property
    def line(self) -> list[str]:
        """The whole command line."""
        return [self.executable, *self.argv]


def _words(option: str, value: str | None) -> list[str]:
    if value is None or value == "":
        return [option]
    return [f"{option}={value}"] if option.startswith("--") else [option, value]
