"""The link, over a real socket pair, with the supervisor's end in the test's hand."""

from __future__ import annotations

import select
import socket
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from kernelq.exceptions import SoftTimeLimitExceeded, TimeLimitInterrupt
from kernelq.outcome import Outcome
from kernelq_worker.hosts import wire
from kernelq_worker.hosts.link import BATCH, Link
from kernelq_worker.hosts.marks import Marks
from kernelq_worker.hosts.wire import Order, Report

from .conftest import job

PATIENCE = 60.0


class Peer:
    """The supervisor's end."""

    def __init__(self, slots: int = 8) -> None:
        self.sock, self.theirs = socket.socketpair()
        self.sock.settimeout(PATIENCE)
        self.marks = Marks(slots)
        self.link = Link(self.theirs, self.marks)
        self._splitter = wire.Splitter()
        self._reports: list[Any] = []

    def tell(self, kind: Order, **what: Any) -> None:
        self.sock.sendall(wire.order(kind, **what))

    def report(self) -> Any:
        """Return the next report: kind, started, ended, ids, text."""
        while not self._reports:
            data = self.sock.recv(1 << 18)
            assert data, "the link has ended"
            self._reports += [wire.read_report(body) for body in self._splitter.feed(data)]
        return self._reports.pop(0)

    def close(self) -> None:
        self.link.close()
        self.sock.close()
        self.theirs.close()
        self.marks.close()


@pytest.fixture
def peer() -> Iterator[Peer]:
    """A link that has reported ready."""
    made = Peer()
    made.link.start()
    assert made.report()[0] is Report.READY
    yield made
    made.close()


def readable(fd: int, seconds: float = PATIENCE) -> bool:
    return bool(select.select([fd], [], [], seconds)[0])


def test_a_ping_is_answered_while_every_slot_is_busy(peer: Peer) -> None:
    """Nobody receives here: the link's own thread answers."""
    peer.tell(Order.JOBS, jobs=[job(1)])
    for _ in range(3):
        peer.tell(Order.PING)
        assert Report.PONG is peer.report()[0]


@pytest.mark.parametrize(
    ("order", "error"), [(Order.INTERRUPT, SoftTimeLimitExceeded), (Order.OVERDUE, TimeLimitInterrupt)]
)
def test_a_limit_is_told_to_the_runtime_with_its_exception(
    peer: Peer, order: Order, error: type[BaseException]
) -> None:
    """For each job, in the link's thread; the runtime knows how to raise it there."""
    told: list[tuple[int, type[BaseException]]] = []

    def interrupt(job_id: int, kind: type[BaseException]) -> bool:
        told.append((job_id, kind))
        return job_id == 1

    peer.link.on_interrupt(interrupt)
    peer.tell(order, ids=[1, 2])
    peer.tell(Order.PING)
    assert Report.PONG is peer.report()[0]
    assert [(1, error), (2, error)] == told


def test_a_runtime_that_fails_to_interrupt_hears_the_next_order(peer: Peer, capfd: pytest.CaptureFixture[str]) -> None:
    """And a runtime that sets nothing is not asked."""
    peer.tell(Order.OVERDUE, ids=[1])

    def interrupt(job_id: int, kind: type[BaseException]) -> bool:
        raise LookupError("no such greenlet")

    peer.tell(Order.PING)
    peer.report()
    peer.link.on_interrupt(interrupt)
    peer.tell(Order.OVERDUE, ids=[1])
    peer.tell(Order.PING)
    assert Report.PONG is peer.report()[0]
    assert "no such greenlet" in capfd.readouterr().err


def test_a_job_is_reported_by_the_tick_where_nobody_flushes(peer: Peer) -> None:
    peer.tell(Order.JOBS, jobs=[job(7)])
    (mine,) = peer.link.receive() or ()
    assert peer.marks[0]
    peer.link.started(mine)
    kind, started, ended, _, _ = peer.report()
    assert (Report.WORK, [7], []) == (kind, [job_id for job_id, _ in started], ended)
    peer.link.finished(mine, Outcome("SUCCESS"))
    _, _, ended, _, _ = peer.report()
    assert [7] == [end[0] for end in ended]


