"""What waits goes out in order and is bounded."""

from __future__ import annotations

from kernelq.events.backlog import Backlog


def test_lists_of_one_group_go_out_together_and_single_events_alone():
    backlog = Backlog()
    backlog.add("task.multi", [1, 2])
    backlog.add("task.multi", [3])
    backlog.add("worker.heartbeat", [4])
    backlog.add("worker.heartbeat", [5])
    backlog.add("task.multi", [6])

    taken = [backlog.take(10) for _ in range(5)]

    assert [
        ("task.multi", [1, 2, 3]), ("worker.heartbeat", [4]), ("worker.heartbeat", [5]), ("task.multi", [6]), None,
    ] == taken  # fmt: skip
    assert 0 == len(backlog)


def test_no_more_is_taken_than_asked_for():
    backlog = Backlog()
    backlog.add("task.multi", [1, 2])
    backlog.add("task.multi", [3, 4, 5])

    assert [("task.multi", [1, 2, 3]), ("task.multi", [4, 5])] == [backlog.take(3), backlog.take(3)]


def test_what_is_put_back_is_the_next_to_be_taken():
    backlog = Backlog()
    backlog.add("worker.online", [1])
    backlog.add("worker.offline", [2])
    backlog.restore(*backlog.take(9))

    assert 2 == len(backlog)
    assert ("worker.online", [1]) == backlog.take(9)


def test_beyond_its_bound_the_oldest_are_dropped_and_counted():
    backlog = Backlog(most=4)
    backlog.add("task.multi", [1, 2, 3])
    backlog.add("task.multi", [4, 5, 6])

    assert (4, 2) == (len(backlog), backlog.dropped)
    assert ("task.multi", [3, 4, 5, 6]) == backlog.take(9)


def test_what_is_put_back_to_a_full_one_is_the_first_to_go():
    backlog = Backlog(most=2)
    backlog.add("task.multi", [1, 2])
    taken = backlog.take(9)
    backlog.add("task.multi", [3, 4])
    backlog.restore(*taken)

    assert (2, ("task.multi", [3, 4])) == (backlog.dropped, backlog.take(9))


def test_what_is_given_up_is_counted():
    backlog = Backlog()
    backlog.add("x.y", [1])
    backlog.clear()
    backlog.drop(2)

    assert (0, 3, None) == (len(backlog), backlog.dropped, backlog.take(9))
