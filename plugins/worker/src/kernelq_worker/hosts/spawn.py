"""How a host process comes to be: forked, or as a new interpreter."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count
from typing import TYPE_CHECKING, Protocol

import attrs

from kernelq.kernel.errors import ConfigurationError
from kernelq_worker.hosts import child, descriptors, seeds
from kernelq_worker.hosts.carried import Carried, Logs, settings_of
from kernelq_worker.hosts.marks import Marks
from kernelq_worker.hosts.told import Told
from kernelq_worker.titles import entitle

if TYPE_CHECKING:
    from kernelq.app import KernelQ
    from kernelq.handles import Loop
    from kernelq.kernel.contracts.pool import Execute, HostRuntime, Pool

ENVIRONMENT = "KERNELQ_HOST"
"""The variable that tells a new interpreter its program, where modules are, and its descriptors: JSON."""
START = f"""\
import importlib, json, os, sys
known = json.loads(os.environ.pop({ENVIRONMENT!r}))
sys.path[:] = known["path"]
importlib.import_module(known["program"]).run(known["descriptors"])
"""


class Spawner(Protocol):
    """Starts a host process."""

    @property
    def patience(self) -> float:
        """Seconds that it may take until a host reports ready."""

    @property
    def ready(self) -> bool:
        """Whether a host can be started now."""

    def open(self, loop: Loop, on_ready: Callable[[], None]) -> None:
        """Get ready; call back when that is so, again and again where it is so no longer in between."""

    def renew(self) -> None:
        """Start hosts of the app's present code from now on."""

    def close(self) -> None:
        """Start no host any more. May be called twice."""

    def __call__(self, sock: socket.socket, marks: Marks, slots: int, close: Callable[[], None]) -> int:
        """Start a host that speaks over `sock`; return its process id. `close` drops the supervisor's descriptors.

        Raises `NotReady` where it turns out that none can be started now, and `OSError`.
        """


class NotReady(Exception):  # no error: hosts are started as soon as it is mended
    """What hosts are started from is being replaced; the spawner calls back when it is ready."""


class AtOnce:
    """What spawners have in common that need nothing to be made ready."""

    __slots__ = ()
    ready = True

    def open(self, loop: Loop, on_ready: Callable[[], None]) -> None:
        """Do nothing."""

    def renew(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


@attrs.frozen
class Fork(AtOnce):
    """Forks hosts from the supervisor, which has imported the app."""

    pool: Pool
    execute: Execute
    patience: float = 10.0
    app: KernelQ | None = None
    """Whose hooks are told, where it is given."""
    hostname: str = ""
    """The node's name, for titles; "": hosts keep the supervisor's."""
    _numbers: Iterator[int] = attrs.field(factory=lambda: count(1), init=False)
    _kept: Mapping[int, descriptors.Identity] = attrs.field(factory=descriptors.opened, init=False)

    def __call__(self, sock: socket.socket, marks: Marks, slots: int, close: Callable[[], None]) -> int:
        """Fork."""
        parent = os.getpid()
        if self.app is not None:
            self.app.hooks.event("worker_before_create_process", sender=self.app)
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
        name = f"{self.pool.name}-{next(self._numbers)}"
        others = descriptors.foreign(self._kept, own=(sock.fileno(), marks.fd))
        with warnings.catch_warnings():
            # Python 3.12 warns where threads run; ours hold no lock across a fork (os.register_at_fork).
            warnings.simplefilter("ignore", DeprecationWarning)
            pid = os.fork()
        if pid == 0:
            child.live(lambda: self._live(sock, marks, slots, parent, name, close, others))
        return pid

    def _live(
        self,
        sock: socket.socket,
        marks: Marks,
        slots: int,
        parent: int,
        name: str,
        close: Callable[[], None],
        others: Mapping[int, descriptors.Identity],
    ) -> int:
        close()
        descriptors.shut(others)
        seeds.renew()
        if self.hostname:
            entitle(self.hostname, name)
        return child.main(sock, marks, parent, lambda: (self._runtime(slots), self.execute))

    def _runtime(self, slots: int) -> HostRuntime:
        runtime = self.pool.runtime(slots)
        return Told(runtime, self.app.hooks) if self.app is not None else runtime


@attrs.frozen
class Fresh(AtOnce):
    """Starts hosts as new interpreters: for pools that change Python before anything is imported, or where a fork is
    unsafe.
    """

    pool: str
    """``module:attribute`` of the pool's factory."""
    load: str
    """What `kernelq.loading.load_app` takes."""
    hostname: str
    patience: float = 60.0
    app: KernelQ | None = None
    """Whose hooks are told, and whose settings hold in the host, where it is given."""
    logs: Logs | None = None
    """How the worker has set up its log; None: it has not."""
    name: str = "host"
    """The pool's, for titles."""
    _numbers: Iterator[int] = attrs.field(factory=lambda: count(1), init=False)

    def __attrs_post_init__(self) -> None:
        if not sys.executable:
            raise ConfigurationError("Python does not know its own program (sys.executable), so no host can be started")

    def __call__(self, sock: socket.socket, marks: Marks, slots: int, close: Callable[[], None]) -> int:
        """Start a new interpreter of the same kind and with the same options."""
        return self.start("kernelq_worker.hosts.fresh", (sock.fileno(), marks.fd), slots, self.name_one())

    def name_one(self) -> str:
        """Return the name of the next host; the app is told that it starts."""
        if self.app is not None:
            self.app.hooks.event("worker_before_create_process", sender=self.app)
        return f"{self.name}-{next(self._numbers)}"

    def start(self, program: str, given: Sequence[int], slots: int, name: str) -> int:
        """Run the module `program` in a new interpreter with these descriptors, and that of a `Carried`."""
        carried = Carried(
            parent=os.getpid(), pool=self.pool, load=self.load, slots=slots, hostname=self.hostname,
            name=name, logs=self.logs, settings=settings_of(self.app), argv=sys.argv,
        ).write()  # fmt: skip
        try:
            return _spawn(program, (*given, carried))
        finally:
            os.close(carried)


def _spawn(program: str, given: Sequence[int]) -> int:
    first = max(given) + 1  # above all of them, so that none takes another's place
    actions = [(os.POSIX_SPAWN_DUP2, fd, first + place) for place, fd in enumerate(given)]
    known = {"program": program, "path": sys.path, "descriptors": [action[2] for action in actions]}
    options = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]  # as multiprocessing does
    return os.posix_spawn(
        sys.executable,
        [sys.executable, *options, "-c", START],
        {**os.environ, ENVIRONMENT: json.dumps(known)},
        file_actions=actions,
    )
