"""The results that come to this process: one connection with one thread, for all who wait."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import threading
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import attrs
from kombu import serialization

from kernelq.forks import after_fork
from kernelq.kernel.errors import BrokerLost, BrokerUnreachable
from kernelq.states import READY_STATES, SUCCESS
from kernelq_amqp.flight import Open
from kernelq_amqp.tables import properties

if TYPE_CHECKING:
    from kernelq.kernel.settings import Settings
    from kernelq_amqp.connector import Connector
    from kernelq_amqp.link import Link

log = logging.getLogger("kernelq.amqp")

MOST = 10_000
"""Results that are kept for somebody to ask; beyond them the oldest goes."""
UNUSED = 300_000
"""Milliseconds that the queue outlives its consumer: long enough for a broken connection, and no orphan for long."""
LOOK = 1.0
"""Seconds between looks at the heartbeat, and at whether it is all over."""
PAUSE = 1.0
"""Seconds between attempts to connect again."""


@attrs.frozen
class Reply:
    """A result that has come."""

    payload: bytes
    state: str
    until: float
    """Monotonic seconds when it expires."""


class Replies:
    """Takes results from a queue of this process's own and wakes who waits for them. Thread-safe; fork-safe."""

    def __init__(self, connector: Connector, settings: Settings | None) -> None:
        self._connector = connector
        name = getattr(settings, "result_serializer", None) or "json"
        self.content: tuple[str, str] = serialization.registry._encoders[name][:2]
        """Content type and encoding of results."""
        accepted = getattr(settings, "result_accept_content", None) or getattr(settings, "accept_content", ["json"])
        self._accept = serialization.prepare_accept_content(accepted)
        self._lasting = float(getattr(settings, "result_expires", None) or 86400.0)
        self._forked()
        after_fork(self._forked)

    def _forked(self) -> None:
        self._changed = threading.Condition()
        self._starting = threading.Lock()
        self._name = str(uuid.uuid4())
        self._found: OrderedDict[str, Reply] = OrderedDict()
        self._callbacks: dict[str, set[Callable[[], None]]] = {}
        self._thread: threading.Thread | None = None
        self._ended = threading.Event()
        self._up = False

    def queue(self) -> str:
        """Return the name of this process's queue; it exists, and is consumed. Raises BrokerUnreachable."""
        if self._thread is None:
            with self._starting:
                if self._thread is None:
                    link = self._connect()
                    self._ended = threading.Event()
                    thread = threading.Thread(
                        target=self._run, args=(link, self._ended), name="kernelq rpc results", daemon=True
                    )
                    thread.start()
                    self._thread = thread
        return self._name

    def get(self, task_id: str) -> bytes | None:
        """Return what has come for a task, or None."""
        with self._changed:
            reply = self._alive(task_id)
        return None if reply is None else reply.payload

    def wait(self, task_ids: Sequence[str], timeout: float | None) -> dict[str, bytes]:
        """Wait until one of `task_ids` is ready, at most `timeout` seconds; return those that are."""
        with self._changed:
            self._changed.wait_for(lambda: self._ready(task_ids), timeout)
            return self._ready(task_ids)

    async def wait_async(self, task_ids: Sequence[str], timeout: float | None) -> dict[str, bytes]:
        """Do as `wait`, for a coroutine."""
        loop = asyncio.get_running_loop()
        came = asyncio.Event()

        def wake() -> None:
            loop.call_soon_threadsafe(came.set)

        with self._changed:
            found = self._ready(task_ids)
            if found:
                return found
            for task_id in task_ids:
                self._callbacks.setdefault(task_id, set()).add(wake)
        try:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(came.wait(), timeout)
        finally:
            with self._changed:
                self._unregister(task_ids, wake)
        with self._changed:
            return self._ready(task_ids)

    def forget(self, task_ids: Iterable[str]) -> None:
        """Drop what has come for `task_ids`."""
        with self._changed:
            for task_id in task_ids:
                self._found.pop(task_id, None)

    def cleanup(self) -> int:
        """Drop what has expired; return how many."""
        now = time.monotonic()
        with self._changed:
            old = [task_id for task_id, reply in self._found.items() if reply.until <= now]
            for task_id in old:
                del self._found[task_id]
        return len(old)

    def close(self) -> None:
        """End the thread and delete the queue. What has come stays; a later `queue` begins anew."""
        with self._starting:
            thread, self._thread = self._thread, None
            self._ended.set()
        if thread is not None and thread is not threading.current_thread():
            thread.join(2 * LOOK + self._connector.timeout)

    # -- the thread ---------------------------------------------------------------------------------------------------

    def _connect(self) -> Link:
        link = self._connector.link("rpc results")
        try:
            with self._connector.reaching():
                self._consume(link)
        except BaseException:
            link.abort()
            raise
        return link

    def _consume(self, link: Link) -> None:
        channel = link.channel()
        channel.queue_declare(self._name, durable=True, auto_delete=False, arguments={"x-expires": UNUSED})
        channel.on_deliver = partial(self._came, Open(link, channel))
        channel.basic_consume(self._name, "replies")  # acknowledged: what a broken connection had comes again

    def _run(self, link: Link, ended: threading.Event) -> None:
        alive: Link | None = link
        while not ended.is_set():
            try:
                if alive is None:
                    alive = self._connect()
                with self._connector.holding():
                    self._drain(alive, ended)
            except (BrokerLost, BrokerUnreachable) as error:
                if alive is not None:
                    log.warning("%s; results are waited for on a new connection", error)
                    alive.abort()
                alive = None
                ended.wait(PAUSE)
        if alive is not None:
            self._leave(alive)

    def _drain(self, link: Link, ended: threading.Event) -> None:
        while not ended.is_set():
            with contextlib.suppress(TimeoutError):
                link.drain_events(LOOK)
            link.tick()

    def _leave(self, link: Link) -> None:
        link.patience = LOOK
        try:
            with self._connector.holding():
                link.channel().queue_delete(self._name)
        except BrokerLost:
            link.abort()
            return
        link.part(LOOK)

    def _came(
        self, came: Open, _consumer: str, tag: int, _redelivered: bool, _route: bytes, header: bytes, body: bytes
    ) -> None:
        came.add(tag)
        self._take(header, body)
        came.ack([tag])

    def _take(self, header: bytes, body: bytes) -> None:
        try:
            found = properties(header)
        except ValueError as error:
            log.warning("a result cannot be read: %s", error)
            return
        task_id = found.get("correlation_id")
        if not task_id:
            log.warning("a result came that names no task")
            return
        lasting = self._lasting
        if str(found.get("expiration", "")).isdigit():
            lasting = int(found["expiration"]) / 1000
        self._keep(task_id, Reply(body, self._state(found, body), time.monotonic() + lasting))

    def _state(self, found: dict[str, Any], body: bytes) -> str:
        """Return the state in a result's body; one that cannot be read is ready, so that its reader learns why."""
        try:
            if found.get("content_type") == "application/json":
                meta = json.loads(body)
            else:
                meta = serialization.loads(
                    body, found.get("content_type"), found.get("content_encoding"), accept=self._accept
                )
            return str(meta["status"])
        except Exception as error:  # noqa: BLE001 - whatever a serializer raises for foreign bytes
            log.warning("a result cannot be read: %s: %s", type(error).__name__, error)
            return "FAILURE"

    def _keep(self, task_id: str, reply: Reply) -> None:
        with self._changed:
            known = self._alive(task_id)
            if known is not None and known.state == SUCCESS:
                return
            self._found[task_id] = reply
            self._found.move_to_end(task_id)
            if len(self._found) > MOST:
                self._found.popitem(last=False)
            if reply.state in READY_STATES:
                self._changed.notify_all()
                for wake in self._callbacks.get(task_id, ()):
                    wake()

    # -- with the lock held -------------------------------------------------------------------------------------------

    def _alive(self, task_id: str) -> Reply | None:
        reply = self._found.get(task_id)
        if reply is not None and reply.until <= time.monotonic():
            del self._found[task_id]
            return None
        return reply

    def _ready(self, task_ids: Sequence[str]) -> dict[str, bytes]:
        found = {}
        for task_id in task_ids:
            reply = self._alive(task_id)
            if reply is not None and reply.state in READY_STATES:
                found[task_id] = reply.payload
        return found

    def _unregister(self, task_ids: Sequence[str], wake: Callable[[], None]) -> None:
        for task_id in task_ids:
            several = self._callbacks.get(task_id)
            if several is not None:
                several.discard(wake)
                if not several:
                    del self._callbacks[task_id]
