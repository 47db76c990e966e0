"""An exception raised in a coroutine from outside arrives at its `await`, and nowhere else."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from kernelq.exceptions import SoftTimeLimitExceeded, TimeLimitInterrupt
from kernelq.interruptible import Interruptible, plain


async def interrupted(
    coroutine: Callable[[], Awaitable[Any]], *errors: type[BaseException], uncancelled: bool = True
) -> Any:
    """Run `coroutine` until everything waits, then interrupt it, once for each of `errors`."""
    awaited = Interruptible(coroutine())  # type: ignore[arg-type]  # a coroutine
    task = asyncio.create_task(awaited.run())
    for error in errors or (SoftTimeLimitExceeded,):
        await settled()
        awaited.interrupt(error)
    try:
        return await task
    finally:
        assert not uncancelled or 0 == task.cancelling()


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def forever() -> None:
    await asyncio.Event().wait()


@pytest.mark.parametrize("error", [SoftTimeLimitExceeded, TimeLimitInterrupt, KeyError])
async def test_it_is_raised_where_the_coroutine_waits(error):
    async def waits() -> str:
        try:
            await forever()
        except error as caught:
            return str(type(caught).__qualname__)
        return "nothing"

    assert error.__qualname__ == await interrupted(waits, error)


async def test_the_coroutine_can_await_in_its_clean_up():
    async def waits() -> str:
        try:
            await forever()
        except SoftTimeLimitExceeded:
            async with asyncio.timeout(10):
                await asyncio.sleep(0)
        return "clean"

    assert "clean" == await interrupted(waits)


async def test_what_it_raises_is_plain_again():
    caught = None
    try:
        await interrupted(forever)
    except SoftTimeLimitExceeded as error:
        caught = plain(error)

    assert SoftTimeLimitExceeded is type(caught)
    assert caught.__traceback__ is not None
    assert caught.__context__ is None
    other = KeyError()
    assert other is plain(other)


async def test_the_tasks_of_a_group_are_cancelled():
    ended: list[int] = []

    async def child(number: int) -> None:
        try:
            await forever()
        finally:
            ended.append(number)

    async def group() -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(child(1))
            tasks.create_task(child(2))

    with pytest.raises(SoftTimeLimitExceeded):
        await interrupted(group)
    assert [1, 2] == sorted(ended)


@pytest.mark.parametrize(
    "way", [lambda one: asyncio.wait_for(one, 60), asyncio.gather, lambda one: asyncio.ensure_future(one)]
)
async def test_what_is_awaited_by_way_of_another_task_is_cancelled(way):
    ended: list[str] = []

    async def child() -> None:
        try:
            await forever()
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    async def waits() -> None:
        await way(child())

    with pytest.raises(SoftTimeLimitExceeded):
        await interrupted(waits)
    assert ["cancelled"] == ended


async def test_what_is_shielded_goes_on():
    event = asyncio.Event()

    async def child() -> str:
        await event.wait()
        return "through"

    async def waits() -> str:
        task = asyncio.create_task(child())
        try:
            await asyncio.shield(task)
        except SoftTimeLimitExceeded:
            event.set()
            return await task
        return "nothing"

    assert "through" == await interrupted(waits)


async def test_a_timeout_is_a_timeout_and_an_interrupt_is_none():
    async def waits() -> str:
        try:
            async with asyncio.timeout(0.001):
                await forever()
        except TimeoutError:
            pass
        try:
            async with asyncio.timeout(60):
                await forever()
        except TimeoutError:
            return "timeout"
        except SoftTimeLimitExceeded:
            return "interrupt"
        return "nothing"

    awaited = Interruptible(waits())
    task = asyncio.create_task(awaited.run())
    while asyncio.all_tasks() and not task.done():
        await asyncio.sleep(0.01)
        if task.get_coro().cr_await is not None and not task.cancelling():
            break
    await asyncio.sleep(0.05)
    awaited.interrupt(SoftTimeLimitExceeded)

    assert "interrupt" == await task


async def test_a_child_that_swallows_the_cancellation_does_not_keep_it_from_its_parent():
    async def stubborn() -> str:
        try:
            await forever()
        except asyncio.CancelledError:
            return "as if nothing had been"
        return ""

    async def waits() -> str:
        return await asyncio.create_task(stubborn())

    with pytest.raises(SoftTimeLimitExceeded):
        await interrupted(waits)


async def test_who_swallows_the_soft_limit_meets_the_hard_one():
    async def stubborn() -> None:
        while True:
            try:
                await forever()
            except Exception:  # noqa: BLE001 - it is what such tasks do
                continue

    with pytest.raises(TimeLimitInterrupt):
        await interrupted(stubborn, SoftTimeLimitExceeded, TimeLimitInterrupt)


async def test_a_cancellation_by_another_stays_one():
    async def waits() -> None:
        asyncio.current_task().cancel()  # type: ignore[union-attr]  # there is one
        await forever()

    task = asyncio.create_task(Interruptible(waits()).run())
    with pytest.raises(asyncio.CancelledError) as caught:
        await task
    assert asyncio.CancelledError is type(caught.value)


async def test_before_the_first_step_it_waits_for_the_first_await():
    begun: list[int] = []

    async def waits() -> None:
        begun.append(1)
        await forever()

    awaited = Interruptible(waits())
    awaited.interrupt(SoftTimeLimitExceeded)
    with pytest.raises(SoftTimeLimitExceeded):
        await asyncio.create_task(awaited.run())
    assert [1] == begun


async def test_one_that_awaits_nothing_is_not_interrupted():
    async def quick() -> int:
        return 3

    awaited = Interruptible(quick())
    awaited.interrupt(SoftTimeLimitExceeded)

    assert 3 == await asyncio.create_task(awaited.run())
    awaited.interrupt(SoftTimeLimitExceeded)
