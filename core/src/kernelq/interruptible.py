"""An exception raised in a coroutine from outside, at the `await` where it is: how limits reach ``async def`` tasks."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Generator
from functools import lru_cache
from typing import Any

from kernelq.errorinfo import own_frames

own_frames(__file__)


class Interruptible:
    """Runs a coroutine, and lets an exception be raised in it as if its innermost `await` had raised it.

    It goes the way of a cancellation: what the coroutine waits for is cancelled, and what arrives is an exception of
    the class asked for that is an `asyncio.CancelledError` too. So ``except SoftTimeLimitExceeded`` in the task takes
    it, while task groups, ``wait_for`` and ``shield`` clean up as they do for any cancellation. The task counts as
    cancelled no longer once it has arrived (`asyncio.Task.uncancel`), so that it can await in its clean-up.
    """

    __slots__ = ("_asked", "_coroutine", "_pending", "_task")

    def __init__(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        self._coroutine = coroutine
        self._task: asyncio.Task[Any] | None = None
        self._pending: BaseException | None = None
        self._asked = False

    async def run(self) -> Any:
        """Run the coroutine to its end; to be made a task."""
        return await self

    def interrupt(self, error: type[BaseException]) -> None:
        """Raise `error` at the next turn of the loop. Only for the loop's thread; nothing happens after the end.

        One that comes before the first step is raised at the first `await`; a second replaces one not yet raised.
        """
        self._pending = _both(error)()  # type: ignore[arg-type]  # mypy takes the class for an instance: no hash
        self._ask()

    def _ask(self) -> None:
        if self._task is not None and not self._asked:
            self._asked = True
            self._task.cancel()

    def _arrived(self) -> BaseException | None:
        error, self._pending, self._asked = self._pending, None, False
        if self._task is not None:
            self._task.uncancel()
        return error

    def __await__(self) -> Generator[Any, None, Any]:
        self._task = asyncio.current_task()
        send, throw = self._coroutine.send, self._coroutine.throw
        caught: BaseException | None = None
        try:
            while True:
                waits = send(None) if caught is None else throw(caught)
                caught = None
                try:
                    if self._pending is not None:
                        self._ask()  # it came before the first step
                    yield waits
                except BaseException as error:  # noqa: BLE001 - whatever is raised here is the coroutine's to handle
                    caught = error
                if self._asked and (caught is None or isinstance(caught, asyncio.CancelledError)):
                    caught = self._arrived()  # None: what it waited for has ended as if it had not been cancelled
        except StopIteration as end:
            return end.value
        finally:
            self._task = None


def plain(error: BaseException) -> BaseException:
    """Return `error`; the plain exception of the class asked for, where `Interruptible` has raised it."""
    cls = getattr(type(error), "interrupt_class", None)
    if cls is None:
        return error
    same: BaseException = cls(*error.args).with_traceback(error.__traceback__)
    same.__cause__, same.__context__ = error.__cause__, error.__context__
    same.__suppress_context__ = error.__suppress_context__
    return same


@lru_cache
def _both(error: type[BaseException]) -> type[BaseException]:
    if issubclass(error, asyncio.CancelledError):
        return error
    names = {"__module__": error.__module__, "__qualname__": error.__qualname__, "interrupt_class": error}
    return type(error.__name__, (error, asyncio.CancelledError), names)
