"""Without hosts, jobs run between the turns of the loop."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator

import pytest

from kernelq import KernelQ
from kernelq.delivery import Verdict
from kernelq.executor import job_from_message
from kernelq.kernel.errors import BrokerLost
from kernelq.outcome import Outcome
from kernelq_testkit.executes import Executes
from kernelq_worker.hosts.inline import InlineSupervisor
from kernelq_worker.loop import WorkerLoop

from .conftest import Book, execute, job


@pytest.fixture
def loop() -> Iterator[WorkerLoop]:
    made = WorkerLoop()
    yield made
    made.close()


def test_every_job_ends_once(loop):
    book = Book()
    pool = InlineSupervisor("solo", loop, book, Executes(lambda job: Outcome("SUCCESS")))
    assert 1 == pool.free
    pool.submit([job(number) for number in range(5_000)])
    loop.run(until=lambda: book.seen == 5_000)
    assert dict.fromkeys(range(5_000), 1) == dict(book.finished_ids)
    assert pool.free > 1


def test_the_loop_turns_between_jobs(loop):
    """Between two jobs that take long, what waits for the loop is called."""
    book = Book()
    pool = InlineSupervisor("solo", loop, book, Executes(execute))
    pool.submit([job(number, "sleep 0.02") for number in range(5)])
    turns: list[int] = []
    loop.on_turn(lambda: turns.append(book.seen))
    loop.run(until=lambda: book.seen == 5)
    assert {1, 2, 3, 4, 5} <= set(turns)


def test_start_is_told_before_a_job_that_may_be_long(loop):
    book = Book()
    told: list[bool] = []
    pool = InlineSupervisor(
        "solo", loop, book, Executes(lambda one: (told.append(one.id in book.pids), Outcome("SUCCESS"))[1])
    )
    pool.submit([job(1)])
    loop.run(until=lambda: book.seen == 1)
    assert [True] == told


def test_stop_gives_back_what_waits(loop):
    book = Book()
    pool = InlineSupervisor("solo", loop, book, Executes(execute))
    pool.submit([job(1), job(2), job(3)])
    assert pool.terminate(2, 15)
    assert not pool.terminate(9, 15)
    pool.stop(time.monotonic())
    pool.submit([job(4)])
    loop.turn()
    assert [1, 3, 4] == [one.id for one in book.given_back]
    assert "terminated" == book.losses[2].cause
    assert 0 == pool.free


def test_limits_are_held(loop):
    """The soft limit is raised in the task, the hard one too; the next task is not touched."""
    book = Book()
    pool = InlineSupervisor("solo", loop, book, Executes(execute))
    pool.submit([job(1, "sleep 20", soft=0.1), job(2, "sleep 20", hard=0.1), job(3, "sleep 20"), job(4, "sleep 0.3")])
    assert pool.set_limits(3, 0.1, None)
    assert not pool.set_limits(9, 0.1, None)
    loop.run(until=lambda: book.seen == 4)
    assert ["SoftTimeLimitExceeded()", "TimeLimitInterrupt()", "SoftTimeLimitExceeded()"] == [
        book.outcomes[number].detail for number in (1, 2, 3)
    ]
    assert "SUCCESS" == book.outcomes[4].state


def test_outside_the_main_thread_it_is_said_that_limits_have_no_effect(caplog):
    """Once, not for every task."""
    book = Book()

    def serve() -> None:
        loop = WorkerLoop()
        pool = InlineSupervisor("solo", loop, book, Executes(execute))
        pool.submit([job(1, "sleep 0.05", soft=0.01), job(2, soft=0.01)])
        loop.run(until=lambda: book.seen == 2)
        loop.close()

    thread = threading.Thread(target=serve)
    thread.start()
    thread.join()
    assert {1: "SUCCESS", 2: "SUCCESS"} == {number: outcome.state for number, outcome in book.outcomes.items()}
    assert 1 == caplog.text.count("time limits have no effect")


def test_a_cut_touches_tasks_only(loop):
    """A signal that comes while KernelQ's own code runs raises nothing there; in a task it does, and that goes back."""
    app = KernelQ("cut", broker="memory://")
    pool = InlineSupervisor("solo", loop, Book(), Executes(execute))

    @app.task
    def cut() -> None:
        pool.cut(sys._getframe())

    pool.cut(sys._getframe())
    outcome = app.executor("w@h")(job_from_message(app.amqp.build(cut.name, (), {}, {}, cut)))
    app.close()

    assert Verdict.REQUEUE is outcome.verdict


def test_only_redelivered_jobs_are_told_of_when_they_begin_here(loop):
    book = Book()
    began: list[int] = []
    pool = InlineSupervisor(
        "solo", loop, book, Executes(lambda one: (began.append(len(book.begun)), Outcome("SUCCESS"))[1])
    )
    pool.submit([job(1), job(2, alone=True), job(3)])
    loop.run(until=lambda: book.seen == 3)
    assert ([2], [0, 1, 1]) == (book.begun, began)


def test_a_redelivered_job_waits_for_a_lane_without_turning_the_loop(loop):
    book = Book()
    asked: list[int] = []
    book.lane = lambda: bool(asked.append(1))
    pool = InlineSupervisor("solo", loop, book, Executes(execute))
    pool.submit([job(1), job(2, alone=True), job(3)])
    loop.run(until=lambda: bool(asked))
    for _ in range(5):
        loop.turn(longest=0.01)
    assert ([1], 1) == (list(book.outcomes), len(asked))
    book.lane = lambda: True
    pool.submit(())
    loop.run(until=lambda: book.seen == 3)
    assert [1, 2, 3] == list(book.outcomes)


def test_a_broker_that_is_lost_when_a_job_begins_here_loses_no_job(loop):
    """What had ended before in the same turn is told, and the job waits."""
    book = Book()

    def lane():
        raise BrokerLost("gone")

    book.lane = lane
    pool = InlineSupervisor("solo", loop, book, Executes(execute))
    pool.submit([job(number) for number in range(50)])
    loop.run(until=lambda: book.seen == 50)
    pool.submit([job(50), job(51, alone=True), job(52)])
    with pytest.raises(BrokerLost):
        loop.run(until=lambda: False)
    assert 51 == book.seen
    book.lane = lambda: True
    pool.submit(())
    loop.run(until=lambda: book.seen == 53)
    assert {1} == set(book.finished_ids.values())


def test_withdrawn_jobs_are_given_back(loop):
    """Those that wait; the others run."""
    book = Book()
    pool = InlineSupervisor("solo", loop, book, Executes(lambda job: Outcome("SUCCESS")))
    pool.submit([job(number) for number in range(1, 5)])
    pool.withdraw([2, 4, 99])
    loop.run(until=lambda: book.seen == 4)
    assert ([2, 4], {1, 3}) == ([one.id for one in book.given_back], set(book.outcomes))
