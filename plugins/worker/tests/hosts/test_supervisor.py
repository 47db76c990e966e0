"""The supervisor gives every job to one host, once, and tells of every end."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from kernelq.outcome import Outcome
from kernelq_worker.hosts.loss import LossKind
from kernelq_worker.hosts.supervisor import HostStartError

from .conftest import PATIENCE, Rig, ThreadPool, job


def test_every_job_ends_once(rig):
    """20,000 jobs through two hosts: each id is finished exactly once."""
    r = rig(2, 2)
    jobs = [job(number) for number in range(20_000)]
    r.pool.submit(jobs)
    r.until(lambda: r.book.seen >= 20_000)
    assert dict.fromkeys(range(20_000), 1) == dict(r.book.finished_ids)
    assert {} == r.book.losses
    assert set(r.book.pids.values()) == set(r.pids())


def test_killed_host_loses_its_own_jobs_only(rig):
    """Given three busy hosts, when one is killed, its job alone is lost, and a new host takes its place."""
    r = rig(3, 1)
    gate = r.gate()
    r.pool.submit([job(number, str(gate)) for number in range(3)])
    r.until(lambda: len(r.book.pids) == 3)
    victim, before = r.book.pids[1], set(r.pids())
    os.kill(victim, signal.SIGKILL)
    r.until(lambda: r.book.losses)
    gate.open()
    r.until(lambda: r.book.seen == 3)
    assert {1} == set(r.book.losses)
    assert (LossKind.CRASH, True, signal.SIGKILL) == (
        r.book.losses[1].kind, r.book.losses[1].started, r.book.losses[1].signum,
    )  # fmt: skip
    assert "SIGKILL" in r.book.losses[1].cause
    r.until(lambda: r.pool.free == 3)
    assert 1 == len(set(r.pids()) - before)


def test_kill_under_load_loses_nothing_unseen(rig):
    """Hosts are killed while short jobs stream: every id is finished or lost, never both, never twice."""
    r = rig(2, 2)
    r.pool.submit([job(number) for number in range(30_000)])
    kills = 0
    while r.book.seen < 30_000:
        target = r.book.seen + 2_000
        r.until(lambda at=target: r.book.seen >= min(at, 30_000))
        if kills < 10 and r.pids():
            os.kill(r.pids()[0], signal.SIGKILL)
            kills += 1
    assert kills >= 5
    assert 1 == max(r.book.finished_ids.values())
    assert not set(r.book.losses) & set(r.book.outcomes)
    assert set(range(30_000)) == set(r.book.losses) | set(r.book.outcomes)
    # Those that ran, and those that had ended and were not reported yet; what was sent ahead goes to another host.
    assert len(r.book.losses) <= kills * (2 + 64)


def test_poison_among_short_jobs_is_found_out(rig):
    """A job that kills its host, among 63 that were sent ahead with it: it alone is lost, at its first delivery."""
    r = rig(1, 1)
    first = r.stream()
    poison = first + 20
    r.pool.submit([job(number, "die" if number == poison else "") for number in range(first, first + 60)])
    r.until(lambda: r.book.seen == first + 60)
    assert poison in r.book.losses
    assert not {number for number in r.book.losses if number > poison}


def test_exit_code_is_told(rig):
    r = rig(1, 1)
    r.pool.submit([job(1, "exit 3")])
    r.until(lambda: r.book.seen == 1)
    assert "exit code 3" in r.book.losses[1].cause


def test_idle_supervisor_uses_no_time(rig):
    """With nothing to do neither the supervisor nor a host uses the processor.

    A second is long enough for whatever goes round and round; another one is looked at if something else came between,
    such as a collection of garbage.
    """
    r = rig(2, 4)
    r.pool.submit([job(number) for number in range(100)])
    r.until(lambda: r.book.seen == 100)

    def ticks(pid: int) -> int:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        return int(fields[11]) + int(fields[12])

    def second() -> tuple[int, float, int]:
        before, mine, turns = sum(map(ticks, r.pids())), time.process_time(), 0
        end = time.monotonic() + 1.0
        while (left := end - time.monotonic()) > 0:
            r.loop.turn(longest=left)
            turns += 1
        return turns, time.process_time() - mine, sum(map(ticks, r.pids())) - before

    seconds: list[tuple[int, float, int]] = []
    quiet = False
    while not quiet and len(seconds) < 5:
        seconds.append(second())
        turns, mine, theirs = seconds[-1]
        quiet = turns <= 10 and mine < 0.01 and theirs <= 1
    assert quiet, seconds


@pytest.mark.parametrize(
    "frame",
    ["0000000c" + "41" * 12, "ffffffff" + "41" * 64, "00000006" + "95" + "0390909000", "00000001c1"],
    ids=["no-msgpack", "endless", "not-a-report", "reserved-byte"],
)
def test_garbage_from_a_host_replaces_it(rig, frame):
    """A malformed frame costs the host that sent it, and only its jobs."""
    r = rig(2, 1)
    r.pool.submit([job(1, f"garbage {frame}")])
    r.until(lambda: 1 in r.book.losses)
    assert "malformed" in r.book.losses[1].cause
    r.until(lambda: r.pool.free == 2)
    r.pool.submit([job(number) for number in range(2, 40)])
    r.until(lambda: len(r.book.outcomes) == 38)


def test_a_large_outcome_crosses_in_pieces(rig):
    """Ten megabytes in an outcome, from a host that ends right behind it, arrive whole."""
    r = rig(1, 1, execute=lambda one: Outcome("SUCCESS", traceback="x" * 10_000_000), max_tasks=1)
    r.pool.submit([job(number) for number in range(3)])
    r.until(lambda: r.book.seen == 3)
    assert [10_000_000] * 3 == [len(r.book.outcomes[number].traceback) for number in range(3)]


def test_large_jobs_cross_in_pieces(rig):
    """Jobs of several megabytes do not block the supervisor: what the socket cannot take waits."""
    r = rig(1, 1, execute=lambda one: Outcome("SUCCESS", detail=str(len(one.body))))
    r.pool.submit([job(number, "x" * 5_000_000) for number in range(4)])
    r.until(lambda: r.book.seen == 4)
    sizes = {number: int(outcome.detail) for number, outcome in r.book.outcomes.items()}
    assert dict.fromkeys(range(4), 5_000_000) == sizes


def test_an_outcome_that_cannot_cross_is_a_failure(rig):
    r = rig(1, 1, execute=lambda one: Outcome("SUCCESS", eta=1 << 80))
    r.pool.submit([job(1)])
    r.until(lambda: r.book.seen == 1)
    assert "FAILURE" == r.book.outcomes[1].state
    assert "cannot be sent" in r.book.outcomes[1].detail


def test_unsendable_job_is_lost_and_its_neighbours_are_not(rig):
    """A job that no frame can hold is reported; the rest of its batch runs."""
    r = rig(1, 3)
    r.pool.submit([job(1), job(2), job(3)])
    bad = job(4)
    bad.headers = {"big": 1 << 80}
    r.pool.submit([job(5), bad, job(6)])
    r.until(lambda: r.book.seen == 5 + 1)
    assert LossKind.UNSENDABLE is r.book.losses[4].kind
    assert {1, 2, 3, 5, 6} == set(r.book.outcomes)


def test_slots_are_used_and_not_exceeded(rig):
    """Long jobs are given out one per slot; the rest waits in the supervisor."""
    r = rig(2, 2)
    gate = r.gate()
    r.pool.submit([job(number, str(gate)) for number in range(6)])
    r.until(lambda: len(r.book.pids) == 4)
    assert 2 == r.pool.info()["waiting"]
    assert 0 == r.pool.free
    gate.open()
    r.until(lambda: r.book.seen == 6)


def test_short_jobs_do_not_wait_behind_a_long_one(rig):
    """Given a stream of short jobs, when one turns out long, those sent ahead come back and run in the other host."""
    r = rig(2, 1)
    first, long, gate = r.stream(), 1_000_000, r.gate()
    assert r.pool.free > 2
    r.pool.submit([job(long, str(gate)), *(job(number) for number in range(first, first + 100))])
    r.until(lambda: r.book.seen == first + 100)
    assert long not in r.book.outcomes
    gate.open()
    r.until(lambda: long in r.book.outcomes)


def test_alone_job_shares_its_host_with_none(rig):
    """A redelivered job waits for an empty host; when it kills that, it takes no other job with it."""
    r = rig(2, 2)
    r.pool.submit([job(number, "sleep 0.3") for number in range(4)])
    r.pool.submit([job(100, "die", alone=True), *(job(number, "sleep 0.1") for number in range(4, 12))])
    r.until(lambda: r.book.seen == 13)
    assert {100} == set(r.book.losses)


def test_alone_jobs_and_others_take_turns_in_one_host(rig):
    """One host: redelivered jobs and others all run; nothing waits for ever, and the lonely ones run alone."""
    r = rig(1, 3)
    jobs = []
    for number in range(0, 40, 2):
        jobs += [job(number, "sleep 0.01", alone=True), job(number + 1, "sleep 0.01")]
    r.pool.submit(jobs)
    r.until(lambda: r.book.seen == 40)
    assert 40 == len(r.book.outcomes)


def test_restart_replaces_hosts_and_lets_jobs_end(rig):
    r = rig(2, 1)
    before = set(r.pids())
    gate = r.gate()
    r.pool.submit([job(1, str(gate)), job(2, str(gate))])
    r.until(lambda: len(r.book.pids) == 2)
    r.pool.restart()
    r.until(lambda: not before & set(r.pids()))
    gate.open()
    r.until(lambda: r.book.seen == 2)
    assert {1, 2} == set(r.book.outcomes)


@pytest.mark.parametrize(("hosts", "slots"), [(2, 1), (1, 2)])
def test_grow_and_shrink(rig, hosts, slots):
    """The concurrency follows, in hosts or in slots, and running jobs end."""
    r = rig(hosts, slots)
    assert 4 == r.pool.grow(2)
    r.until(lambda: r.pool.free == 4)
    four, two = r.gate(), r.gate()
    r.pool.submit([job(number, str(four)) for number in range(4)])
    r.until(lambda: len(r.book.pids) == 4)
    assert 1 == r.pool.shrink(9)
    four.open()
    r.until(lambda: r.book.seen == 4)
    r.until(lambda: r.pool.free == 1)
    r.pool.submit([job(10, str(two)), job(11, str(two))])
    r.until(lambda: 10 in r.book.pids)
    r.settle()
    assert 11 not in r.book.pids
    two.open()
    r.until(lambda: 11 in r.book.outcomes)
    assert {} == r.book.losses


def test_max_tasks_replaces_a_host(rig):
    r = rig(1, 1, max_tasks=5)
    r.pool.submit([job(number) for number in range(20)])
    r.until(lambda: r.book.seen == 20)
    assert 20 == len(r.book.outcomes)
    assert 4 == len(set(r.book.pids.values()))


def test_a_host_that_cannot_start_says_why():
    """The error of a host's start comes out of the supervisor's start, and no process is left."""

    class Broken(ThreadPool):
        def runtime(self, slots):
            raise ImportError("no module named nonesuch")

    r = Rig(2, 1, pool=Broken())
    with pytest.raises(HostStartError, match="nonesuch"):
        r.start()
    assert [] == r.pids()
    r.close()


def test_stop_returns_what_has_not_begun(rig):
    """Warm: the running jobs end, the others come back at once."""
    r = rig(1, 2)
    gate = r.gate()
    r.pool.submit([job(number, str(gate)) for number in range(10)])
    r.until(lambda: len(r.book.pids) == 2)
    began = time.monotonic()
    threading.Timer(0.3, gate.open).start()
    r.pool.stop(began + PATIENCE)
    assert time.monotonic() - began < PATIENCE / 2, "it waits for the jobs, not for the deadline"
    assert {0, 1} == set(r.book.outcomes)
    assert list(range(2, 10)) == [one.id for one in r.book.given_back]
    r.pool.stop(0)


def test_stop_returns_what_was_sent_ahead(rig):
    """Jobs that wait in a host behind a long one come back at a stop."""
    r = rig(1, 1)
    long, gate = r.stream(), r.gate()
    r.pool.submit([job(long, str(gate)), *(job(number) for number in range(long + 1, long + 50))])
    r.until(lambda: long in r.book.pids)
    threading.Timer(0.3, gate.open).start()
    r.pool.stop(time.monotonic() + PATIENCE)
    assert long in r.book.outcomes
    assert {} == r.book.losses
    assert set(range(long, long + 50)) == (
        {one.id for one in r.book.given_back} | {number for number in r.book.outcomes if number >= long}
    )


def test_stop_kills_what_outlives_the_deadline(rig):
    r = rig(1, 1)
    r.pool.submit([job(1, str(r.gate()))])
    r.until(lambda: 1 in r.book.pids)
    pid = r.pids()[0]
    r.pool.stop(time.monotonic() + 0.2)
    assert LossKind.STOPPED is r.book.losses[1].kind
    assert not r.book.losses[1].counted
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_recall_gives_back_and_goes_on_running(rig):
    r = rig(1, 1)
    gate = r.gate()
    r.pool.submit([job(1, str(gate)), job(2), job(3)])
    r.until(lambda: 1 in r.book.pids)
    assert [2, 3] == [one.id for one in r.pool.recall()]
    assert 0 == r.pool.free
    gate.open()
    r.until(lambda: 1 in r.book.outcomes)


@pytest.mark.slow
def test_two_hundred_replaced_hosts_leave_nothing(rig):
    """No descriptor, no zombie and no timer grows with the number of hosts that were replaced."""
    r = rig(2, 1)

    def count() -> int:
        return len(os.listdir("/proc/self/fd"))

    before = count()
    for number in range(200):
        r.pool.submit([job(number, "die")])
        r.until(lambda at=number: at in r.book.losses and r.pool.free == 2)
    assert before == count()
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    assert set(map(str, r.pids())) <= set(children)
    states = {Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] for pid in children}
    assert "Z" not in states


def test_withdrawn_jobs_are_given_back_wherever_they_wait(rig):
    """Those that the host was sent ahead and those that wait here; the one that runs and the others go on."""
    r = rig(1, 1, depth=3)
    gate = r.gate()
    r.pool.submit([job(1, str(gate)), *[job(n) for n in range(2, 7)]])
    r.until(lambda: 1 in r.book.pids)
    r.pool.withdraw([1, 2, 5, 6, 99])
    r.until(lambda: len(r.book.given_back) == 3)
    gate.open()
    r.until(lambda: r.book.seen == 6)
    assert [2, 5, 6] == sorted(one.id for one in r.book.given_back)
    assert {1, 3, 4} == set(r.book.outcomes)


def test_what_a_dead_host_had_of_withdrawn_jobs_is_given_back(rig):
    """It was told to give them back, and could not answer any more."""
    r = rig(1, 1, depth=3)
    r.pool.submit([job(1, str(r.gate())), job(2), job(3)])
    r.until(lambda: 1 in r.book.pids)
    host = r.pids()[0]
    os.kill(host, signal.SIGSTOP)
    r.pool.withdraw([1, 2])
    os.kill(host, signal.SIGKILL)
    r.until(lambda: r.book.seen == 3)
    assert ([2], [1], [3]) == ([one.id for one in r.book.given_back], list(r.book.losses), list(r.book.outcomes))
