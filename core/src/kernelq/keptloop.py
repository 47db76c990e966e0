"""An event loop that a thread keeps from one ``async def`` task to the next."""

from __future__ import annotations

import asyncio
import contextvars
import sys
import threading
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

from kernelq.errorinfo import own_frames
from kernelq.exceptions import INTERRUPTS
from kernelq.interruptible import Interruptible, plain

own_frames(__file__)

BEAT = 0.1
"""Seconds between wake-ups of the loop while a task with a limit runs on it: what is raised in a thread from outside
arrives when the thread runs Python, and that of an idle loop does not."""
PATIENCE = 5.0
"""Seconds that a task waits, after its end, for the clean-up of async generators that it has broken off."""


class KeptLoop:
    """Runs one coroutine after the other on the same loop, so that what is bound to the loop serves them all.

    Tasks that a coroutine leaves behind stay, and go on while the next one runs. The loop is closed with `close`, or
    when nothing refers to it any more, as at the end of a thread that holds it.
    """

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._now = now = _Now()
        self.loop.set_exception_handler(now.handle)

    def run(self, coroutine: Coroutine[Any, Any, Any], *, limited: bool = False) -> Any:
        """Run to the end; return or raise what `coroutine` does.

        Where the loop is interrupted between two steps, by a signal's handler or an exception raised in this thread,
        that is raised in the coroutine, at its `await`. `limited` says that it may be interrupted so.
        """
        loop = self.loop
        self._now.awaited = awaited = Interruptible(_finished(coroutine))
        task = loop.create_task(awaited.run())
        beat = _Beat(loop) if limited else None
        while True:
            try:
                return loop.run_until_complete(task)
            except BaseException as error:
                if task.done():
                    if (raised := plain(error)) is error:
                        raise
                    break
                if loop.is_closed():
                    raise
                # A stopped loop goes on: an interrupt between a task's end and the loop's leaves a stop behind.
                if not isinstance(error, RuntimeError):
                    awaited.interrupt(type(error))
            finally:
                if task.done():
                    self._now.awaited = None
                    if beat is not None:
                        beat.timer.cancel()
        raise raised

    def close(self) -> None:
        """Cancel what is left on the loop, close its async generators, and close it. May be called twice.

        In a thread whose own loop runs it closes, and no more.
        """
        loop = self.loop
        if loop.is_closed() or loop.is_running():
            return
        try:
            if not _in_a_loop():
                loop.run_until_complete(_end())
        finally:
            loop.close()

    def __del__(self) -> None:
        with suppress(Exception):
            self.close()


def run_aside(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run in a thread of its own: this one's event loop is busy with whoever called the task eagerly."""
    context = contextvars.copy_context()
    ended: list[Any] = []
    failed: list[BaseException] = []

    def work() -> None:
        try:
            ended.append(context.run(asyncio.run, coroutine))
        except BaseException as error:  # noqa: BLE001 - it is raised in the thread that asked
            failed.append(error)

    thread = threading.Thread(target=work, name="kernelq-eager")
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return ended[0]


async def _end() -> None:
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    if left:
        await asyncio.wait(left, timeout=PATIENCE)
    await asyncio.get_running_loop().shutdown_asyncgens()


def _in_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


class _Now:
    """What a loop runs now. The loop refers to it, and so not to the `KeptLoop`, which is to be closed by its end."""

    awaited: Interruptible | None = None

    def handle(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Pass an interrupt on: the loop takes one that hits a line of a callback for the callback's own."""
        error = context.get("exception")
        if self.awaited is not None and "handle" in context and isinstance(error, INTERRUPTS):
            self.awaited.interrupt(type(error))
        else:
            loop.default_exception_handler(context)


class _Beat:
    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.timer = loop.call_later(BEAT, self._again)

    def _again(self) -> None:
        self.timer = self._loop.call_later(BEAT, self._again)


async def _finished(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Await `coroutine`, then the clean-up of async generators that it has broken off: the loop stops after it."""
    hook = sys.get_asyncgen_hooks().firstiter
    used: list[bool] = []

    def first(generator: Any) -> None:
        used.append(True)
        if hook is not None:
            hook(generator)

    sys.set_asyncgen_hooks(firstiter=first)  # the loop puts back what was there when it stops
    try:
        return await coroutine
    finally:
        if used:
            await asyncio.sleep(0)  # the loop makes tasks of the clean-ups
            closing = [task for task in asyncio.all_tasks() if type(task.get_coro()).__name__ == _CLOSING]
            if closing:
                await asyncio.wait(closing, timeout=PATIENCE)


_CLOSING = "async_generator_athrow"
"""The type of what ``aclose()`` of an async generator returns."""
