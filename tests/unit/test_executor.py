"""The executor: whatever a job holds, it comes back as an outcome."""

from __future__ import annotations

import asyncio
import contextvars
import ctypes
import functools
import gc
import json
import pickle
import threading
import weakref
import zlib
from typing import Any

import attrs
import pytest
from client_fakes import a_job, an_app, meta_of, raw_job
from hypothesis import given
from hypothesis import strategies as st

from kernelq.context import current
from kernelq.delivery import Verdict
from kernelq.exceptions import Ignore, Reject, SoftTimeLimitExceeded, TimeLimitInterrupt
from kernelq.executor import run_coroutine
from kernelq.interruptible import Interruptible
from kernelq.kernel.contracts.backend import Placement
from kernelq.kernel.hooks import hookimpl

APP = an_app()


@APP.task(name="app.add")
def add(x: int, y: int) -> int:
    return x + y


def execute(task: Any, *args: Any, **options: Any) -> Any:
    return task.app.executor("w@h")(a_job(task, *args, **options))


def test_a_task_that_returns_is_acknowledged_with_its_result():
    outcome = execute(add, 1, 2)

    assert ("SUCCESS", Verdict.ACK, "3") == (outcome.state, outcome.verdict, outcome.detail)
    assert 3 == meta_of(outcome)["result"]
    assert outcome.runtime >= 0


def test_a_task_that_raises_fails_with_a_traceback_that_begins_at_its_own_frame():
    app = an_app()

    @app.task
    def broken() -> None:
        raise ValueError("no")

    outcome = execute(broken)

    assert ("FAILURE", Verdict.ACK, "ValueError('no')") == (outcome.state, outcome.verdict, outcome.detail)
    lines = outcome.traceback.splitlines()
    assert "Traceback (most recent call last):" == lines[0]
    assert "in broken" in lines[1]
    assert "kernelq/executor.py" not in outcome.traceback
    assert outcome.traceback == meta_of(outcome)["traceback"]


def test_wrong_arguments_are_the_tasks_failure():
    outcome = APP.executor("w@h")(raw_job(b"[[1], {}, null]"))

    assert "FAILURE" == outcome.state
    assert "TypeError" in outcome.detail


@pytest.mark.parametrize(
    "error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit(), MemoryError(), RecursionError()]
)
def test_what_would_end_the_process_ends_the_task_only(error):
    app = an_app()

    @app.task
    def leave() -> None:
        raise error

    assert "FAILURE" == execute(leave).state


class Hostile(Exception):
    """An exception whose every method raises."""

    def __str__(self) -> str:
        raise RuntimeError("str")

    __repr__ = __str__


def test_an_exception_that_can_be_neither_shown_nor_stored_is_a_failure_all_the_same():
    app = an_app()

    @app.task
    def broken() -> None:
        raise Hostile(object(), lambda: 0, b"\xff")

    outcome = execute(broken)

    assert "FAILURE" == outcome.state
    assert "Hostile" == meta_of(outcome)["result"]["exc_type"]


def test_a_result_that_cannot_be_written_is_a_failure_that_says_so():
    app = an_app()

    @app.task
    def unwritable() -> object:
        return object()

    outcome = execute(unwritable)

    assert "FAILURE" == outcome.state
    assert ("EncodeError", "kombu.exceptions") == (
        meta_of(outcome)["result"]["exc_type"],
        meta_of(outcome)["result"]["exc_module"],
    )


@pytest.mark.parametrize("circular", [[], {}])
def test_a_result_without_end_is_a_failure(circular):
    app = an_app()

    @app.task
    def endless() -> Any:
        if isinstance(circular, list):
            circular.append(circular)
        else:
            circular["it"] = circular
        return circular

    assert "FAILURE" == execute(endless).state


def test_a_result_beyond_the_size_limit_is_a_failure():
    app = an_app(max_message_bytes=2000)

    @app.task
    def large() -> str:
        return "x" * 3000

    outcome = execute(large)

    assert "FAILURE" == outcome.state
    assert "ResultTooLarge" == meta_of(outcome)["result"]["exc_type"]


def test_ignore_stores_nothing_and_acknowledges():
    app = an_app()

    @app.task
    def ignored() -> None:
        raise Ignore

    outcome = execute(ignored)

    assert ("IGNORED", Verdict.ACK, None) == (outcome.state, outcome.verdict, outcome.record)


