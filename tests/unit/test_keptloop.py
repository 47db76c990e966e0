"""A thread's event loop serves one coroutine after the other."""

from __future__ import annotations

import asyncio
import contextvars
import ctypes
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from kernelq.exceptions import SoftTimeLimitExceeded
from kernelq.keptloop import KeptLoop, run_aside


@pytest.fixture
def kept() -> Iterator[KeptLoop]:
    made = KeptLoop()
    yield made
    made.close()


def test_what_is_bound_to_the_loop_serves_the_next_coroutine(kept):
    async def begins() -> tuple[asyncio.Queue[int], asyncio.Task[None]]:
        queue: asyncio.Queue[int] = asyncio.Queue()

        async def answers() -> None:
            for number in range(3):
                await queue.put(number)
                await asyncio.sleep(0)

        return queue, asyncio.create_task(answers())

    queue, task = kept.run(begins())

    assert [0, 1, 2] == [kept.run(queue.get()) for _ in range(3)]
    assert not task.cancelled()


def test_it_raises_what_the_coroutine_raises_with_its_cause(kept):
    async def fails() -> None:
        raise ValueError("no") from KeyError("why")

    with pytest.raises(ValueError, match="no") as caught:
        kept.run(fails())
    assert KeyError is type(caught.value.__cause__)


@pytest.mark.parametrize("fails", [False, True])
def test_a_generator_that_was_broken_off_has_cleaned_up(kept, fails):
    ended: list[str] = []

    async def numbers() -> AsyncIterator[int]:
        try:
            yield 1
            yield 2
        finally:
            await asyncio.sleep(0.01)
            ended.append("clean")

    async def breaks_off() -> int:
        async for number in numbers():
            if fails:
                raise ValueError("no")
            return number
        return 0

    if fails:
        with pytest.raises(ValueError, match="no"):
            kept.run(breaks_off())
        kept.close()
    else:
        assert 1 == kept.run(breaks_off())
    assert ["clean"] == ended


def test_an_exception_from_outside_is_raised_where_an_idle_loop_waits(kept):
    begun = threading.Event()
    ended: list[Any] = []

    async def waits() -> str:
        begun.set()
        try:
            await asyncio.sleep(60)
        except SoftTimeLimitExceeded:
            await asyncio.sleep(0)
        return "clean"

    thread = threading.Thread(target=lambda: ended.append(kept.run(waits(), limited=True)))
    thread.start()
    assert begun.wait(10)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(SoftTimeLimitExceeded))
    thread.join(10)

    assert ["clean"] == ended


def test_an_exception_from_outside_that_hits_a_callback_is_raised_where_the_coroutine_waits(kept):
    def struck() -> None:
        raise SoftTimeLimitExceeded

    async def waits() -> str:
        asyncio.get_running_loop().call_soon(struck)
        try:
            await asyncio.sleep(60)
        except SoftTimeLimitExceeded:
            return "interrupted"
        return ""

    assert "interrupted" == kept.run(waits())


def test_what_a_callback_raises_is_logged(kept, caplog):
    async def waits() -> None:
        asyncio.get_running_loop().call_soon(lambda: 1 / 0)
        await asyncio.sleep(0)

    kept.run(waits())

    assert "ZeroDivisionError" in caplog.text


def test_closing_cancels_what_is_left():
    ended: list[str] = []

    async def forever() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cancelled")

    async def leaves() -> None:
        leaves.task = asyncio.create_task(forever())  # type: ignore[attr-defined]  # something has to hold it
        await asyncio.sleep(0)

    kept = KeptLoop()
    kept.run(leaves())
    kept.close()
    kept.close()

    assert ["cancelled"] == ended
    assert kept.loop.is_closed()


def test_a_stop_that_was_left_behind_ends_no_coroutine(kept):
    """An interrupt between the end of a coroutine and that of the loop leaves one."""
    kept.loop.call_soon(kept.loop.stop)

    assert "done" == kept.run(asyncio.sleep(0.01, "done"))


def test_it_is_closed_when_nothing_refers_to_it():
    kept = KeptLoop()
    loop = kept.loop
    del kept

    assert loop.is_closed()


async def test_it_is_closed_by_a_thread_whose_own_loop_runs():
    kept = await asyncio.to_thread(KeptLoop)
    kept.close()

    assert kept.loop.is_closed()


async def test_aside_it_runs_within_a_running_loop_in_the_callers_context():
    variable: contextvars.ContextVar[int] = contextvars.ContextVar("variable")
    variable.set(4)

    async def reads() -> int:
        await asyncio.sleep(0)
        return variable.get()

    async def fails() -> None:
        raise KeyError("no")

    assert 4 == run_aside(reads())
    with pytest.raises(KeyError):
        run_aside(fails())
