"""Coroutine tasks under gevent: they share one event loop, which runs in a greenlet of its own.

An interpreter knows one running asyncio loop per native thread, and all greenlets are in one. So tasks do not run loops
of their own, which would find each other's; they hand their coroutines over, and wait as greenlets do. In a native
thread the loop would be out of the way, but gevent's sockets belong to the thread they were made in, and connections of
the app are shared by all its tasks.
"""

from __future__ import annotations

import asyncio
from asyncio import _get_running_loop, _set_running_loop
from collections.abc import Coroutine
from contextlib import suppress
from contextvars import copy_context
from typing import Any

import gevent
from gevent.event import Event
from gevent.selectors import GeventSelector

from kernelq.errorinfo import own_frames
from kernelq.interruptible import Interruptible, plain

own_frames(__file__)


class Coroutines:
    """Runs coroutines for the greenlets of one native thread. The loop is started for the first."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._greenlet: gevent.Greenlet | None = None
        self._inner: Coroutines | None = None
        self._closed = False

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Return what `coroutine` returns, or raise what it raises; the calling greenlet waits.

        What is raised in that greenlet meanwhile is raised in the coroutine, at the `await` where it is.
        """
        if self._greenlet is not None and gevent.getcurrent() is self._greenlet:
            return self._run_inside(coroutine)
        loop = self._loop or self._start()
        run = _Run(coroutine)
        loop.call_soon_threadsafe(run.begin)
        while not run.ended.is_set():
            try:
                run.ended.wait()
            except BaseException as error:  # noqa: BLE001  # the coroutine gets it, and says what comes of it
                loop.call_soon_threadsafe(run.interrupt, type(error))
        try:
            return run.result()
        except BaseException as error:
            raised = plain(error)
            if raised is error:
                raise
        raise raised

    def close(self) -> None:
        """End the loop. No coroutine runs by then."""
        self._closed = True
        if self._inner is not None:
            self._inner.close()
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._loop.stop)

    def _run_inside(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Run what a coroutine calls eagerly, on a second loop: the first waits for it."""
        self._inner = self._inner or Coroutines()
        ours = _get_running_loop()
        _set_running_loop(None)
        try:
            return self._inner.run(coroutine)
        finally:
            _set_running_loop(ours)

    def _start(self) -> asyncio.AbstractEventLoop:
        selector = _Selector()
        self._loop = loop = asyncio.SelectorEventLoop(selector)
        self._greenlet = gevent.spawn(self._serve, loop, selector)
        return loop

    def _serve(self, loop: asyncio.AbstractEventLoop, selector: _Selector) -> None:
        while not self._closed:
            selector.outside = _get_running_loop()
            _set_running_loop(None)
            try:
                with suppress(SystemExit, KeyboardInterrupt):  # asyncio passes these on, beside the task's own outcome
                    loop.run_forever()
            finally:
                _set_running_loop(selector.outside)
        loop.close()


class _Selector(GeventSelector):  # type: ignore[misc]  # gevent is untyped
    """Waits as greenlets do. While it waits, the loop is not the running one: other greenlets may run theirs."""

    outside: asyncio.AbstractEventLoop | None = None
    """What they have set."""

    def select(self, timeout: float | None = None) -> Any:
        ours = _get_running_loop()
        _set_running_loop(self.outside)
        try:
            if timeout is not None and timeout <= 0:
                gevent.sleep(0)  # a loop that always has something to do must let the others run too
            return super().select(timeout)
        finally:
            self.outside = _get_running_loop()
            _set_running_loop(ours)


class _Run:
    """One coroutine."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        self.ended = Event()
        self._coroutine = Interruptible(coroutine)
        self._context = copy_context()
        self._task: asyncio.Task[Any] | None = None

    def begin(self) -> None:
        loop = asyncio.get_running_loop()
        self._task = loop.create_task(self._coroutine.run(), context=self._context)
        self._task.add_done_callback(self._tell)

    def interrupt(self, error: type[BaseException]) -> None:
        self._coroutine.interrupt(error)

    def result(self) -> Any:
        assert self._task is not None
        return self._task.result()

    def _tell(self, task: asyncio.Task[Any]) -> None:
        self.ended.set()
