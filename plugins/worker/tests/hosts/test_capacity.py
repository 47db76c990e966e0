"""How many jobs hosts are given: fairly, or ahead."""

from __future__ import annotations

from .conftest import job


def jobs_of(r) -> list[int]:
    return [host["jobs"] for host in r.pool.info()["hosts"]]


def test_filling_ahead_gives_each_slot_so_many_jobs_whatever_they_take(rig):
    """And no more; what is sent ahead stays there, also behind a long one."""
    r = rig(2, 1, depth=3)
    assert 6 == r.pool.free
    gates = [r.gate() for _ in range(8)]
    r.pool.submit([job(number, str(gate)) for number, gate in enumerate(gates)])
    assert [3, 3] == jobs_of(r)
    r.until(lambda: len(r.book.pids) == 2)
    for running in list(r.book.pids):
        gates[running].open()
    r.until(lambda: len(r.book.outcomes) == 2 and len(r.book.pids) == 4)
    assert [3, 3] == jobs_of(r)
    for gate in gates:
        gate.open()
    r.until(lambda: r.book.seen == 8)
    assert 8 == len(r.book.outcomes)
    assert {4} == {list(r.book.pids.values()).count(pid) for pid in r.pids()}


def test_filling_fairly_gives_each_slot_one_long_job(rig):
    r = rig(2, 1)
    gate = r.gate()
    r.pool.submit([job(number, str(gate)) for number in range(6)])
    assert [1, 1] == jobs_of(r)
    assert 4 == r.pool.info()["waiting"]
    gate.open()
    r.until(lambda: r.book.seen == 6)


def test_short_jobs_stream_however_hosts_are_filled(rig):
    """More is sent ahead than was asked for while jobs are measured to be short."""
    r = rig(1, 1, depth=2)
    r.stream()
    assert 64 == r.pool.free


def test_one_long_job_and_thirty_short_ones(rig):
    """The short ones never wait for the long one."""
    r = rig(4, 1)
    r.pool.submit([job(0, str(r.gate())), *(job(number, "sleep 0.02") for number in range(1, 31))])
    r.until(lambda: r.book.seen == 30)
    assert set(range(1, 31)) == set(r.book.outcomes)


def test_a_size_that_the_slots_do_not_divide_is_not_exceeded(rig):
    """Three jobs at a time in two hosts of two slots; one at a time in one of them; also while jobs are short."""
    r = rig(2, 2)
    r.stream()
    ended = r.book.seen
    for size in (3, 1):
        assert size == r.pool.shrink(r.pool.concurrency - size)
        r.until(lambda at=size: r.pool.free == at)
        r.book.pids.clear()
        gate = r.gate()
        r.pool.submit([job(1_000_000 * size + number, str(gate)) for number in range(6)])
        r.until(lambda at=size: len(r.book.pids) >= at)
        r.settle()
        assert size == len(r.book.pids) == sum(jobs_of(r))
        gate.open()
        ended += 6
        r.until(lambda at=ended: r.book.seen == at)
