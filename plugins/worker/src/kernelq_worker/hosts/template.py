"""The template: a new interpreter, prepared once, from which hosts are forked in milliseconds.

Hosts of some pools cannot be forked from the supervisor, as Python has to be changed before anything is imported. A new
interpreter for each costs half a second of a processor, so when hosts die one after another there is no end of it.
"""

from __future__ import annotations

import ctypes
import logging
import math
import os
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

import attrs

from kernelq_worker.hosts import vitals
from kernelq_worker.hosts.marks import Marks
from kernelq_worker.hosts.prepared import UNFIT
from kernelq_worker.hosts.spawn import Fresh, NotReady

if TYPE_CHECKING:
    from kernelq.handles import Loop, Timer

logger = logging.getLogger(__name__)

ANSWER = 0.5
"""Seconds in which a template answers, or is replaced. The supervisor waits so long, at most."""
LOOK = 2.5
"""Seconds between looks at whether it was stopped; it is replaced when two in a row have seen that."""
DEATHS = 3
"""Templates that may be killed before they were ready, in a row, until hosts do without."""
AGAIN = 60.0
"""Seconds after which another template is tried where the last ones could not be prepared."""
PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h


class Template:
    """A spawner that forks hosts from a process which `fresh` starts; where there can be none, `fresh` starts hosts.

    There can be none where the app cannot be imported, which hosts that are started one by one tell in the usual way,
    and where its modules start threads: a fork would copy the locks that these hold.

    The template never runs a task. Its hosts are the supervisor's own children (see `ask`), so they outlive it, and end
    and are reaped as all others.
    """

    def __init__(self, fresh: Fresh) -> None:
        self.patience = fresh.patience
        self._fresh = fresh
        self._process: _Process | None = None
        self._ready = False
        self._without = False
        self._again_at = 0.0
        self._deaths = 0
        self._loop: Loop | None = None
        self._timer: Timer | None = None
        self._on_ready: Callable[[], None] = _nothing

    @property
    def ready(self) -> bool:
        """Whether the template is, or there will be none."""
        return self._ready or self._without

    @property
    def pid(self) -> int | None:
        """The template's process id; None where there is none."""
        return self._process.pid if self._process is not None else None

    def open(self, loop: Loop, on_ready: Callable[[], None]) -> None:
        """Start the template, and keep one until `close`."""
        self._loop, self._on_ready = loop, on_ready
        self._timer = loop.call_repeatedly(LOOK, self._look)
        self._start()

    def renew(self) -> None:
        """Replace the template: a new one imports the app's present code. Hosts wait for it."""
        if self._loop is not None:
            self._end()
            self._without, self._deaths = False, 0
            self._start()

    def close(self) -> None:
        """End the template."""
        if self._timer is not None:
            self._timer.cancel()
        self._end()
        self._loop = None

    def __call__(self, sock: socket.socket, marks: Marks, slots: int, close: Callable[[], None]) -> int:
        """Have a host forked."""
        if self._without:
            return self._fresh(sock, marks, slots, close)
        if self._process is None:
            raise NotReady
        try:
            return self._process.ask(sock, marks, slots, self._fresh.name_one())
        except (TimeoutError, ConnectionError) as error:
            # A host may have come of it all the same. It finds its socket closed: the next try has another.
            self._replace(f"did not answer ({type(error).__name__})")
            raise NotReady from error

    def _start(self) -> None:
        loop = self._loop
        assert loop is not None
        try:
            self._process = _Process.start(self._fresh)
        except OSError as error:
            logger.error("the template of hosts cannot be started: %s", error)  # the next look tries again
            return
        loop.add_reader(self._process.control.fileno(), self._heard)

    def _heard(self) -> None:
        assert self._process is not None
        try:
            word = self._process.control.recv(16)
        except BlockingIOError:
            return
        except OSError:
            word = b""
        if word:
            logger.debug("template %d is ready after %.2f s", self._process.pid, self._process.age)
            self._ready, self._without, self._deaths = True, False, 0
            self._on_ready()
        else:
            self._process.await_exit()
            self._replace("ended")

    def _look(self) -> None:
        process = self._process
        if process is None:
            if not self._without or time.monotonic() >= self._again_at:
                self._start()
        elif process.stopped():
            self._replace("is stopped")
        elif not self._ready and process.age > self.patience:
            self._do_without(f"the template is not ready after {self.patience:g} s")

    def _replace(self, why: str) -> None:
        pid, code = self.pid, self._end()
        if code > 0:
            self._do_without(f"the template ended with exit code {code}", math.inf if code == UNFIT else AGAIN)
            return
        logger.warning("template %s %s; it is replaced", pid, why)
        self._deaths += 1
        if self._deaths > DEATHS:
            self._do_without(f"the last {self._deaths} templates ended at their start")
        else:
            self._start()

    def _do_without(self, why: str, seconds: float = AGAIN) -> None:
        assert self._loop is not None
        logger.info("%s: each host is started as a new interpreter for now", why)
        self._end()
        self._again_at = time.monotonic() + seconds
        self._without = True
        self._loop.call_soon(self._on_ready)

    def _end(self) -> int:
        """End the process; return its exit status, 0 where there is none."""
        process, self._process, self._ready = self._process, None, False
        if process is None or self._loop is None:
            return 0
        self._loop.remove_reader(process.control.fileno())
        return process.end()