def test_the_descriptor_is_readable_while_there_are_jobs(peer: Peer) -> None:
    """Also those that came before it was asked for, and those that a limit left behind; then it is quiet."""
    link = peer.link
    peer.tell(Order.JOBS, jobs=[job(number) for number in range(5)])
    first = link.receive(PATIENCE, 1)
    assert [0] == [one.id for one in first or ()]
    fd = link.fileno()
    assert fd == link.fileno()
    for limit, expected in ((1, [1]), (2, [2, 3]), (1, [4])):
        assert readable(fd)
        assert expected == [one.id for one in link.receive(0, limit) or ()]
    assert not readable(fd, 0)
    assert () == link.receive(0)


def test_a_runtime_without_a_free_slot_takes_nothing(peer: Peer) -> None:
    """A limit of none leaves the jobs, their marks and the bell as they were."""
    fd = peer.link.fileno()
    peer.link.receive(0)
    peer.tell(Order.JOBS, jobs=[job(1)])
    assert readable(fd)
    assert () == peer.link.receive(0, 0)
    assert readable(fd)
    assert not peer.marks[0]


def test_the_descriptor_stays_readable_from_the_end_on(peer: Peer) -> None:
    fd = peer.link.fileno()
    peer.link.receive(0)
    peer.tell(Order.JOBS, jobs=[job(1), job(2)])
    assert readable(fd)
    peer.link.receive(0, 1)
    peer.tell(Order.END)
    assert [2] == peer.report()[3]
    while peer.link.receive(0) is not None:  # the bell may have been rung for the job that went back
        assert readable(fd)
    for _ in range(3):
        assert readable(fd)
        assert peer.link.receive(0) is None


