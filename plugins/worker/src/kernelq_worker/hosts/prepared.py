"""The program of a template: prepare all that a host needs but its connection, then fork hosts on demand.

All that is used here after the preparation is bound at import and comes from the interpreter itself: a pool may replace
sockets, sleeps and forks by its own (gevent does), and what these start must begin in the hosts.
"""

from __future__ import annotations

import errno
import gc
import logging
import os
import signal
import sys
import warnings
from collections.abc import Sequence
from os import fork, getpid, getppid, waitpid
from socket import recv_fds, socket
from time import sleep
from typing import NoReturn

from kernelq_worker.hosts import child, fresh, seeds
from kernelq_worker.hosts.carried import Carried
from kernelq_worker.hosts.marks import Marks
from kernelq_worker.titles import entitle

logger = logging.getLogger(__name__)

UNFIT, UNPREPARED = 72, 73
"""Exit codes of a template that must not be forked, and of one whose app could not be imported."""
READY = b"ready"
PAUSE = 0.0002
"""Seconds between looks at whether the supervisor has adopted a host."""


def run(descriptors: Sequence[int]) -> NoReturn:
    """Become the template that `descriptors` (control socket, what is carried) tell of."""
    child.live(lambda: _live(*descriptors))


def _live(control_fd: int, carried_fd: int) -> int:
    carried = Carried.read(carried_fd)
    os.set_inheritable(control_fd, False)
    sys.argv[:] = carried.argv
    control = socket(fileno=control_fd)
    child.die_with(carried.parent)
    child.settle_signals()
    try:
        prepared = fresh.prepare(carried)
    except BaseException:  # noqa: BLE001  # the hosts, which are started without a template then, tell it
        return UNPREPARED
    threads = len(os.listdir("/proc/self/task"))
    if threads > 1:
        logger.info("%d threads run when the app is imported, so no host is forked from here", threads)
        return UNFIT
    for number in (signal.SIGINT, signal.SIGTERM):  # hosts set handlers, and no program is started from here
        signal.signal(number, signal.SIG_IGN)
    gc.collect()
    gc.freeze()
    control.send(READY)
    return _serve(control, carried, prepared)


def _serve(control: socket, carried: Carried, prepared: fresh.Prepared) -> int:
    while True:
        word, given, _, _ = recv_fds(control, 4096, 2)
        if not word:
            return 0
        for fd in given:
            os.set_inheritable(fd, False)  # `recv_fds` passes no flag on that would have them so
        slots, _, name = word.decode().partition(" ")
        try:
            code = _fork_twice(control, given, int(slots), name, carried, prepared)
        except OSError as error:
            code = error.errno or errno.EAGAIN
        for fd in given:
            os.close(fd)
        control.send(b"%d" % -code)


def _fork_twice(
    control: socket, given: Sequence[int], slots: int, name: str, carried: Carried, prepared: fresh.Prepared
) -> int:
    """Fork a host whose parent ends, so that the supervisor adopts it. Return 0, or an error number."""
    pid = _fork()
    if pid == 0:
        child.live(lambda: _between(control, given, slots, name, carried, prepared))
    code = os.waitstatus_to_exitcode(waitpid(pid, 0)[1])
    return code if code >= 0 else errno.EAGAIN


def _between(
    control: socket, given: Sequence[int], slots: int, name: str, carried: Carried, prepared: fresh.Prepared
) -> int:
    between = getpid()
    try:
        pid = _fork()
    except OSError as error:
        return error.errno or errno.EAGAIN
    if pid != 0:
        control.send(b"%d" % pid)
        return 0
    control.close()
    while getppid() == between:
        sleep(PAUSE)
    return _host(given, slots, name, carried, prepared)


def _fork() -> int:
    with warnings.catch_warnings():
        # Python 3.12 warns where it counts threads that are gevent's greenlets: there is one thread, as was seen above.
        warnings.simplefilter("ignore", DeprecationWarning)
        return fork()


def _host(given: Sequence[int], slots: int, name: str, carried: Carried, prepared: fresh.Prepared) -> int:
    child.die_with(carried.parent)
    seeds.renew()
    entitle(carried.hostname, name)
    sock, marks = socket(fileno=given[0]), Marks(slots, given[1])
    return child.serve(sock, marks, lambda: (prepared.told(prepared.pool.runtime(slots)), prepared.execute))