@attrs.define(eq=False)
class _Process:
    """One template."""

    pid: int
    control: socket.socket
    """Carries its word that it is ready, and what `ask` says."""
    born: float = attrs.field(factory=time.monotonic)
    _stopped: bool = False

    @classmethod
    def start(cls, fresh: Fresh) -> _Process:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            try:
                name = f"{fresh.name}-template"
                pid = fresh.start("kernelq_worker.hosts.prepared", (theirs.fileno(),), 1, name)
            except BaseException:
                ours.close()
                raise
        ours.setblocking(False)
        return cls(pid, ours)

    @property
    def age(self) -> float:
        """Seconds since it was started."""
        return time.monotonic() - self.born

    def stopped(self) -> bool:
        """Whether it is stopped, and was at the last look."""
        before, self._stopped = self._stopped, vitals.cpu_seconds(self.pid) is None
        return before and self._stopped

    def ask(self, sock: socket.socket, marks: Marks, slots: int, name: str) -> int:
        """Have a host forked that gets these two; return its process id.

        It answers with the process id of the host, a child's child that the supervisor adopts, then with 0, or an error
        number below that, when the child between them is gone. Raises `TimeoutError` or `ConnectionError` where it
        gives no answer, and another `OSError` where the system has no process left.
        """
        host = 0
        self.control.settimeout(ANSWER)
        _adopt(True)
        try:
            socket.send_fds(self.control, [f"{slots} {name}".encode()], [sock.fileno(), marks.fd])
            while (said := self._answer()) > 0:
                host = said
            if said:
                raise OSError(-said, os.strerror(-said))
        except OSError:
            if host:
                _kill(host)
            raise
        finally:
            _adopt(False)
            self.control.setblocking(False)
        return host

    def _answer(self) -> int:
        word = self.control.recv(16)
        if not word:
            raise ConnectionError("it has ended")
        return int(word)

    def await_exit(self) -> None:
        """Let one that has hung up exit by itself, `ANSWER` seconds at most: its status tells why."""
        end, options = time.monotonic() + ANSWER, os.WEXITED | os.WNOHANG | os.WNOWAIT
        with suppress(ChildProcessError):
            while os.waitid(os.P_PID, self.pid, options) is None and time.monotonic() < end:
                time.sleep(0.002)

    def end(self) -> int:
        """Kill it, unless it has ended, and return its exit status."""
        self.control.close()
        return _kill(self.pid)


def _kill(pid: int) -> int:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    try:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    except ChildProcessError:  # nobody adopted it, or something else has reaped it
        return 0


def _adopt(adopt: bool) -> None:
    # Only for the moment: whatever else tasks leave behind is for init to reap.
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, int(adopt), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def _nothing() -> None:
    """What is called back before anything has asked for it."""
