"""The host's end of its connection: what a host runtime sees of the supervisor.

Everything that the link's thread uses is bound here, at import, and comes from the interpreter itself: a pool may
replace sockets, locks and threads by its own afterwards (gevent does), and the link must go on whatever its jobs do.
No method waits for the supervisor to read, so they may be called on an event loop.
"""

from __future__ import annotations

import os
import traceback
from _thread import allocate_lock, start_new_thread
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from queue import Empty, SimpleQueue
from select import POLLIN, POLLOUT, poll
from socket import MSG_DONTWAIT, SHUT_RDWR, socket
from time import perf_counter, time
from typing import Any, NoReturn
from weakref import ref

from kernelq.exceptions import SoftTimeLimitExceeded, TimeLimitInterrupt
from kernelq.job import Job
from kernelq.outcome import Outcome
from kernelq_worker.hosts import wire
from kernelq_worker.hosts.bell import Bell
from kernelq_worker.hosts.marks import Marks
from kernelq_worker.hosts.wire import Order, Report

TICK = 0.01
"""Seconds after which collected reports are sent, whatever the runtime does."""
SLOW_TICK = 0.1
"""Seconds between looks while jobs run and nothing was collected: a runtime that forgets to flush is late by this."""
BATCH = 64
"""Reports that are sent without waiting for the tick, so that the supervisor has work while the host has."""
ORPHANED = 70
"""Exit code of a host whose supervisor is gone."""

Interrupt = Callable[[int, type[BaseException]], bool]


