"""As many threads as run at a time, made when they are needed."""

from __future__ import annotations

import logging
import threading
from threading import get_ident

import pytest

from kernelq_asyncio.threads import Threads


def slots() -> list[str]:
    return sorted(one.name for one in threading.enumerate() if one.name.startswith("kernelq-slot"))


def test_what_runs_at_a_time_has_a_thread_each():
    met = threading.Barrier(4)
    with Threads(10) as threads:
        for running in (1, 2, 3):
            threads.run(lambda: met.wait(30), running)
        met.wait(30)

        assert ["kernelq-slot-1", "kernelq-slot-2", "kernelq-slot-3"] == slots()

    assert [] == slots()


def test_a_free_thread_is_used_again():
    ended: list[int] = []
    with Threads(10) as threads:
        for _ in range(20):
            done = threading.Event()
            threads.run(lambda done=done: (ended.append(get_ident()), done.set()), 1)
            assert done.wait(30)

    assert 20 == len(ended)
    assert 1 == len(set(ended))


def test_what_is_beyond_the_most_waits_for_a_thread_and_the_end_waits_for_all():
    ended: list[int] = []
    with Threads(2) as threads:
        for number in range(50):
            threads.run(lambda number=number: ended.append(number), number + 1)
        assert len(slots()) <= 2

    assert list(range(50)) == sorted(ended)


def test_a_thread_outlives_what_is_raised_in_it(caplog):
    ended = threading.Event()

    def breaks() -> None:
        raise SystemExit(3)

    with caplog.at_level(logging.ERROR, "kernelq.host"), Threads(1) as threads:
        threads.run(breaks, 1)
        threads.run(ended.set, 1)

    assert ended.is_set()
    assert "could not be told" in caplog.text


def test_work_waits_for_the_threads_that_there_are_where_none_can_be_made(monkeypatch):
    ran = threading.Event()
    with Threads(3) as threads:
        threads.run(threading.Event().is_set, 1)

        def refuse(self: threading.Thread) -> None:
            raise RuntimeError("can't start new thread")

        monkeypatch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError, match="can't start new thread"):
            threads.run(ran.set, 2)
        assert ran.wait(30)
