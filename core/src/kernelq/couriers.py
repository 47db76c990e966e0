"""Couriers: the threads in which coroutines send, so that no event loop waits for a broker."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TYPE_CHECKING, TypeVar

from kernelq.kernel.errors import BrokerUnreachable
from kernelq.publishing import ERRAND, Errand

if TYPE_CHECKING:
    from kernelq.app import KernelQ

T = TypeVar("T")

MOST = 16
"""Threads of one app. They are its own: asyncio's are few, and whatever else the program gives them waits as well."""
GRACE = 0.5
"""Seconds beyond ``broker_connection_timeout`` for which a coroutine waits for its send."""
_LOOK = 0.25  # seconds between two looks at what is late, and is not with the broker


class Couriers:
    """Sends for coroutines. However many wait, and however few threads there are: each is told in time."""

    def __init__(self, app: KernelQ) -> None:
        self._app = app
        self._pool: ThreadPoolExecutor | None = None
        self._pid = 0

    async def send(self, work: Callable[[], T]) -> T:
        """Return what `work` returns, in a thread, with the context of the caller.

        Raises `BrokerUnreachable` also where no thread was free for it, or the broker has not answered, for
        ``broker_connection_timeout`` and a moment. What is late for another reason, since a task runs eagerly say, or
        since it is much, is waited for.
        """
        errand = Errand()
        context = copy_context()
        context.run(ERRAND.set, errand)
        future = self._threads().submit(context.run, work)
        answer = asyncio.wrap_future(future)
        late = time.monotonic() + self._app.conf.broker_connection_timeout + GRACE
        try:
            while True:
                await asyncio.wait((answer,), timeout=max(late - time.monotonic(), _LOOK))
                if answer.done():
                    return answer.result()
                if future.cancel() or errand.publishing:
                    raise self._late(begun=not future.cancelled())
        finally:
            answer.cancel()  # nobody asks for what comes of it, and what has not begun is not sent

    def close(self) -> None:
        """Let the threads end once what they send has been sent; a later send has others."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=False)

    def _threads(self) -> ThreadPoolExecutor:
        if self._pool is None or self._pid != os.getpid():  # a forked child has none of its parent's
            self._pool, self._pid = ThreadPoolExecutor(MOST, "kernelq-send"), os.getpid()
        return self._pool

    def _late(self, begun: bool) -> BrokerUnreachable:
        seconds = self._app.conf.broker_connection_timeout
        url = self._app.transport.safe_url()
        if begun:
            return BrokerUnreachable(f"the broker at {url} has not answered for {seconds:g} seconds")
        return BrokerUnreachable(
            f"nothing was sent to the broker at {url}: for {seconds:g} seconds others waited for its answer"
        )
