"""The program of a host that is a new interpreter. Nothing of the app is imported before its pool has prepared."""

from __future__ import annotations

import importlib
import os
import socket
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import attrs

from kernelq.kernel.contracts.pool import Prepares
from kernelq_worker.hosts import child
from kernelq_worker.hosts.carried import Carried
from kernelq_worker.hosts.marks import Marks

if TYPE_CHECKING:
    from kernelq.app import KernelQ
    from kernelq.kernel.contracts.pool import Execute, HostRuntime, Pool


def run(descriptors: Sequence[int]) -> NoReturn:
    """Become the host that `descriptors` (socket, marks, what is carried) tell of."""
    child.live(lambda: _live(*descriptors))


def _live(sock_fd: int, marks_fd: int, carried_fd: int) -> int:
    carried = Carried.read(carried_fd)
    for fd in (sock_fd, marks_fd):
        os.set_inheritable(fd, False)
    sys.argv[:] = carried.argv
    sock, marks = socket.socket(fileno=sock_fd), Marks(carried.slots, marks_fd)

    def start() -> tuple[HostRuntime, Execute]:
        prepared = prepare(carried)
        return prepared.told(prepared.runtime), prepared.execute

    return child.main(sock, marks, carried.parent, start)


@attrs.frozen
class Prepared:
    """All that a host needs but its connection."""

    pool: Pool
    runtime: HostRuntime
    """Of as many slots as were carried."""
    app: KernelQ
    execute: Execute

    def told(self, runtime: HostRuntime) -> HostRuntime:
        """Return `runtime` with the hooks of the app."""
        made: HostRuntime = importlib.import_module("kernelq_worker.hosts.told").Told(runtime, self.app.hooks)
        return made


def prepare(carried: Carried) -> Prepared:
    """Let the pool change Python, then import the app. Raises what its modules raise."""
    pool = _pool(carried.pool)
    if isinstance(pool, Prepares):
        pool.prepare()
    titles = importlib.import_module("kernelq_worker.titles")
    titles.entitle(carried.hostname, carried.name)
    runtime = pool.runtime(carried.slots)
    app = importlib.import_module("kernelq.loading").load_app(carried.load)
    carried.apply(app.conf)
    if carried.logs is not None:
        logs = importlib.import_module("kernelq_worker.logs")
        logs.setup(app, carried.logs.level, carried.logs.file, carried.hostname)
    app.import_modules()
    app.finalize()
    return Prepared(pool, runtime, app, app.executor(carried.hostname))


def _pool(name: str) -> Any:
    module, _, attribute = name.partition(":")
    return getattr(importlib.import_module(module), attribute)()
