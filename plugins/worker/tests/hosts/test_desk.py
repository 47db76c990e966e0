"""The desk tells the ledger what becomes of jobs, and asks it whether a redelivered one may begin."""

from __future__ import annotations

import pytest

from kernelq.kernel.errors import BrokerLost
from kernelq.outcome import Outcome
from kernelq_worker.hosts.desk import Desk
from kernelq_worker.hosts.loss import Loss, LossKind
from kernelq_worker.loop import WorkerLoop

from .conftest import Book, job


@pytest.fixture
def loop():
    made = WorkerLoop()
    yield made
    made.close()


def test_everything_of_a_turn_is_told_in_one_go(loop):
    book, then = Book(), []
    desk = Desk(loop, book, lambda: then.append(book.seen))
    desk.started.append((1, 77))
    desk.finished += [(1, Outcome("SUCCESS")), (2, Outcome("SUCCESS"))]
    desk.lose(3, Loss(LossKind.CRASH, "killed"))
    desk.give_back([job(5), job(4)])
    assert 0 == book.seen
    loop.turn()
    assert ({1: 77}, [4, 5], [5], 1) == (book.pids, [one.id for one in book.given_back], then, book.batches)
    assert {"finished": 2, "lost": 1} == desk.count


def test_a_beginning_is_told_at_once(loop):
    book = Book()
    assert Desk(loop, book, lambda: None).begin(job(7, alone=True))
    assert [7] == book.begun


def test_a_beginning_is_refused_while_there_is_no_lane(loop):
    book = Book()
    book.lane = lambda: False
    assert not Desk(loop, book, lambda: None).begin(job(7, alone=True))


def test_a_lost_broker_is_passed_on(loop):
    book = Book()
    book.lane = lost
    with pytest.raises(BrokerLost):
        Desk(loop, book, lambda: None).begin(job(7, alone=True))


def lost():
    raise BrokerLost("gone")