@pytest.mark.parametrize(("requeue", "verdict"), [(True, Verdict.REQUEUE), (False, Verdict.BURY)])
def test_reject_returns_or_buries_the_message(requeue, verdict):
    app = an_app()

    @app.task
    def rejecting() -> None:
        raise Reject("no room", requeue=requeue)

    outcome = execute(rejecting)

    assert ("REJECTED", verdict) == (outcome.state, outcome.verdict)
    assert "no room" in outcome.reason


def test_a_soft_time_limit_that_is_not_caught_is_a_failure_celery_knows_by_name():
    app = an_app()

    @app.task
    def slow() -> None:
        raise SoftTimeLimitExceeded()

    outcome = execute(slow)

    assert ("FAILURE", Verdict.ACK) == (outcome.state, outcome.verdict)
    assert "billiard.exceptions" == meta_of(outcome)["result"]["exc_module"]


def test_a_hard_time_limit_among_other_tasks_is_a_failure_celery_knows_by_name():
    app = an_app()

    @app.task
    def slow() -> None:
        raise TimeLimitInterrupt

    outcome = execute(slow)

    assert ("FAILURE", Verdict.ACK, "TimeLimitExceeded(None)") == (outcome.state, outcome.verdict, outcome.detail)
    assert "billiard.exceptions" == meta_of(outcome)["result"]["exc_module"]
    assert "in slow" in outcome.traceback


@pytest.mark.parametrize("limit", [SoftTimeLimitExceeded, TimeLimitInterrupt])
def test_a_failure_that_is_not_to_be_acknowledged_is_buried(limit):
    app = an_app()

    @app.task(acks_on_timeout=False)
    def slow() -> None:
        raise limit

    outcome = execute(slow)

    assert Verdict.BURY == outcome.verdict
    assert "acks_on_timeout" in outcome.reason


def test_an_async_task_runs_on_the_threads_own_loop():
    app = an_app()

    @app.task(name="app.waits")
    async def waits(x: int) -> tuple[int, str]:
        await asyncio.sleep(0)
        return x, current().task

    executor = app.executor("w@h")
    outcome = executor(a_job(waits, 4))
    executor.close()

    assert [4, "app.waits"] == meta_of(outcome)["result"]


def test_a_threads_loop_is_closed_when_the_thread_has_ended():
    loops: list[asyncio.AbstractEventLoop] = []
    app = an_app()

    @app.task(name="app.waits")
    async def waits() -> None:
        loops.append(asyncio.get_running_loop())

    executor = app.executor("w@h")
    thread = threading.Thread(target=lambda: executor(a_job(waits)))
    thread.start()
    thread.join()

    assert [True] == [loop.is_closed() for loop in loops]


def test_a_pool_may_run_coroutines_elsewhere():
    """Where its threads cannot keep an event loop; eager calls inside its tasks are run there too."""
    app = an_app()

    @app.task
    async def waits(x: int) -> int:
        await asyncio.sleep(0)
        return x

    @app.task
    def eager(x: int) -> int:
        return waits.apply((x,)).get()

    executor, elsewhere, context = app.executor("w@h"), asyncio.new_event_loop(), contextvars.copy_context()
    ran: list[object] = []

    def run(coroutine: Any) -> Any:
        ran.append(coroutine)
        return elsewhere.run_until_complete(coroutine)

    context.run(run_coroutine.set, run)
    assert 3 == meta_of(context.run(executor, a_job(waits, 3)))["result"]
    assert 4 == meta_of(context.run(executor, a_job(eager, 4)))["result"]
    assert 2 == len(ran)
    assert None is executor._loops.__dict__.get("kept")
    elsewhere.close()


async def test_an_async_task_runs_eagerly_inside_a_running_loop():
    app = an_app()

    @app.task
    async def waits() -> int:
        await asyncio.sleep(0)
        return 4

    assert 4 == waits.apply().get()


async def test_execute_async_runs_coroutines_on_the_running_loop_side_by_side():
    app = an_app()
    both = asyncio.Barrier(2)

    @app.task
    async def meets() -> str:
        await both.wait()
        return current().id

    executor = app.executor("w@h")
    jobs = [a_job(meets), a_job(meets)]
    outcomes = await asyncio.gather(*[executor.execute_async(job) for job in jobs])

    assert [job.task_id for job in jobs] == [meta_of(one)["result"] for one in outcomes]


