"""What a host that is a new interpreter gets from its supervisor: where it is to look, and what was set there.

Settings may hold passwords. They cross in memory that only the host inherits, never in its command line or environment.
"""

from __future__ import annotations

import pickle
from contextlib import suppress
from typing import TYPE_CHECKING

import attrs

from kernelq_worker.hosts.marks import memory

if TYPE_CHECKING:
    from kernelq.app import KernelQ
    from kernelq.conf import Conf


@attrs.frozen
class Logs:
    """How the worker has set up its log, so that its hosts do alike."""

    level: int
    file: str | None


@attrs.frozen(kw_only=True)
class Carried:
    """The message from supervisor to host."""

    parent: int
    """The supervisor's process id."""
    pool: str
    load: str
    slots: int
    hostname: str
    name: str
    """The host's own, as titles and log lines have it."""
    logs: Logs | None
    settings: list[tuple[str, str, bytes]]
    """Name, source and pickled value of each that was set."""
    argv: list[str]
    """Apps look at it when they are imported."""

    def write(self) -> int:
        """Return the descriptor of memory that holds this; the caller closes it."""
        fd = memory("kernelq-carried")
        with open(fd, "wb", closefd=False) as file:
            file.write(pickle.dumps(attrs.asdict(self, recurse=False)))
        return fd

    @classmethod
    def read(cls, fd: int) -> Carried:
        """Return what `write` wrote; the descriptor is closed."""
        with open(fd, "rb") as file:
            file.seek(0)
            return cls(**pickle.loads(file.read()))  # noqa: S301  # from our own supervisor, by inheritance

    def apply(self, conf: Conf) -> None:
        """Set in the host what was set in the supervisor. Raises what reading a value raises."""
        known = set(conf.names())  # a setting that only the worker's steps read may be unknown here
        for name, source, value in self.settings:
            if name in known:
                conf.update({name: pickle.loads(value)}, source=source)  # noqa: S301  # as above


def settings_of(app: KernelQ | None) -> list[tuple[str, str, bytes]]:
    """Return the app's changed settings, for `Carried`.

    What cannot be pickled (a lambda among the routes) was made by the app's own code, which runs in the host too.
    """
    found: list[tuple[str, str, bytes]] = []
    if app is not None:
        for name, value in app.conf.as_dict(redact=False, changed=True).items():
            with suppress(Exception):
                found.append((name, app.conf.source(name), pickle.dumps(value)))
    return found
