"""The options of commands that may run as daemons, and what they do."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import attrs
import click

from kernelq.cli.detach import Detached
from kernelq.cli.privileges import identity
from kernelq.kernel.errors import ConfigurationError
from kernelq.nodenames import node_format

F = TypeVar("F", bound=Callable[..., Any])

EXECUTED = "KERNELQ__EXECUTED"
"""The environment variable that holds the number of the process that has become `--executable`."""


def _octal(text: str) -> int:
    """Return a umask as people write it, 022 or 0o022."""
    try:
        mask = int(text, 8)
    except ValueError:
        mask = -1
    if not 0 <= mask <= 0o777:
        raise click.BadParameter(f"{text!r} is no umask; write it in octal, like 022")
    return mask


OPTIONS = (
    click.option("-D", "--detach", is_flag=True, help="Go on in the background, once it has started."),
    click.option(
        "-f", "--logfile", metavar="PATH", help="Log to this file, not to stderr; %n: node, %I: host process."
    ),
    click.option("--pidfile", metavar="PATH", help="Write the process id here; refuse to start twice."),
    click.option("--uid", metavar="USER", help="Run as this user, by name or number; only root may."),
    click.option("--gid", metavar="GROUP", help="Run as this group, by name or number; only root may."),
    click.option("--umask", type=_octal, metavar="MASK", help="The rights that new files lack, in octal: 022."),
    click.option("--executable", metavar="PATH", help="Run it with this Python interpreter."),
)


def daemon_options(function: F) -> F:
    """Add the options to a command; `Daemon.of` takes their values."""
    for option in reversed(OPTIONS):
        function = option(function)
    return function


@attrs.define(kw_only=True)
class Daemon:
    """How a command is to run."""

    detach: bool
    logfile: str | None
    """As it was typed: letters are expanded by whoever opens the file, since each host may have its own."""
    pidfile: str | None
    uid: str | None
    gid: str | None
    umask: int | None
    executable: str | None
    _detached: Detached | None = attrs.field(default=None, init=False)

    @classmethod
    def of(cls, options: dict[str, Any]) -> Daemon:
        """Take the values of the options out of `options`."""
        return cls(**{field.alias: options.pop(field.alias) for field in attrs.fields(cls) if field.init})

    @contextlib.contextmanager
    def entered(self, name: str, folder: str) -> Iterator[Daemon]:
        """Become the daemon `name`; the process that was called waits for `started` where it is to detach.

        `folder` is where the command was typed: another interpreter is called from there. Nothing may be open yet that
        a forked process must not have. Raises `ConfigurationError`.
        """
        from kernelq.pidfile import PidFile

        self._execute(folder)
        for letters in ("pidfile", "logfile"):
            if path := getattr(self, letters):
                setattr(self, letters, os.path.expanduser(path))
        if self.umask is not None:
            os.umask(self.umask)
        identity(self.uid, self.gid).take()
        if self.detach:
            self.logfile = self.logfile or os.devnull
            self._detach(name)
        pidfile = self.pidfile and node_format(self.pidfile, name)
        with PidFile(pidfile) if pidfile else contextlib.nullcontext():
            yield self

    def started(self) -> None:
        """Let the process that was called end, where it waits."""
        if self._detached is not None:
            self._detached.started()

    def _detach(self, name: str) -> None:
        log = node_format(self.logfile or os.devnull, name)
        try:
            self._detached = Detached(log)
        except OSError as error:
            raise ConfigurationError(f"-f: the log file {log} cannot be written: {error.strerror}") from error

    def _execute(self, folder: str) -> None:
        """Become the other interpreter, if this process has not done so."""
        wanted = self.executable
        if wanted is None or os.environ.get(EXECUTED) == str(os.getpid()):
            return
        os.chdir(folder)
        found = shutil.which(os.path.expanduser(wanted))
        if found is None:
            raise ConfigurationError(f"--executable: there is no program {wanted!r}")
        found = os.path.abspath(found)
        os.environ[EXECUTED] = str(os.getpid())
        try:
            os.execv(found, [found, "-m", "kernelq", *sys.argv[1:]])  # noqa: S606 - what was typed, by that interpreter
        except OSError as error:
            raise ConfigurationError(f"--executable: {found} cannot be run: {error.strerror}") from error
