"""What runs in a host process, from its first line to its exit."""

from __future__ import annotations

import ctypes
import faulthandler
import gc
import os
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn

from kernelq.kernel.errors import KernelQError
from kernelq_worker.hosts import wire
from kernelq_worker.hosts.link import ORPHANED, Link
from kernelq_worker.hosts.marks import Marks

if TYPE_CHECKING:
    from kernelq.kernel.contracts.pool import Execute, HostRuntime

    Prepare = Callable[[], tuple[HostRuntime, Execute]]

PR_SET_PDEATHSIG = 1  # linux/prctl.h
PARENT_DIED = 71
"""Exit code of a host whose supervisor died while it started."""


def live(life: Callable[[], int]) -> NoReturn:
    """Run a host to its end, and end the process with the exit code that `life` returns, whatever is raised."""
    code = 1
    try:
        code = life()
    except SystemExit as end:  # of a signal's handler that is the app's
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001  # nothing may climb into the frames that a forked host has above it
        traceback.print_exc()
    finally:
        leave(code)


def main(sock: socket.socket, marks: Marks, parent: int, prepare: Prepare) -> int:
    """Serve until the end; return the exit code. A host that cannot start says why over `sock`."""
    die_with(parent)
    settle_signals()
    return serve(sock, marks, prepare)


def serve(sock: socket.socket, marks: Marks, prepare: Prepare) -> int:
    """Do what `main` does, in a process whose signals are settled and that dies with its supervisor."""
    link = Link(sock, marks)
    try:
        runtime, execute = prepare()
    except BaseException as error:  # noqa: BLE001  # the supervisor tells the person, and decides
        why = str(error) if isinstance(error, KernelQError) else traceback.format_exc(limit=-8)[-8000:]
        with suppress(OSError):
            sock.sendall(wire.report(wire.Report.FAILED, text=why))
        return 1
    _pass_signals_over()  # again: the app's modules may have set handlers, which would end the host amid a job
    gc.freeze()  # what is there now lives as long as the host: no collection need walk it, or copy its pages
    link.start()
    runtime.serve(link, execute)
    link.close()
    return 0


def die_with(parent: int) -> None:
    """Let the kernel end this process when `parent` ends; end it now where that has happened."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(PARENT_DIED)


def leave(code: int) -> NoReturn:
    """End the process without the parent's exit handlers and whatever threads there are, with what was printed."""
    try:
        for stream in (sys.stdout, sys.stderr):
            with suppress(Exception):
                stream.flush()
    finally:
        os._exit(code)


def settle_signals() -> None:
    """Forget the handlers of the process that this one comes from, and end for no signal that is sent to all."""
    # Once, before the app is imported: gevent, for one, takes SIGCHLD over when a module starts a process.
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGHUP, signal.SIGQUIT, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    if sys.__stderr__ is not None:
        with suppress(OSError, ValueError):  # it was replaced by what has no descriptor
            faulthandler.register(signal.SIGUSR1, file=sys.__stderr__, all_threads=True)  # as in the supervisor
    _pass_signals_over()
    _let_forks_end()


def _pass_signals_over() -> None:
    # Ctrl-C and a service manager's TERM reach the whole process group; when hosts end is the supervisor's to say.
    # A handler that does nothing, and not SIG_IGN: that would be inherited by programs which tasks start.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _pass_over)


def _pass_over(number: int, frame: object) -> None:
    """Do nothing."""


def _let_forks_end() -> None:
    # Who sends TERM to a process that a task has forked (multiprocessing's `Process.terminate` does) means it, and may
    # send it at once. The kernel keeps it until it ends such a process: Python forgets what comes before a new process
    # has put itself in order, and lets what comes just before a call that blocks wait for the end of that call.
    masks = threading.local()

    def block() -> None:
        masks.before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})

    def unblock() -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, masks.before)

    def begin() -> None:
        if signal.getsignal(signal.SIGTERM) is _pass_over:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
        unblock()

    os.register_at_fork(before=block, after_in_parent=unblock, after_in_child=begin)


__all__ = ["ORPHANED", "PARENT_DIED", "die_with", "leave", "live", "main", "serve", "settle_signals"]
