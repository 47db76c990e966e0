"""A command ends a job wherever it is, and no other."""

from __future__ import annotations

import signal

import pytest

from kernelq_worker.hosts.loss import LossKind
from kernelq_worker.hosts.terminations import ESCALATE

from .conftest import job


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL, signal.SIGUSR1])
def test_a_running_job_ends(rig, number):
    """Also by signals that hosts pass over; a job that waits is dropped, and the others go on."""
    r = rig(2, 1)
    shut, gate = r.gate(), r.gate()
    r.pool.submit([job(1, str(shut)), job(2, str(gate)), job(3, str(shut))])
    r.until(lambda: len(r.book.pids) == 2)
    assert r.pool.terminate(1, number)
    assert r.pool.terminate(3, number)
    assert not r.pool.terminate(99, number)
    r.until(lambda: r.book.seen == 2)
    gate.open()
    r.until(lambda: r.book.seen == 3)
    assert [f"terminated by {number.name}"] * 2 == [r.book.losses[n].cause for n in (1, 3)]
    assert [number] * 2 == [r.book.losses[n].signum for n in (1, 3)]
    assert 2 in r.book.outcomes


def test_a_signal_that_does_not_end_a_host_is_followed_by_sigkill(rig):
    r = rig(1, 1)
    r.pool.submit([job(1, str(r.gate()))])
    r.until(lambda: 1 in r.book.pids)
    assert r.pool.terminate(1, signal.SIGCONT)
    r.until(lambda: r.book.seen == 1)
    assert LossKind.TERMINATED is r.book.losses[1].kind


def test_a_job_that_ended_before_its_signal_spares_the_host(rig):
    """The host that outlived the signal is not killed for a job that is gone, and loses others as usual."""
    r = rig(1, 1)
    one, two = r.gate(), r.gate()
    r.pool.submit([job(1, str(one))])
    r.until(lambda: 1 in r.book.pids)
    host = r.pids()[0]
    one.open()
    assert r.pool.terminate(1, signal.SIGCONT)
    r.pool.submit([job(2, str(two))])
    r.until(lambda: 1 in r.book.outcomes)
    r.settle(ESCALATE + 0.5)
    two.open()
    r.until(lambda: r.book.seen == 2)
    assert {1, 2} == set(r.book.outcomes)
    assert [host] == r.pids()


def test_neighbours_in_the_same_host_are_uncounted(rig):
    r = rig(1, 2)
    r.pool.submit([job(1, str(r.gate())), job(2, str(r.gate()))])
    r.until(lambda: len(r.book.pids) == 2)
    assert r.pool.terminate(1, signal.SIGTERM)
    r.until(lambda: r.book.seen == 2)
    assert LossKind.TERMINATED is r.book.losses[1].kind
    assert LossKind.NEIGHBOUR is r.book.losses[2].kind


def test_a_job_that_was_sent_ahead_ends_without_harm_to_the_one_that_runs(rig):
    """It is called back and dropped; the host lives on."""
    r = rig(1, 1, depth=4)
    host = r.pids()[0]
    gate = r.gate()
    r.pool.submit([job(1, str(gate)), job(2, str(r.gate())), job(3)])
    r.until(lambda: 1 in r.book.pids)
    assert r.pool.terminate(2, signal.SIGTERM)
    r.until(lambda: 2 in r.book.losses)
    gate.open()
    r.until(lambda: r.book.seen == 3)
    assert LossKind.TERMINATED is r.book.losses[2].kind
    assert {1, 3} == set(r.book.outcomes)
    assert {host} == set(r.book.pids.values())
