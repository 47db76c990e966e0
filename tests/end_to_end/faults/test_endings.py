"""How a worker ends under load: asked once, asked twice, or killed."""

from __future__ import annotations

import signal
import threading
import time
from typing import Any

import processes
import pytest

GRACE = 5.0
TERM, INT, QUIT = signal.SIGTERM, signal.SIGINT, signal.SIGQUIT


@pytest.mark.timeout(180)
def test_no_host_outlives_a_killed_worker(pool: str, scene: Any, scale: Any, figure: Any) -> None:
    """Two seconds after the main process was killed no host is left, busy or idle."""
    worker = scene.start(pool, "-c", "4")
    for n in range(2):
        scene.send("until_let_go", f"held{n}")
    scene.until(lambda: scene.ledger.count("start") == 2, "two tasks")
    hosts = scene.hosts(worker)
    assert hosts

    worker.signal(signal.SIGKILL)
    took = scene.until(lambda: not any(map(processes.lives, hosts)), "the hosts to end")

    figure("hosts ended after their worker, s", round(took, 2))
    assert took <= scale.bound(2.0)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_term_gives_back_what_has_not_begun(pool: str, scene: Any, scale: Any, figure: Any) -> None:
    """At once and in order; what runs has its time, and then goes back too. Nothing is marked as failed."""
    grace = GRACE if scale.full else 2.0
    worker = scene.start(
        pool, "-c", "8", "-O", "default", "worker_prefetch_multiplier=5", f"worker_shutdown_timeout={grace}"
    )
    running = [f"r{n}" for n in range(8)]
    waiting = [f"w{n:02}" for n in range(32)]
    scene.send_many("until_let_go", running)
    scene.until(lambda: scene.ledger.count("start") == 8, "eight tasks")
    scene.send_many("until_let_go", waiting)
    scene.until(lambda: scene.queue().in_flight == 40, "all of them to be taken")

    began = time.monotonic()
    worker.signal(TERM)
    given_back = scene.until(lambda: scene.queue().ready >= 32, "what has not begun")
    code = worker.exit_code()
    ended = time.monotonic() - began

    figure("TERM: given back after, s", round(given_back, 2))
    figure(f"TERM: out after, s, of {grace} grace", round(ended, 2))
    assert given_back <= scale.bound(0.5)
    assert grace - 0.1 <= ended <= scale.bound(grace + 2.0)
    assert code == 0
    queue = scene.queue()
    assert (40, 0, 0) == (queue.ready, queue.in_flight, queue.dead)
    assert ["PENDING"] * 40 == [result.state for result in scene.accepted.values()], "none is marked"
    assert set(running) == set(scene.ledger.keys("start"))

    for key in running + waiting:
        scene.let_go(key)
    scene.start(pool, "-c", "1", name="w2")
    scene.until(scene.empty, "all to end")
    starts = scene.ledger.keys("start")[8:]
    assert waiting == [key for key in starts if key in waiting], "in order"
    assert sorted(running + waiting) == sorted(scene.ledger.keys("end"))


@pytest.mark.timeout(180)
@pytest.mark.parametrize("signals", [[QUIT], [TERM, TERM], [INT, INT], [TERM, QUIT]], ids=str)
def test_a_second_signal_does_not_wait(
    pool: str, scene: Any, scale: Any, figure: Any, signals: list[signal.Signals]
) -> None:
    """QUIT, and the second of two, end the worker and its hosts within two seconds; what ran goes back."""
    worker = scene.start(pool, "-c", "2")
    scene.send_many("until_let_go", ["a", "b", "c"])
    scene.until(lambda: scene.ledger.count("start") == 2, "two tasks")
    hosts = scene.hosts(worker)

    for number in signals[:-1]:
        worker.signal(number)
        scene.until(lambda: "warm shutdown" in worker.log(), "the warm shutdown")
        assert worker.process.poll() is None
    began = time.monotonic()
    worker.signal(signals[-1])
    worker.exit_code()
    took = time.monotonic() - began

    figure("cold end, s", round(took, 2))
    assert took <= scale.bound(2.0)
    scene.until(lambda: not any(map(processes.lives, hosts)), "the hosts to end", scale.bound(2.0))
    queue = scene.queue()
    assert (3, 0, 0) == (queue.ready, queue.in_flight, queue.dead)
    assert ["PENDING"] * 3 == [result.state for result in scene.accepted.values()]


@pytest.mark.timeout(180)
@pytest.mark.parametrize("number", [TERM, INT], ids=str)
def test_one_signal_lets_running_tasks_end(pool: str, scene: Any, number: signal.Signals) -> None:
    worker = scene.start(pool, "-c", "2")
    scene.send_many("until_let_go", ["a", "b", "c"])
    scene.until(lambda: scene.ledger.count("start") == 2, "two tasks")

    worker.signal(number)
    scene.until(lambda: scene.queue().in_flight == 2, "the third to be given back")
    scene.let_go("a")
    scene.let_go("b")

    assert 0 == worker.exit_code()
    assert ["a", "b"] == sorted(scene.ledger.keys("end"))
    assert (1, 0) == (scene.queue().ready, scene.queue().in_flight)


@pytest.mark.timeout(180)
@pytest.mark.parametrize("signals", [[QUIT], [TERM, TERM], [INT, INT]], ids=str)
def test_a_second_signal_ends_the_task_of_a_worker_without_hosts(
    scene: Any, scale: Any, figure: Any, signals: list[signal.Signals]
) -> None:
    """In the pool solo the task runs in the main process, and notices only signals; it goes back all the same."""
    worker = scene.start("solo")
    scene.send_many("until_let_go", ["a", "b"])
    scene.until(lambda: scene.ledger.count("start") == 1, "a task")

    began = time.monotonic()
    for number in signals:
        worker.signal(number)
        scene.until(lambda: not processes.pending(worker.pid), "the signal to arrive")
        threading.Event().wait(0.2)  # two signals that come together are one
    worker.exit_code()

    figure("cold end, s", round(time.monotonic() - began, 2))
    assert time.monotonic() - began <= scale.bound(2.0)
    queue = scene.queue()
    assert (2, 0, 0) == (queue.ready, queue.in_flight, queue.dead)
    assert ["PENDING"] * 2 == [result.state for result in scene.accepted.values()]
