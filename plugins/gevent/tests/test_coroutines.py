"""Coroutines under gevent: one event loop in a greenlet of its own, and greenlets that wait for it."""

from __future__ import annotations

import asyncio
import time
from contextvars import ContextVar
from typing import Any

import pytest

from kernelq.exceptions import SoftTimeLimitExceeded


def coroutines() -> Any:
    from kernelq_gevent.coroutines import Coroutines

    return Coroutines()


def test_they_share_one_loop(patched):
    """A thousand of them wait at the same time; each has the context of its greenlet."""

    def scene() -> None:
        import gevent

        given: ContextVar[int] = ContextVar("given")
        together, loops = coroutines(), set()
        met = 0

        async def waits() -> int:
            nonlocal met
            loops.add(asyncio.get_running_loop())
            met += 1
            while met < 1000:
                await asyncio.sleep(0.005)
            return given.get()

        def one(number: int) -> None:
            given.set(number)
            assert number == together.run(waits())

        with gevent.Timeout(50):
            gevent.joinall([gevent.spawn(one, number) for number in range(1000)], raise_error=True)
        assert 1 == len(loops)
        together.close()

    patched(scene)


def test_what_they_raise_is_raised_and_the_loop_lives(patched):
    def scene() -> None:
        together = coroutines()

        async def fails(kind: type[BaseException]) -> None:
            await asyncio.sleep(0)
            raise kind("no")

        for kind in (ValueError, SystemExit, KeyboardInterrupt, SystemExit, asyncio.CancelledError):
            with pytest.raises(kind):
                together.run(fails(kind))
        assert 1 == together.run(asyncio.sleep(0, 1))
        together.close()

    patched(scene)


def test_an_interrupt_is_raised_where_the_coroutine_waits(patched):
    """It may clean up, and its answer counts; what it lets through comes out as it was raised."""

    def scene() -> None:
        import gevent

        together = coroutines()
        waiting: list[str] = []

        async def cleans_up() -> str:
            waiting.append("one")
            try:
                await asyncio.sleep(60)
            except SoftTimeLimitExceeded:
                await asyncio.sleep(0)
                return "clean"
            return "late"

        async def lets_through() -> None:
            waiting.append("two")
            await asyncio.sleep(60)

        greenlets = [gevent.spawn(together.run, cleans_up()), gevent.spawn(together.run, lets_through())]
        with gevent.Timeout(50):
            while len(waiting) < 2:
                gevent.sleep(0.005)
            for greenlet in greenlets:
                gevent.get_hub().loop.run_callback(greenlet.throw, SoftTimeLimitExceeded)
            gevent.joinall(greenlets)
        assert "clean" == greenlets[0].value
        assert SoftTimeLimitExceeded is type(greenlets[1].exception)
        together.close()

    patched(scene)


def test_what_blocks_goes_to_threads_of_the_loop(patched):
    """`asyncio.to_thread` works beside it, and so does what a patched sleep does in there."""

    def scene() -> None:
        import gevent

        together = coroutines()

        async def blocks() -> str:
            await asyncio.gather(*(asyncio.to_thread(time.sleep, 0.05) for _ in range(3)))
            return "done"

        with gevent.Timeout(50):
            assert "done" == together.run(blocks())
        together.close()

    patched(scene)


def test_other_greenlets_do_not_see_the_loop(patched):
    """Plain tasks may run one of their own meanwhile, and leave this one its own."""

    def scene() -> None:
        import gevent

        together = coroutines()

        async def turns(count: int) -> int:
            for _ in range(count):
                await asyncio.sleep(0.002)
            return count

        with gevent.Timeout(50):
            shared = [gevent.spawn(together.run, turns(50)) for _ in range(5)]
            gevent.sleep(0.01)
            assert None is asyncio._get_running_loop()
            own = gevent.spawn(asyncio.run, turns(20))
            late = gevent.spawn(together.run, turns(10))
            gevent.joinall([*shared, own, late], raise_error=True)
        assert [50] * 5 + [20, 10] == [greenlet.value for greenlet in [*shared, own, late]]
        together.close()

    patched(scene)


def test_a_coroutine_may_call_a_task_eagerly(patched):
    """It blocks the loop, and a second one runs what it waits for."""

    def scene() -> None:
        import gevent

        together = coroutines()

        async def inner() -> int:
            await asyncio.sleep(0.01)
            return 1

        async def outer() -> int:
            total = 1 + int(together.run(inner()))
            await asyncio.sleep(0)
            return total

        with gevent.Timeout(50):
            greenlets = [gevent.spawn(together.run, outer()) for _ in range(3)]
            gevent.joinall(greenlets, raise_error=True)
        assert [2, 2, 2] == [greenlet.value for greenlet in greenlets]
        together.close()

    patched(scene)


def test_sockets_are_shared_with_greenlets(patched):
    """A connection of the app's may be used by plain tasks and by coroutines: all of them are in one native thread."""

    def scene() -> None:
        import socket

        import gevent

        together = coroutines()
        one, other = socket.socketpair()

        async def receives() -> bytes:
            return other.recv(1)

        with gevent.Timeout(50):
            for receive in (lambda: together.run(receives()), lambda: other.recv(1)):
                receiving = gevent.spawn(receive)
                gevent.sleep(0.01)
                one.send(b"x")
                assert b"x" == receiving.get()
        together.close()

    patched(scene)