async def test_execute_async_runs_a_plain_function_aside():
    outcome = await APP.executor("w@h").execute_async(a_job(add, 1, 2))

    assert 3 == meta_of(outcome)["result"]


@pytest.mark.parametrize("own", [True, False])
async def test_a_cancelled_task_has_failed_whoever_cancelled_it(own):
    app = an_app()
    begun = asyncio.Event()

    @app.task
    async def waits() -> None:
        if own:
            raise asyncio.CancelledError
        begun.set()
        await asyncio.Event().wait()

    executor = app.executor("w@h")
    running = asyncio.create_task(executor.execute_async(a_job(waits)))
    if not own:
        await begun.wait()
        running.cancel()
    outcome = await running

    assert ("FAILURE", Verdict.ACK) == (outcome.state, outcome.verdict)
    assert "CancelledError" == meta_of(outcome)["result"]["exc_type"]


@pytest.mark.parametrize(("error", "stored"), [(SoftTimeLimitExceeded, "Soft"), (TimeLimitInterrupt, "")])
async def test_an_interrupted_coroutine_fails_with_the_limit_it_has_passed(error, stored):
    app = an_app()
    begun = asyncio.Event()

    @app.task
    async def waits() -> None:
        begun.set()
        await asyncio.Event().wait()

    job = attrs.evolve(a_job(waits), hard=7.0)
    awaited = Interruptible(app.executor("w@h").execute_async(job))
    running = asyncio.create_task(awaited.run())
    await begun.wait()
    awaited.interrupt(error)
    outcome = await running

    expected = {"exc_type": stored + "TimeLimitExceeded", "exc_module": "billiard.exceptions"}
    assert expected == {key: meta_of(outcome)["result"][key] for key in expected}
    assert ([] if stored else [7.0]) == meta_of(outcome)["result"]["exc_message"]
    assert "CancelledError" not in outcome.traceback


async def test_a_plain_function_runs_whole_in_one_thread():
    """Its hooks too: what they open and close for it may belong to the thread."""
    app, threads = an_app(), set()

    class Plugin:
        @hookimpl
        def task_prerun(self):
            threads.add(threading.get_ident())

        task_postrun = task_prerun

    app.register(Plugin())
    outcome = await app.executor("w@h").execute_async(a_job(app.task(name="app.ident")(threading.get_ident)))

    assert {meta_of(outcome)["result"]} == threads
    assert threading.get_ident() not in threads


async def test_a_wrapper_of_a_coroutine_function_may_return_the_coroutine_or_run_it():
    app = an_app()

    async def inner() -> str:
        return threading.current_thread().name

    @functools.wraps(inner)
    def passes_on() -> Any:
        return inner()

    @functools.wraps(inner)
    def runs() -> Any:
        return asyncio.run(inner())

    executor = app.executor("w@h")
    passing, running = app.task(name="app.passes_on")(passes_on), app.task(name="app.runs")(runs)

    assert [True, True] == [executor.is_async(a_job(task)) for task in (passing, running)]
    outcome = await executor.execute_async(a_job(passing))
    assert threading.current_thread().name == meta_of(outcome)["result"]
    assert "SUCCESS" == (await executor.execute_async(a_job(running))).state
    for task in (passing, running):
        assert "SUCCESS" == (await asyncio.to_thread(executor, a_job(task))).state


def test_which_jobs_are_awaited():
    executor = APP.executor("w@h")

    assert [False, False] == [executor.is_async(job) for job in (a_job(add, 1, 2), raw_job(b"", task="app.nothing"))]


class SlowStore:
    """Makes a store of results wait for `let_go`."""

    def __init__(self, app: Any) -> None:
        self.begun, self.let_go, self.threads = threading.Event(), threading.Event(), set()
        self._store_many, app.backend.store_many = app.backend.store_many, self.store_many

    def store_many(self, records: Any) -> None:
        self.threads.add(threading.get_ident())
        self.begun.set()
        assert self.let_go.wait(10)
        self._store_many(records)


async def test_a_store_that_waits_holds_up_no_other_coroutine():
    app = an_app(Placement.HOST, task_track_started=True)
    store = SlowStore(app)

    @app.task
    async def plain() -> int:
        return 3

    running = asyncio.create_task(app.executor("w@h").execute_async(a_job(plain)))
    await asyncio.to_thread(store.begun.wait, 10)
    assert not running.done()
    store.let_go.set()

    assert "SUCCESS" == (await running).state
    assert ["STARTED", "SUCCESS"] == [record.state for record in app.backend.records]
    assert threading.get_ident() not in store.threads


