"""Rates."""

from __future__ import annotations

from kernelq_monitor.throughput import SPAN, WINDOW, Throughput


def filled(counts: list[int]) -> Throughput:
    throughput = Throughput()
    for second, count in enumerate(counts):
        throughput.add(float(second), {"task-sent": count, "worker-heartbeat": second})
    return throughput


def test_a_rate_is_the_mean_of_the_last_seconds():
    throughput = filled([0, 100, *range(100, 100 + 10 * WINDOW, 10)])

    assert (10.0 * (WINDOW - 1) / WINDOW, 1.0) == (throughput.rate("task-sent"), throughput.rate("worker-heartbeat"))
    assert throughput.rate("task-sent") + 1.0 == throughput.rate()
    assert 0.0 == throughput.rate("task-failed")


def test_nothing_is_known_at_the_beginning():
    assert 0.0 == Throughput().rate() == filled([5]).rate()
    assert [0.0] * SPAN == Throughput().history()


def test_the_history_has_a_minute():
    assert [0.0] * (SPAN - 2) + [3.0, 4.0] == filled([0, 3, 7]).history("task-sent")
    assert SPAN == len(filled(list(range(500))).history())
