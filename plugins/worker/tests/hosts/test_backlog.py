"""Redelivered jobs run alone, and keep no host from the others for longer than they need it."""

from __future__ import annotations

import signal

import pytest

from kernelq.kernel.errors import BrokerLost

from .conftest import job


def test_a_host_that_was_kept_in_vain_is_given_jobs_again(rig):
    """Given that one host is kept for a redelivered job, when another is empty first, both are of use afterwards."""
    r = rig(2, 1)
    one, two = r.gate(), r.gate()
    r.pool.submit([job(1, str(one)), job(2, str(two))])
    r.until(lambda: len(r.book.pids) == 2)
    r.pool.submit([job(3, alone=True)])
    two.open()
    r.until(lambda: r.book.seen == 2)
    assert r.book.pids[2] == r.book.pids[3]
    one.open()
    r.until(lambda: r.book.seen == 3)
    r.until(lambda: r.pool.free >= 2)


def test_a_redelivered_job_does_not_keep_the_slots_of_a_host_from_others(rig):
    """Given one host of many slots and a long task in it: the redelivered job runs beside it, and so do the others."""
    r = rig(1, 4)
    r.pool.submit([job(1, str(r.gate()))])
    r.until(lambda: 1 in r.book.pids)
    main, gate = r.pids(), r.gate()
    r.pool.submit([job(2, str(gate), alone=True), *(job(number, "sleep 0.01") for number in range(3, 30))])
    r.until(lambda: r.book.seen == 27 and 2 in r.book.pids)
    gate.open()
    r.until(lambda: r.book.seen == 28)
    assert r.book.pids[2] not in main
    assert set(main) == {pid for number, pid in r.book.pids.items() if number != 2}
    r.until(lambda: main == r.pids())


def test_poison_costs_a_host_of_many_slots_nothing(rig):
    """It kills the cell that was started for it; another takes the next redelivered job."""
    r = rig(1, 4)
    main = r.pids()
    gate = r.gate()
    r.pool.submit([job(1, str(gate)), job(2, "die", alone=True), job(3, alone=True), job(4, "die", alone=True)])
    r.until(lambda: r.book.seen == 3)
    gate.open()
    r.until(lambda: r.book.seen == 4)
    assert {2, 4} == set(r.book.losses)
    assert {1, 3} == set(r.book.outcomes)
    r.until(lambda: main == r.pids() and r.pool.free >= 4)


def test_no_more_redelivered_jobs_run_than_there_are_slots(rig):
    """They count against the concurrency, and cells are few."""
    r = rig(1, 2)
    one, gates = r.gate(), [r.gate() for _ in range(7)]
    r.pool.submit([job(1, str(one))])
    r.pool.submit([job(number, str(gate), alone=True) for number, gate in enumerate(gates, 2)])
    for ended, gate in enumerate(gates):
        r.until(lambda at=ended: len(r.book.pids) == at + 2 and r.book.seen == at)
        r.settle(0.1)
        assert 2 == len(r.book.pids) - r.book.seen
        gate.open()
    one.open()
    r.until(lambda: r.book.seen == 8)


def test_a_redelivered_job_that_is_ended_while_it_waits_leaves_no_cell(rig):
    r = rig(1, 2)
    main = r.pids()
    r.pool.submit([job(1, str(r.gate()))])
    r.until(lambda: 1 in r.book.pids)
    r.pool.submit([job(2, alone=True)])
    assert r.pool.terminate(2, signal.SIGTERM)
    r.pool.submit([job(3)])
    r.until(lambda: 3 in r.book.outcomes and [host["pid"] for host in r.pool.info()["hosts"]] == main)
    assert 1 not in r.book.outcomes


def test_a_redelivered_job_does_not_wait_for_a_host_that_retires(rig):
    """Another is kept for it when the one that was kept is not to be used any more."""
    r = rig(2, 1)
    gate = r.gate()
    r.pool.submit([job(1, str(r.gate())), job(2, str(gate))])
    r.until(lambda: len(r.book.pids) == 2)
    r.pool.submit([job(3, alone=True)])
    r.pool.restart()
    gate.open()
    r.until(lambda: 3 in r.book.outcomes)
    assert 1 not in r.book.outcomes


def test_only_redelivered_jobs_are_told_of_when_they_begin(rig):
    """Each once, before it starts."""
    r = rig(2, 1)
    began: list[bool] = []

    def begin() -> bool:
        began.append(2 in r.book.pids)
        return True

    r.book.lane = begin
    r.pool.submit([job(1), job(2, alone=True), job(3)])
    r.until(lambda: r.book.seen == 3)
    assert ([2], [False]) == (r.book.begun, began)


@pytest.mark.parametrize(("hosts", "slots"), [(1, 1), (2, 1), (1, 4)])
def test_a_redelivered_job_waits_while_there_is_no_lane_and_the_others_go_on(rig, hosts, slots):
    r = rig(hosts, slots)
    r.book.lane = lambda: False
    r.pool.submit([job(1, alone=True), job(2)])
    r.pool.submit([job(number) for number in range(3, 20)])
    r.until(lambda: r.book.seen == 18)
    r.book.lane = lambda: True
    r.pool.submit(())
    r.until(lambda: 1 in r.book.outcomes)
    assert [1] == r.book.begun


@pytest.mark.parametrize(("hosts", "slots"), [(2, 1), (1, 4)])
def test_a_broker_that_is_lost_when_a_job_begins_loses_no_job(rig, hosts, slots):
    """The loss reaches whoever turns the loop; when the broker is there again, the job runs, once."""
    r = rig(hosts, slots)
    lost: list[int] = []

    def lane():
        if not lost:
            lost.append(1)
            raise BrokerLost("gone")
        return True

    r.book.lane = lane
    with pytest.raises(BrokerLost):
        submit_and_turn(r, [job(1, alone=True), job(2, alone=True), job(3)])
    r.pool.submit(())
    r.until(lambda: r.book.seen == 3)
    assert {1, 2, 3} == set(r.book.outcomes)
    assert [1, 2] == r.book.begun


def test_a_time_limit_holds_although_the_broker_is_lost_for_the_next_job(rig):
    """The job that began before is looked after."""
    r = rig(2, 1)

    def lane():
        if r.book.begun:
            raise BrokerLost("gone")
        return True

    r.book.lane = lane
    with pytest.raises(BrokerLost):
        r.pool.submit([job(1, str(r.gate()), alone=True, hard=0.2), job(2, alone=True)])
    r.book.lane = lambda: False
    r.until(lambda: 1 in r.book.losses)
    assert [1] == r.book.begun


def test_a_job_that_waits_for_the_broker_is_given_back_at_the_end(rig):
    r = rig(1, 1)
    r.book.lane = lambda: False
    r.pool.submit([job(1, alone=True)])
    r.pool.stop(0.0)
    assert [1] == [one.id for one in r.book.given_back]


def submit_and_turn(r, jobs):
    """Where the jobs have no host of their own yet, they begin in a later turn."""
    r.pool.submit(jobs)
    r.until(lambda: False)