@pytest.mark.parametrize(("tracks", "states"), [(False, ["SUCCESS"]), (True, ["STARTED", "FAILURE"])])
async def test_an_interrupt_does_not_tear_what_is_being_stored(tracks, states):
    """While the result is stored it comes too late; while STARTED is stored it is raised when that is done."""
    app = an_app(Placement.HOST, task_track_started=tracks)
    store = SlowStore(app)

    @app.task
    async def plain() -> int:
        return 3

    awaited = Interruptible(app.executor("w@h").execute_async(a_job(plain)))
    running = asyncio.create_task(awaited.run())
    await asyncio.to_thread(store.begun.wait, 10)
    awaited.interrupt(SoftTimeLimitExceeded)
    await asyncio.sleep(0)
    store.let_go.set()

    assert states[-1] == (await running).state
    assert states == [record.state for record in app.backend.records]


def test_an_interrupted_loop_raises_in_the_coroutine_where_it_waits():
    app = an_app()
    begun = threading.Event()

    @app.task
    async def cleans_up() -> str:
        begun.set()
        try:
            await asyncio.sleep(60)
        except SoftTimeLimitExceeded:
            await asyncio.sleep(0)
        return "clean"

    executor = app.executor("w@h")
    outcomes: list[Any] = []

    def work() -> None:
        outcomes.append(executor(attrs.evolve(a_job(cleans_up), soft=1.0)))
        executor.close()

    thread = threading.Thread(target=work)
    thread.start()
    assert begun.wait(10)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(SoftTimeLimitExceeded))
    thread.join(10)

    assert ["clean"] == [meta_of(outcome)["result"] for outcome in outcomes]


