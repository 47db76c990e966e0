"""Worn hosts are replaced: after exactly so many tasks, or above so much memory; what they run ends."""

from __future__ import annotations

from collections import Counter

import pytest

from kernelq_worker.hosts.vitals import resident

from .conftest import job

ROOM = 100_000
"""KiB above what a host has at its start; the system may take back some of that meanwhile."""


@pytest.mark.parametrize(("hosts", "slots"), [(2, 1), (1, 4), (2, 3)])
@pytest.mark.parametrize("body", ["", "sleep 0.01"], ids=["short", "longer"])
def test_a_host_runs_exactly_so_many_tasks(rig, hosts, slots, body):
    """Short tasks that are sent ahead are counted as well."""
    r = rig(hosts, slots, max_tasks=10)
    r.pool.submit([job(number, body) for number in range(120)])
    r.until(lambda: r.book.seen == 120)
    assert 120 == len(r.book.outcomes)
    runs = Counter(r.book.pids.values())
    assert 10 == max(runs.values())
    assert 12 <= len(runs) <= 12 + hosts - 1


def test_fewer_tasks_than_slots_are_as_exact(rig):
    r = rig(1, 8, max_tasks=3)
    r.pool.submit([job(number, "sleep 0.01") for number in range(30)])
    r.until(lambda: r.book.seen == 30)
    assert [3] * 10 == sorted(Counter(r.book.pids.values()).values())


def test_the_last_task_of_a_host_keeps_no_slot_from_others(rig):
    """Given a host of four slots whose last task is long, the other three slots are another host's at once."""
    r = rig(1, 4, max_tasks=4)
    r.pool.submit([job(0, str(r.gate())), *(job(number, "sleep 0.1") for number in range(1, 10))])
    r.until(lambda: r.book.seen == 9)
    assert set(range(1, 10)) == set(r.book.outcomes)
    assert r.book.pids[0] not in r.pids()


def test_no_more_tasks_run_than_there_are_slots(rig):
    """A host that runs its last ones counts against the concurrency."""
    r = rig(1, 3, max_tasks=3)
    gates = [r.gate() for _ in range(12)]
    r.pool.submit([job(number, str(gate)) for number, gate in enumerate(gates)])
    for ended in range(10):
        r.until(lambda at=ended: len(r.book.pids) == at + 3 and r.book.seen == at)
        r.settle(0.1)
        assert 3 == len(r.book.pids) - r.book.seen
        gates[min(set(r.book.pids) - set(r.book.outcomes))].open()
    for gate in gates:
        gate.open()
    r.until(lambda: r.book.seen == 12)


def test_a_host_that_was_called_back_runs_its_full_number(rig):
    """Given short tasks sent ahead behind one that turns out long: what comes back does not count."""
    r = rig(1, 1, max_tasks=1_050)
    r.pool.submit([job(number) for number in range(1_000)])
    r.until(lambda: r.book.seen == 1_000)
    gate = r.gate()
    r.pool.submit([job(1_000, str(gate)), *(job(number) for number in range(1_001, 1_060))])
    r.until(lambda: 1_000 in r.book.pids and r.pool.info()["waiting"] == 59)
    gate.open()
    r.until(lambda: r.book.seen == 1_060)
    assert [10, 1_050] == sorted(Counter(r.book.pids.values()).values())


def test_a_host_above_its_memory_is_replaced_after_the_task(rig):
    r = rig(1, 1, max_memory=ROOM + resident_of_a_host(rig))
    first = r.pids()
    r.pool.submit([job(1, "eat 10")])
    r.until(lambda: 1 in r.book.outcomes)
    r.pool.submit([job(2, "eat 400")])
    r.until(lambda: 2 in r.book.outcomes and r.pids() != first and r.pool.free >= 1)
    r.pool.submit([job(3)])
    r.until(lambda: 3 in r.book.outcomes)
    assert first == [r.book.pids[1]] == [r.book.pids[2]]
    assert [r.book.pids[3]] == r.pids()
    assert 0 == r.pool.info()["replaced"]


def test_memory_is_looked_at_while_a_task_runs(rig, caplog):
    """The replacement is there before the task has ended; the task ends in peace, its unbegun neighbours elsewhere."""
    r = rig(1, 2, max_memory=ROOM + resident_of_a_host(rig), depth=3)
    first = r.pids()
    gate = r.gate()
    r.pool.submit([job(1, f"eat 400 {gate.path}"), job(2, str(gate)), job(3), job(4)])
    r.until(lambda: len(r.book.pids) == 2)
    r.until(lambda: r.pids() and r.pids() != first)
    r.until(lambda: [2] == [host["jobs"] for host in r.pool.info()["hosts"] if host["pid"] == first[0]])
    gate.open()
    r.until(lambda: r.book.seen == 4)
    assert {1, 2, 3, 4} == set(r.book.outcomes)
    assert first == [r.book.pids[1]] == [r.book.pids[2]]
    assert r.pids() == [r.book.pids[3]] == [r.book.pids[4]]
    assert "worker_max_memory_per_child" in caplog.text


def resident_of_a_host(rig) -> int:
    return resident(rig(1, 1).pids()[0]) or 0
