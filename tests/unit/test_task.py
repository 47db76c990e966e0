"""Tasks: how they are called, sent, and asked."""

from __future__ import annotations

import asyncio
import pickle
import threading
from typing import Any

import pytest
from sending import recording_app

from kernelq import Retry, Task
from kernelq.context import TaskRequest, running
from kernelq.task import option_names


@pytest.fixture
def app():
    return recording_app()[0]


def test_a_task_is_called_as_its_function(app):
    @app.task
    def add(x, y=1):
        """Add them."""
        return x + y

    assert 3 == add(1, y=2)
    assert ("add", "Add them.") == (add.__name__, add.__doc__)


def test_a_bound_task_has_itself_first(app):
    @app.task(bind=True)
    def name(self):
        return self.name

    assert f"{__name__}.name" == name()


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [((), {}), ((1, 2, 3), {"key": 1}), ((1,), {}), ((1,), {"key": 1, "other": 2}), ((1,), {"x": 1, "key": 1})],
)
def test_wrong_arguments_are_an_error_at_the_sender(app, args, kwargs):
    """It shows the signature; nothing is sent."""

    @app.task(name="pack")
    def pack(x, y=0, *, key): ...

    with pytest.raises(TypeError, match=r"pack\(x, y=0, \*, key\): "):
        pack.delay(*args, **kwargs)
    assert [] == app.sender.sent


def test_right_arguments_are_none(app):
    @app.task
    def pack(x, y=0, *rest, **more): ...

    @app.task(bind=True)
    def bound(self, x): ...

    pack.delay(1)
    pack.delay(1, 2, 3, 4, z=5)
    pack.delay(x=1)
    bound.delay(1)
    bound.delay(x=1)

    assert 5 == len(app.sender.sent)


def test_the_check_can_be_left_out(app):
    @app.task(typing=False)
    def pack(x): ...

    pack.delay()

    assert 1 == len(app.sender.sent)


def test_an_option_is_the_tasks_own_or_its_settings(app):
    """Settings are read when they are needed, so they can be changed after the task is made."""

    @app.task(acks_late=False)
    def pack(): ...

    app.conf.update(task_acks_late=True, task_time_limit=9)

    assert (False, 9) == (pack.acks_late, pack.time_limit)


def test_every_option_of_a_task_can_be_given_to_the_decorator():
    wanted = {
        "max_retries",
        "autoretry_for",
        "retry_backoff",
        "rate_limit",
        "time_limit",
        "ignore_result",
        "serializer",
        "on_failure",
    }

    assert wanted <= option_names(Task)
    assert not {"run", "delay", "app", "request"} & option_names(Task)


def test_the_request_is_of_the_call_that_runs(app):
    """In each thread its own; of another task, none."""

    @app.task(name="pack", bind=True)
    def pack(self): ...

    def request(task_id: str, task: str = "pack") -> TaskRequest:
        made = TaskRequest({"id": task_id, "task": task})
        made.called_directly = False
        return made

    seen: dict[str, Any] = {}

    def work(task_id: str) -> None:
        with running(request(task_id)):
            barrier.wait()
            seen[task_id] = pack.request.id

    barrier = threading.Barrier(2)
    threads = [threading.Thread(target=work, args=(task_id,)) for task_id in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert {"a": "a", "b": "b"} == seen
    assert None is pack.request.id
    with running(request("c", "other")):
        assert None is pack.request.id


def test_a_task_called_by_a_running_task_is_called_directly(app):
    """And what it sends has the running task for parent."""

    @app.task(name="inner", bind=True)
    def inner(self):
        inner.delay()
        return self.request.called_directly

    outer = TaskRequest({"id": "outer", "task": "outer", "root_id": "root"})
    outer.called_directly = False
    with running(outer):
        assert inner()

    assert ("root", "outer") == tuple(app.sender.sent[0].headers[key] for key in ("root_id", "parent_id"))


def test_retry_ends_the_run(app):
    @app.task(name="pack", bind=True)
    def pack(self):
        self.retry(countdown=5)

    request = TaskRequest({"id": "a", "task": "pack", "retries": 0})
    request.called_directly = False
    with running(request):
        with pytest.raises(Retry) as raised:
            pack.run()
        assert 5 == pack.retry(throw=False, countdown=5).when

    assert 5 == raised.value.when


async def test_an_async_send_does_not_block_the_loop(app):
    """The loop turns while the broker is slow, and the running task is the parent all the same."""
    release, asked = threading.Event(), threading.Event()

    class Slow:
        def publish(self, message):
            asked.set()
            assert release.wait(30)
            sent.append(message)

    @app.task
    def pack(): ...

    sent: list[Any] = []
    app.__dict__["sender"] = Slow()
    request = TaskRequest({"id": "outer", "task": "outer"})
    request.called_directly = False
    with running(request):
        sending = asyncio.ensure_future(pack.adelay())
    assert await asyncio.to_thread(asked.wait, 10)
    assert not sending.done()
    release.set()

    assert (await sending).id == sent[0].id
    assert "outer" == sent[0].headers["parent_id"]


def test_a_task_is_not_pickled(app):
    @app.task(name="pack")
    def pack(): ...

    with pytest.raises(TypeError, match="send its name"):
        pickle.dumps(pack)