class Link:
    """Implements `HostLink`. A thread of its own reads the socket, so orders are heard while every slot is busy."""

    def __init__(self, sock: socket, marks: Marks) -> None:
        self._sock = sock
        self._mark = marks.set
        self._jobs: SimpleQueue[tuple[int, Job] | None] = SimpleQueue()
        self._number = 0  # of jobs that have come in this host's life: the supervisor counts alike
        self._began: dict[int, float] = {}
        self._started: list[tuple[int, float]] = []
        self._ended: list[wire.Ended] = []
        self._came = 0  # written by the listening thread only
        self._gone = 0  # written while `_sending` is held only
        self._sending = allocate_lock()
        self._unsent = bytearray()  # what the supervisor had no room for; the listening thread sends it
        self._interrupt: Interrupt | None = None
        self._bell: Bell | None = None
        self._waker = Bell()
        self._ending = False
        self._closed = False
        self._strayed = False

    # -- the contract HostLink

    def fileno(self) -> int:
        """Return the descriptor that is readable when jobs, or the end, have come."""
        if self._bell is None:
            self._bell = Bell()
            self._bell.ring()  # for what came before
        return self._bell.fd

    def receive(self, timeout: float | None = None, limit: int | None = None) -> Sequence[Job] | None:
        """Return the jobs that have come, at most `limit`; None when the host is to end."""
        if self._strayed:
            _end_stray()
        if limit is not None and limit <= 0:
            return ()
        if self._bell is not None:
            self._bell.hush()  # before the look: what comes after it rings anew
        item = self._next(timeout)
        if item is _NOTHING:
            return ()
        if item is None:
            self._end_seen()
            return None
        number, job = item
        self._mark(number)
        taken = [job] if limit == 1 else self._more(job, limit)
        if self._bell is not None and not self._jobs.empty():
            self._bell.ring()
        return taken

    def on_interrupt(self, function: Interrupt) -> None:
        """Set what raises an exception in the running job with this id."""
        self._interrupt = function

    def started(self, job: Job) -> None:
        """Report that `job` runs now."""
        self._began[job.id] = perf_counter()
        self._started.append((job.id, time()))

    def finished(self, job: Job, outcome: Outcome) -> None:
        """Report how `job` ended."""
        began = self._began.pop(job.id, None)
        seconds = 0.0 if began is None else perf_counter() - began
        self._ended.append((job.id, seconds, outcome))
        if len(self._ended) >= BATCH:
            self.flush()

    def flush(self) -> None:
        """Send what was collected. What the supervisor has no room for now follows by itself."""
        if self._ended or self._started:
            with self._sending:
                self._send_collected()

    # -- for the host's main

    def start(self) -> None:
        """Report ready, and begin to listen."""
        self._send(wire.report(Report.READY))
        start_new_thread(self._listen_or_die, (self._sock.fileno(),))
        os.register_at_fork(after_in_child=partial(_strayed, ref(self)))

    def close(self) -> None:
        """Send what is left, wait until it is sent, and break the connection; the supervisor sees the end."""
        self.flush()
        self._closed = True
        with suppress(OSError), self._sending:
            self._sock.sendall(self._unsent)
            self._sock.shutdown(SHUT_RDWR)

    def stray(self) -> None:
        """Let go, in a process that a task has forked: it must neither report nor take jobs if it leaves the task."""
        self._strayed = True
        self._sending = allocate_lock()
        self._sock.close()

    # -- taking jobs

    def _next(self, timeout: float | None) -> Any:
        try:
            return self._jobs.get_nowait()
        except Empty:
            self.flush()
        if timeout is not None and timeout <= 0:
            return _NOTHING
        try:
            return self._jobs.get(timeout=timeout)
        except Empty:
            return _NOTHING

    def _more(self, first: Job, limit: int | None) -> list[Job]:
        taken = [first]
        with suppress(Empty):
            while limit is None or len(taken) < limit:
                item = self._jobs.get_nowait()
                if item is None:
                    self._jobs.put(None)
                    break
                self._mark(item[0])
                taken.append(item[1])
        return taken

    def _end_seen(self) -> None:
        self._jobs.put(None)  # for the other threads that wait, or ask again
        if self._bell is not None:
            self._bell.ring()
        self.flush()

    # -- listening

    def _listen_or_die(self, sock: int) -> None:
        try:
            self._listen(sock)
        except BaseException:  # noqa: BLE001  # a host that hears nothing would never end
            traceback.print_exc()
            os._exit(1)

    def _listen(self, sock: int) -> None:
        splitter, poller, buffer = wire.Splitter(), poll(), memoryview(bytearray(wire.READ_SIZE))
        poller.register(self._waker.fd, POLLIN)
        while True:
            poller.register(sock, POLLIN | POLLOUT if self._unsent else POLLIN)
            events = dict(poller.poll(self._patience()))
            if not events:
                self._tick()
                continue
            if self._waker.fd in events:
                self._waker.hush()
            heard = events.get(sock, 0)
            if heard & POLLOUT:
                self._send(b"")
            if heard & ~POLLOUT and not self._hear(splitter, buffer):
                return

    def _hear(self, splitter: wire.Splitter, buffer: memoryview) -> bool:
        """Do what the supervisor says; return whether it may say more."""
        try:
            got = self._sock.recv_into(buffer)
        except OSError:
            got = 0
        if not got:
            if self._closed:
                return False
            os._exit(ORPHANED)
        for body in splitter.feed(buffer[:got]):
            self._obey(*wire.read_order(body))
        return True

    def _patience(self) -> float | None:
        # A started job is reported within a tick; an idle host sleeps for ever.
        if self._started or self._ended or not self._jobs.empty():
            return TICK * 1000
        return SLOW_TICK * 1000 if self._came > self._gone else None

    def _tick(self) -> None:
        if (self._started or self._ended) and self._sending.acquire(False):
            try:
                self._send_collected()
            finally:
                self._sending.release()

    def _obey(self, kind: Order, jobs: list[Job], ids: list[int]) -> None:
        if kind is Order.JOBS:
            self._came += len(jobs)
            for number, job in enumerate(jobs, self._number):
                self._jobs.put((number, job))
            self._number += len(jobs)
        elif kind is Order.INTERRUPT:
            self._interrupt_all(ids, SoftTimeLimitExceeded)
        elif kind is Order.OVERDUE:
            self._interrupt_all(ids, TimeLimitInterrupt)
        elif kind is Order.PING:
            self._send(wire.report(Report.PONG))
        elif kind is Order.RECALL:
            self._give_back()
        elif kind is Order.END:
            self._ending = True
            self._give_back()
        if self._bell is not None and (jobs or self._ending):
            self._bell.ring()

    def _interrupt_all(self, ids: Sequence[int], error: type[BaseException]) -> None:
        for job_id in ids:
            if self._interrupt is not None:
                try:
                    self._interrupt(job_id, error)
                except Exception:  # noqa: BLE001  # the supervisor has a harder way; the orders to come must be heard
                    traceback.print_exc()

    def _give_back(self) -> None:
        ids: list[int] = []
        with suppress(Empty):
            while True:
                item = self._jobs.get_nowait()
                if item is not None:
                    ids.append(item[1].id)
        self._came -= len(ids)
        self._send(wire.report(Report.RETURNED, ids=ids))
        if self._ending:
            self._jobs.put(None)

    # -- sending, while `_sending` is held

    def _send_collected(self) -> None:
        # A start is collected before its end, so an end's start is in this batch or went before: read ends first.
        ended = self._ended[:]
        started = self._started[:]
        if not (started or ended):
            return
        try:
            frame = wire.report(Report.WORK, started, ended)
        except wire.Unsendable:
            frame = wire.report(Report.WORK, started) + b"".join(_alone(end) for end in ended)
        self._gone += len(ended)
        self._write(frame)
        # Forgotten when they are on their way: an exception that a signal's handler raised would lose them otherwise.
        del self._ended[: len(ended)]
        del self._started[: len(started)]

    def _send(self, frame: bytes) -> None:
        with self._sending:
            self._write(frame)

    def _write(self, frame: bytes) -> None:
        if self._unsent:
            self._unsent += frame
            frame = bytes(self._unsent[:_PIECE])
        try:
            sent = self._sock.send(frame, MSG_DONTWAIT)
        except BlockingIOError:
            sent = 0
        except OSError:
            if self._closed:
                return
            if self._strayed:
                _end_stray()
            os._exit(ORPHANED)
        if self._unsent:
            del self._unsent[:sent]
        elif sent < len(frame):
            self._unsent += memoryview(frame)[sent:]
            self._waker.ring()


_NOTHING: Any = object()
_PIECE = 1 << 20


def _strayed(reference: ref[Link]) -> None:
    link = reference()
    if link is not None:
        link.stray()


def _end_stray() -> NoReturn:
    os.write(2, b"kernelq: a process that a task forked came out of the task; it is ended (let it call os._exit)\n")
    os._exit(1)


def _alone(end: wire.Ended) -> bytes:
    try:
        return wire.report(Report.WORK, ended=[end])
    except wire.Unsendable as error:
        job_id, seconds, outcome = end
        # The values cannot cross, so neither can what was to be stored or sent: the task counts as failed.
        failure: Any = Outcome("FAILURE", runtime=outcome.runtime, detail=f"its outcome cannot be sent: {error}"[:1024])
        return wire.report(Report.WORK, ended=[(job_id, seconds, failure)])
