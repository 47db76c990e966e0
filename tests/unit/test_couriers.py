"""Coroutines that send: each is told in time, whatever the broker does, and however many they are."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from kernelq import KernelQ
from kernelq.couriers import GRACE, MOST
from kernelq.kernel.errors import BrokerUnreachable

TIMEOUT = 0.5


class Silent:
    """A sender whose broker takes what comes, and does not answer until it is let go."""

    def __init__(self):
        self.taken = []
        self.answers = threading.Event()

    def publish(self, message):
        self.taken.append(message)
        self.answers.wait(30)

    def publish_many(self, messages):
        for message in messages:
            self.publish(message)


@pytest.fixture
def app():
    app = KernelQ("a", broker="memory://", broker_connection_timeout=TIMEOUT)
    app.task(name="pack")(lambda: None)
    app.__dict__["sender"] = sender = Silent()
    yield app
    sender.answers.set()
    app.close()


async def test_all_of_many_are_told_in_time(app):
    """Those that no thread was free for are never sent; the others may have been."""
    began = time.monotonic()
    sent = await asyncio.gather(*(app.tasks["pack"].adelay() for _ in range(1_000)), return_exceptions=True)
    assert {BrokerUnreachable} == {type(error) for error in sent}
    assert time.monotonic() - began < TIMEOUT + GRACE + 5
    app.sender.answers.set()
    app._publisher.couriers.close()
    assert MOST == len(app.sender.taken)
    assert 1_000 - MOST == sum("nothing was sent" in str(error) for error in sent)


async def test_what_is_much_is_waited_for(app):
    """A bulk that the broker is still taking is not given up."""
    task = app.tasks["pack"]
    release = asyncio.get_running_loop().call_later(TIMEOUT + GRACE + 0.5, app.sender.answers.set)
    assert 200 == len(await app.asend_many([task.s() for _ in range(200)]))
    assert release.when() < asyncio.get_running_loop().time()


async def test_a_task_that_runs_eagerly_is_waited_for(app):
    """It is not the broker that is late."""
    app.conf.task_always_eager = True

    @app.task(name="slow")
    def slow():
        time.sleep(TIMEOUT + GRACE + 0.5)
        return 42

    assert 42 == (await slow.adelay()).get()


async def test_what_is_cancelled_before_its_turn_is_not_sent(app):
    """As nobody waits for it any more."""
    busy = [asyncio.ensure_future(app.tasks["pack"].adelay()) for _ in range(MOST)]
    await asyncio.to_thread(_until, lambda: MOST == len(app.sender.taken))
    late = asyncio.ensure_future(app.tasks["pack"].adelay())
    await asyncio.sleep(0)
    late.cancel()
    with pytest.raises(asyncio.CancelledError):
        await late
    app.sender.answers.set()
    await asyncio.gather(*busy)
    assert MOST == len(app.sender.taken)


async def test_a_closed_app_sends_again(app):
    """With threads anew."""
    app.sender.answers.set()
    couriers = app._publisher.couriers
    await app.tasks["pack"].adelay()
    couriers.close()
    assert "pack" == (await couriers.send(lambda: "pack"))


def _until(condition):
    ends = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < ends
        threading.Event().wait(0.01)