def test_jobs_in_two_threads_do_not_see_each_others_request():
    app = an_app()
    both = threading.Barrier(2)

    @app.task(bind=True)
    def who(self) -> str:
        both.wait(30)
        return self.request.id

    executor = app.executor("w@h")
    jobs = [a_job(who), a_job(who)]
    outcomes: dict[int, Any] = {}

    def work(number: int) -> None:
        outcomes[number] = executor(jobs[number])

    threads = [threading.Thread(target=work, args=(number,)) for number in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [job.task_id for job in jobs] == [meta_of(outcomes[number])["result"] for number in (0, 1)]


def test_the_request_is_gone_when_the_task_has_ended():
    execute(add, 1, 2)

    assert current() is None


BURIED = {
    "not JSON": (raw_job(b"{"), "malformed JSON"),
    "not UTF-8": (raw_job(b"\xff\xfe"), "malformed JSON"),
    "empty": (raw_job(b""), "malformed JSON"),
    "a number": (raw_job(b"7"), "neither"),
    "two parts": (raw_job(b"[[], {}]"), "neither"),
    "args no list": (raw_job(b'["ab", {}, null]'), "args is str"),
    "kwargs no mapping": (raw_job(b"[[], [1], null]"), "kwargs"),
    "embed no mapping": (raw_job(b"[[], {}, [1]]"), "embed is list"),
    "unknown type tag": (raw_job(b'[[{"__type__": "evil", "__value__": 1}], {}, null]'), "malformed JSON"),
    "malformed type tag": (raw_job(b'[[{"__type__": "uuid", "__value__": 1}], {}, null]'), "malformed JSON"),
    "too deep": (raw_job(b"[" * 100_000 + b"]" * 100_000), "too deep"),
    "beyond the depth limit": (raw_job(b"[[" + b"[" * 70 + b"]" * 70 + b"], {}, null]"), "deeper than 64"),
    "unknown task": (raw_job(b"[[], {}, null]", task="app.nothing"), "app.nothing"),
    "unknown encoding": (raw_job(b"[[], {}, null]", content_encoding="klingon"), "klingon"),
    "unknown compression": (raw_job(b"x", headers={"compression": "application/x-rar"}), "x-rar"),
    "broken compression": (raw_job(b"x", headers={"compression": "application/x-gzip"}), "x-gzip"),
    "a bomb": (raw_job(zlib.compress(b"[" * 70_000_000), headers={"compression": "application/x-gzip"}), "more than"),
    "too large": (raw_job(b" " * (16 * 1024 * 1024 + 1)), "max_message_bytes"),
    "no bytes": (raw_job(object()), "not bytes"),
    "headers of None": (raw_job(b"[[], {}, null]", headers=None), "cannot be decoded"),
}


@pytest.mark.parametrize("name", sorted(BURIED))
def test_a_malformed_message_is_buried_with_the_reason(name):
    job, reason = BURIED[name]
    outcome = APP.executor("w@h")(job)

    assert ("REJECTED", Verdict.BURY) == (outcome.state, outcome.verdict)
    assert reason in outcome.reason


class Bomb:
    """Its unpickling would be seen."""

    exploded = False

    def __reduce__(self) -> Any:
        return (setattr, (Bomb, "exploded", True))


def test_pickle_is_refused_before_a_byte_of_it_is_interpreted():
    job = raw_job(pickle.dumps(Bomb()), "application/x-python-serialize", content_encoding="binary")

    outcome = APP.executor("w@h")(job)

    assert Verdict.BURY == outcome.verdict
    assert "accept_content" in outcome.reason
    assert not Bomb.exploded


def test_protocol_1_and_mixed_bodies_run_too():
    execute = APP.executor("w@h")

    assert 3 == meta_of(execute(raw_job(b'{"task": "app.add", "id": "t1", "args": [1, 2], "kwargs": {}}')))["result"]
    assert 3 == meta_of(execute(raw_job(b'{"args": [1], "kwargs": {"y": 2}, "callbacks": null}')))["result"]


def test_a_compressed_body_is_unpacked():
    job = raw_job(zlib.compress(b"[[1, 2], {}, null]"), headers={"compression": "application/x-gzip"})

    assert 3 == meta_of(APP.executor("w@h")(job))["result"]


JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


@given(body=st.binary(max_size=200) | JSONS.map(lambda value: json.dumps(value).encode()))
def test_no_body_makes_the_executor_raise(body):
    outcome = APP.executor("w@h")(raw_job(body))

    assert outcome.state in ("SUCCESS", "FAILURE", "REJECTED")


@given(embed=st.dictionaries(st.sampled_from(["callbacks", "errbacks", "chain", "chord"]), JSONS), fails=st.booleans())
def test_no_embed_makes_the_executor_raise(embed, fails):
    body = json.dumps([[1] if fails else [1, 2], {}, embed]).encode()
    outcome = APP.executor("w@h")(raw_job(body))

    assert outcome.state in ("SUCCESS", "FAILURE", "REJECTED")


@given(headers=st.dictionaries(st.sampled_from(["retries", "timelimit", "group", "stamps", "stamped_headers", "expires",
                                                "eta", "ignore_result", "parent_id", "root_id"]), JSONS))  # fmt: skip
def test_no_header_makes_the_executor_raise(headers):
    app = an_app(result_extended=True)

    @app.task(name="app.add", autoretry_for=(ValueError,), retry_backoff=True)
    def failing(x: int, y: int) -> None:
        raise ValueError(x)

    outcome = app.executor("w@h")(raw_job(b"[[1, 2], {}, null]", headers=headers))

    assert outcome.state in ("SUCCESS", "FAILURE", "REJECTED", "RETRY")


def test_started_is_reported_to_the_supervisor_where_it_stores():
    app = an_app(task_track_started=True)

    @app.task
    def plain() -> None: ...

    records: list[Any] = []
    app.executor("w@h")(a_job(plain), started=records.append)

    assert ["STARTED"] == [record.state for record in records]
    assert b'"hostname": "w@h"' in records[0].payload


def test_where_the_host_stores_the_outcome_carries_no_record():
    app = an_app(Placement.HOST, task_track_started=True)

    @app.task
    def plain() -> int:
        return 5

    outcome = execute(plain)

    assert outcome.record is None
    assert ["STARTED", "SUCCESS"] == [record.state for record in app.backend.records]


def test_a_store_that_comes_back_in_time_costs_nothing():
    app = an_app(Placement.HOST)
    app.backend.away = 2

    @app.task
    def plain() -> None: ...

    assert Verdict.ACK == execute(plain).verdict
    assert ["SUCCESS"] == [record.state for record in app.backend.records]


@pytest.mark.parametrize("fails", [False, True])
def test_a_store_that_stays_away_returns_the_delivery(fails):
    """Nothing is published either: the task runs again, and sends its links then."""
    app = an_app(Placement.HOST, result_backend_max_retries=0)
    app.backend.away = 10

    @app.task
    def plain() -> None:
        if fails:
            raise ValueError

    outcome = execute(plain, options={"link": [plain.s()]})

    assert Verdict.DEFER == outcome.verdict
    assert "could not be stored" in outcome.reason
    assert () == outcome.messages


def test_without_a_store_nothing_is_recorded():
    app = an_app(backend=None)

    @app.task
    def plain() -> None: ...

    assert execute(plain).record is None


@pytest.mark.parametrize("limit", [SoftTimeLimitExceeded, TimeLimitInterrupt])
@pytest.mark.parametrize("line", ["read", "encode", "succeeded", "failed", "start"])
def test_a_time_limit_that_strikes_outside_the_task_loses_nothing(line, limit, monkeypatch):
    """It comes from another thread, and so at any line."""
    app = an_app()

    @app.task(trail=False, autoretry_for=(BaseException,) if limit is TimeLimitInterrupt else ())
    def plain() -> list[int]:
        if line == "failed" and struck is not None:
            raise ValueError
        return []

    struck: list[int] | None = None
    executor = app.executor("w@h")
    job = a_job(plain)
    executor(job)
    tracer = executor._tracers[plain.name]
    target = {"read": executor._bodies, "encode": tracer._writer, "succeeded": tracer, "failed": tracer,
              "start": tracer}[line]  # fmt: skip
    struck = []
    real = getattr(type(target), line)

    def strike(self: Any, *args: Any) -> Any:
        if not struck:
            struck.append(1)
            raise limit
        return real(self, *args)

    monkeypatch.setattr(type(target), line, strike)
    try:
        outcome = executor(job)
    except limit as error:  # the task has not begun, and whoever runs the job tells
        assert "read" == line
        outcome = executor.interrupted(job, error)

    expected = {SoftTimeLimitExceeded: "SoftTimeLimitExceeded", TimeLimitInterrupt: "TimeLimitExceeded"}[limit]
    assert expected == meta_of(outcome)["result"]["exc_type"]


def test_a_hard_limit_that_strikes_after_a_soft_one_is_the_failure():
    app = an_app()

    @app.task
    def slow() -> None:
        raise SoftTimeLimitExceeded

    executor = app.executor("w@h")
    job = attrs.evolve(a_job(slow), hard=2.0)
    executor._compile(slow.name)
    tracer = executor._tracers[slow.name]
    strikes = [SoftTimeLimitExceeded, TimeLimitInterrupt]

    def strike(*args: Any) -> None:
        if strikes:
            raise strikes.pop(0)

    tracer._handle = strike
    outcome = executor(job)

    assert "TimeLimitExceeded" == meta_of(outcome)["result"]["exc_type"]
    assert [2.0] == meta_of(outcome)["result"]["exc_message"]


def test_a_limit_that_strikes_at_the_last_line_comes_too_late(monkeypatch):
    executor = APP.executor("w@h")

    class Striking:
        def set(self, request: Any) -> None: ...

        def reset(self, token: Any) -> None:
            raise TimeLimitInterrupt

    monkeypatch.setattr("kernelq.executor._current", Striking())

    assert "SUCCESS" == executor(a_job(add, 1, 2)).state


def test_an_outcome_can_cross_to_another_process():
    app = an_app()

    @app.task(bind=True)
    def each(self, kind: str) -> None:
        if kind == "retry":
            self.retry(exc=Hostile())
        raise Hostile

    executor = app.executor("w@h")
    for job in (a_job(each, "retry"), a_job(each, "fail"), raw_job(b"{"), raw_job(b"", headers=None)):
        assert pickle.loads(pickle.dumps(executor(job))).state


def test_a_failure_is_freed_without_the_garbage_collector():
    """A cycle through the traceback would keep every local of the task until a collection."""
    app = an_app()
    died: list[weakref.ref[Any]] = []

    class Large:
        pass

    @app.task
    def broken() -> None:
        large = Large()
        died.append(weakref.ref(large))
        raise ValueError("no")

    executor = app.executor("w@h")
    job = a_job(broken)
    gc.disable()
    try:
        executor(job)
        assert None is died[0]()
    finally:
        gc.enable()


def test_only_tasks_with_a_trail_note_their_children():
    app = an_app()

    @app.task
    def child() -> None: ...

    @app.task(trail=False)
    def quiet() -> None:
        child.delay()

    @app.task
    def parent() -> str:
        return child.delay().id

    assert [] == meta_of(execute(quiet))["children"]
    noted = meta_of(execute(parent))
    assert [[[noted["result"], None], None]] == noted["children"]