def test_a_recall_gives_back_what_has_not_begun_and_the_end_is_not_forgotten(peer: Peer) -> None:
    """In either order, also for several that wait."""
    peer.tell(Order.JOBS, jobs=[job(1), job(2), job(3)])
    peer.link.receive(PATIENCE, 1)
    peer.tell(Order.RECALL)
    assert [2, 3] == peer.report()[3]
    peer.tell(Order.END)
    assert [] == peer.report()[3]
    peer.tell(Order.RECALL)
    assert [] == peer.report()[3]
    got: list[Any] = []
    threads = [threading.Thread(target=lambda: got.append(peer.link.receive())) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert [None, None, None] == got


def test_the_bell_loses_no_job_whoever_is_quicker(peer: Peer) -> None:
    """Jobs come one by one while they are taken two by two: each is taken, and in order."""
    total = 3000
    fd = peer.link.fileno()

    def feed() -> None:
        for number in range(total):
            peer.tell(Order.JOBS, jobs=[job(number)])

    feeder = threading.Thread(target=feed)
    feeder.start()
    taken: list[int] = []
    while len(taken) < total:
        assert readable(fd), f"the bell was lost after {len(taken)} jobs"
        taken += [one.id for one in peer.link.receive(0, 2) or ()]
    feeder.join()
    assert list(range(total)) == taken


def test_no_method_waits_for_a_supervisor_that_does_not_read(peer: Peer) -> None:
    """An event loop goes on; everything is delivered, whole and in order, when the supervisor reads again."""
    outcome = Outcome("SUCCESS", detail="x" * 20_000)
    jobs = [job(number) for number in range(10 * BATCH)]
    for mine in jobs:
        peer.link.started(mine)
        peer.link.finished(mine, outcome)
    peer.link.flush()
    ended: list[int] = []
    while len(ended) < len(jobs):
        ended += [end[0] for end in peer.report()[2]]
    assert [one.id for one in jobs] == ended


def test_the_end_waits_until_all_is_sent() -> None:
    """A host must not leave before its last outcomes have."""
    peer = Peer()
    peer.link.start()
    jobs = [job(number) for number in range(4 * BATCH)]
    for mine in jobs:
        peer.link.started(mine)
        peer.link.finished(mine, Outcome("SUCCESS", detail="x" * 20_000))
    closer = threading.Thread(target=peer.link.close)
    closer.start()
    ended: list[int] = []
    while len(ended) < len(jobs):
        ended += [end[0] for end in peer.report()[2]]
    closer.join(PATIENCE)
    assert not closer.is_alive()
    assert [one.id for one in jobs] == ended
    peer.close()


def test_an_outcome_that_cannot_cross_is_a_failure_and_its_neighbours_are_not(peer: Peer) -> None:
    bad = Outcome("SUCCESS", detail="\ud800")
    for number, outcome in enumerate([Outcome("SUCCESS"), bad, Outcome("SUCCESS")]):
        peer.link.started(job(number))
        peer.link.finished(job(number), outcome)
    peer.link.flush()
    states: dict[int, str] = {}
    while len(states) < 3:
        states |= {end[0]: end[2].state for end in peer.report()[2]}
    assert {0: "SUCCESS", 1: "FAILURE", 2: "SUCCESS"} == states


PATCHED = """
import os, select, socket, sys, threading
theirs = socket.socket(fileno=int(sys.argv[1]))
from kernelq_worker.hosts.link import Link
from kernelq_worker.hosts.marks import Marks
from gevent import monkey
monkey.patch_all()
import gevent, gevent.event
from kernelq.outcome import Outcome

link = Link(theirs, Marks(8))
link.start()
hub = gevent.get_hub()
assert not isinstance(link._sending, type(threading.Lock())), "nothing is patched here"

def spin():
    while True:
        pass

if sys.argv[2] == "spin":
    gevent.spawn(spin).join()

came = gevent.event.Event()
watcher = hub.loop.io(link.fileno(), 1)

def on_jobs():  # in the hub itself, where nothing may switch or wait
    jobs = link.receive(0)
    if jobs is None:
        watcher.stop()
        came.set()
        return
    for job in jobs:
        link.started(job)
        link.finished(job, Outcome("SUCCESS", detail="x" * 1000))
    link.flush()

watcher.start(on_jobs)
came.wait()
link.close()
"""


@pytest.fixture
def patched() -> Iterator[Callable[[str], Peer]]:
    """Start a process that has a link and is patched by gevent afterwards."""
    pytest.importorskip("gevent")
    made: list[tuple[Peer, subprocess.Popen[bytes]]] = []

    def start(what: str) -> Peer:
        peer = Peer()
        fd = peer.theirs.fileno()
        process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(PATCHED), str(fd), what], pass_fds=[fd])
        made.append((peer, process))
        assert Report.READY is peer.report()[0]
        return peer

    yield start
    for peer, process in made:
        process.kill()
        process.wait()
        peer.close()


def test_the_link_answers_while_a_greenlet_spins(patched: Callable[[str], Peer]) -> None:
    """Its thread, its locks and its socket are the interpreter's own, whatever gevent has replaced."""
    peer = patched("spin")
    for _ in range(5):
        peer.tell(Order.PING)
        assert Report.PONG is peer.report()[0]
    peer.tell(Order.JOBS, jobs=[job(1), job(2)])
    peer.tell(Order.RECALL)
    assert [1, 2] == peer.report()[3]


def test_the_link_serves_gevents_hub(patched: Callable[[str], Peer]) -> None:
    """Thousands of jobs through `fileno` and `receive(0)`, from where nothing may wait; then the end."""
    peer = patched("serve")
    total = 5000
    feeder = threading.Thread(
        target=lambda: [peer.tell(Order.JOBS, jobs=[job(n) for n in range(at, at + 50)]) for at in range(0, total, 50)]
    )
    feeder.start()
    ended: list[int] = []
    while len(ended) < total:
        ended += [end[0] for end in peer.report()[2]]
    feeder.join()
    assert list(range(total)) == ended
    peer.tell(Order.END)
    assert Report.RETURNED is peer.report()[0]
    assert b"" == peer.sock.recv(1)
