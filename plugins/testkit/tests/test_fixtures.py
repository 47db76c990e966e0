"""The fixtures of the pytest plugin, in use."""

from __future__ import annotations

import threading
import time

import pytest

from kernelq_testkit import Leftovers, eventually
from kernelq_testkit.waiting import VARIABLE


@pytest.fixture
def add(kernelq_app):
    @kernelq_app.task(name="kit.add")
    def add(a, b):
        return a + b

    return add


def test_a_task_runs_in_a_worker_of_this_process(add, kernelq_worker, signals):
    """Sent, run, stored, answered, and told."""
    assert add.delay(1, 2).get(timeout=30) == 3
    (seen,) = signals.wait("task_success")
    assert seen.arguments["result"] == 3
    signals.wait("task_postrun", times=1)


def test_an_event_that_does_not_come_is_told_with_what_came(add, kernelq_worker, signals):
    """The message names the missing event and counts the others."""
    add.delay(1, 2).get(timeout=30)
    signals.wait("task_postrun")
    with pytest.raises(AssertionError, match=r"task_failure was to come 1 times within 0.1 s; seen: .*1 task_success"):
        signals.wait("task_failure", timeout=0.1)
    with pytest.raises(ValueError, match="no hook 'task_sucess'"):
        signals.wait("task_sucess")


def test_the_worker_is_asked_over_memory(add, kernelq_app, kernelq_worker):
    """Control commands take the real way, through kombu."""
    (reply,) = kernelq_app.control.ping(timeout=30, limit=1)
    assert [{"ok": "pong"}] == list(reply.values())


def test_a_worker_that_cannot_start_is_told_at_once(kernelq_start):
    """The test gets the reason, and does not wait for a worker that has ended."""
    from kernelq.kernel.errors import ConfigurationError

    began = time.monotonic()
    with pytest.raises(ConfigurationError, match="lives in one process"):
        kernelq_start(pool="threads")
    assert time.monotonic() - began < 20


def test_two_apps_never_meet(kernelq_app, add, kernelq_worker):
    """Queues in memory belong to their app."""
    from kernelq import KernelQ
    from kernelq_testkit import standard_discovery

    with KernelQ("other", broker="memory://", backend="memory://", discovery=standard_discovery()) as other:
        other.send_task("kit.add", (1, 2))
        assert [info.ready for info in other.transport.admin().queues()] == [1]
    assert all(info.ready == 0 for info in kernelq_app.transport.admin().queues())


def test_only_the_standard_plugins_are_seen(kernelq_app):
    """A test means the same wherever it runs."""
    assert ["solo", "threads"] == kernelq_app.discovery.names("kernelq.pools")
    assert ["memory"] == kernelq_app.discovery.names("kernelq.transports")


def test_nothing_is_left_of_a_worker(kernelq_app, kernelq_start, add):
    """Threads and descriptors go with it."""
    kernelq_start().stop()
    leftovers = Leftovers()
    running = kernelq_start()
    assert add.delay(1, 1).get(timeout=30) == 2
    running.stop()
    leftovers.check()


def test_eventually_returns_what_became_true():
    """The first true value; an assertion that fails counts as not yet."""
    values = iter([0, None, 7])
    assert eventually(lambda: next(values)) == 7


def test_eventually_tells_the_last_value(monkeypatch):
    """The failure shows what was wanted and what was there."""
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(AssertionError, match=r"a wonder was not so within 0.05 s; the last value was 0"):
        eventually(lambda: 0, 0.05, wanted="a wonder")


def test_leftovers_names_the_thread(monkeypatch):
    """What was left behind is told by name."""
    monkeypatch.setenv(VARIABLE, "0.1")  # of what never ends
    leftovers = Leftovers()
    end = threading.Event()
    thread = threading.Thread(target=end.wait, name="forgotten")
    thread.start()
    with pytest.raises(AssertionError, match="thread forgotten"):
        leftovers.check()
    end.set()
    thread.join()
    monkeypatch.undo()
    leftovers.check()


def test_workers_beside_each_other_have_names_of_their_own(kernelq_start):
    assert 2 == len({kernelq_start().worker.hostname for _ in range(2)})


def test_a_worker_has_the_name_that_it_is_given(kernelq_start):
    assert "mine@here" == kernelq_start(hostname="mine@here").worker.hostname
