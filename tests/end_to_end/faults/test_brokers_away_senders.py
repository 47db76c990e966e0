"""Senders whose broker is away: each send raises in time, in threads and in coroutines."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import brokers
import pytest

from kernelq import KernelQ
from kernelq.kernel.errors import BrokerUnreachable
from kernelq_testkit.faultproxy import Fault, FaultProxy

PROMISED = 5.0
"""Seconds within which a send raises."""
THREADS, COROUTINES = 8, 1_000
"""How many send at the same time, over what they share: none waits for the others."""

pytestmark = [pytest.mark.broker, pytest.mark.slow]


@pytest.fixture(params=["redis", "amqp"])
def far(request: pytest.FixtureRequest) -> Iterator[brokers.Broker]:
    """Each broker in turn, with a place of its own."""
    made = brokers.ALL[request.param]()
    yield made
    made.close()


@pytest.fixture
def settings(far: brokers.Broker, tmp_path: Path) -> dict[str, Any]:
    """What names the broker."""
    return {**far.settings(tmp_path, brokers.DEFAULT_LEASE), "result_backend": None}


@pytest.fixture
def app(settings: dict[str, Any]) -> Iterator[Callable[[int], KernelQ]]:
    """A function that makes an app whose broker is to be found at that port."""
    made: list[KernelQ] = []

    def make(port: int) -> KernelQ:
        parts = urlsplit(settings["broker_url"])
        url = parts._replace(netloc=parts.netloc.replace(f":{parts.port}", f":{port}")).geturl()
        made.append(KernelQ("sender", **{**settings, "broker_url": url}))
        return made[-1]

    yield make
    for each in made:
        each.close()


def nobody(stack: ExitStack, _port: int) -> tuple[int, Callable[[], None]]:
    """Nobody listens at the port, which stays bound."""
    bound = stack.enter_context(socket.socket())
    bound.bind(("127.0.0.1", 0))
    return bound.getsockname()[1], lambda: None


def mute(stack: ExitStack, _port: int) -> tuple[int, Callable[[], None]]:
    """Somebody takes connections, and never says a word."""
    listening = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=64))
    return listening.getsockname()[1], lambda: None


def frozen(stack: ExitStack, port: int) -> tuple[int, Callable[[], None]]:
    """The network falls silent when the connection stands and has been used."""
    proxy = stack.enter_context(FaultProxy("127.0.0.1", port))
    return proxy.port, lambda: proxy.set(Fault.FREEZE)


@pytest.mark.parametrize("away", [nobody, mute, frozen])
async def test_every_send_raises_in_time(
    settings: dict[str, Any], app: Any, away: Any, scale: Any, figure: Any
) -> None:
    """Also of many at a time; the event loop turns meanwhile."""
    with ExitStack() as stack:
        port, fall_silent = away(stack, urlsplit(settings["broker_url"]).port)
        sender = app(port)

        @sender.task(name="tasks.work")
        def work(key: str) -> None:
            """Is never run."""

        if away is frozen:
            work.delay("accepted")
            await work.adelay("accepted")
        fall_silent()
        pool = stack.enter_context(ThreadPoolExecutor(THREADS))
        loop = asyncio.get_running_loop()
        threads = [loop.run_in_executor(pool, _seconds, work.delay) for _ in range(THREADS)]
        coroutines = [_aseconds(work.adelay) for _ in range(COROUTINES)]
        ended = asyncio.Event()
        turning = asyncio.create_task(_longest_pause(ended))
        took = await asyncio.gather(*threads, *coroutines)
        ended.set()
        pause = await turning
    figure("delay, adelay, pause of the loop, s",
           f"{max(took[:THREADS]):.2f} {max(took[THREADS:]):.2f} {pause:.2f}")  # fmt: skip
    assert max(took) <= scale.bound(PROMISED)
    assert pause <= scale.bound(1.0)


def _seconds(send: Callable[[str], Any]) -> float:
    began = time.monotonic()
    with pytest.raises(BrokerUnreachable):
        send("refused")
    return time.monotonic() - began


async def _aseconds(send: Callable[[str], Awaitable[Any]]) -> float:
    began = time.monotonic()
    with pytest.raises(BrokerUnreachable):
        await send("refused")
    return time.monotonic() - began


async def _longest_pause(ended: asyncio.Event) -> float:
    """Return the longest that the loop did not come round for, in seconds."""
    last, longest = time.monotonic(), 0.0
    while not ended.is_set():
        await asyncio.sleep(0.01)
        longest, last = max(longest, time.monotonic() - last), time.monotonic()
    return longest
