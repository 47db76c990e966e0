"""What a thread is at, as its stack tells."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from types import ModuleType

import pytest

from kernelq_health.doing import doing

CALL = "def call(function, *more): return function(*more)"


def within(*packages: str) -> list[Callable[..., None]]:
    """Functions of modules of these names, each of which calls what it is given."""
    found = []
    for name in packages:
        module = ModuleType(name)
        exec(CALL, vars(module))
        found.append(module.call)
    return found


@pytest.fixture
def stopped() -> Iterator[Callable[..., int]]:
    """A function that lets a thread stand still within modules, outermost first, and returns its number."""
    go_on = threading.Event()
    threads = []

    def begin(*packages: str) -> int:
        there = threading.Event()

        def still() -> None:
            there.set()
            go_on.wait()

        first, *rest = [*within(*packages), still]
        thread = threading.Thread(target=first, args=rest)
        threads.append(thread)
        thread.start()
        there.wait()
        assert thread.ident is not None
        return thread.ident

    yield begin
    go_on.set()
    for thread in threads:
        thread.join()


@pytest.mark.parametrize(
    ("packages", "expected"),
    [
        (("kernelq_worker.loop", "kernelq_redis.lane", "redis.connection"), "broker"),
        (("kernelq_worker.consumer", "kombu.connection", "amqp.transport"), "broker"),
        (("kernelq_worker.loop", "kernelq_redis.lane", "kernelq_worker.dispatch"), None),
        (("kernelq_worker.loop", "kernelq_control.step", "proj.commands"), None),
        (("kernelq_worker.loop", "kombu.hub", "kernelq_control.step"), None),
        (("proj.main",), None),
        (("kernelq_worker.hosts.inline", "kernelq.executor", "proj.tasks", "redis.client"), "task"),
    ],
)
def test_the_innermost_of_our_own_packages_tells(
    stopped: Callable[..., int], packages: tuple[str, ...], expected: str | None
) -> None:
    # the function that stands still is this test's own module, and the thread's own are Python's
    assert expected == doing(stopped(*packages), "kernelq_redis")


def test_a_thread_that_has_ended_waits_for_nothing() -> None:
    thread = threading.Thread(target=lambda: None)
    thread.start()
    thread.join()
    assert thread.ident is not None

    assert not doing(thread.ident, "kernelq_redis")
