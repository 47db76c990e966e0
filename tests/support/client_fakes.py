"""An app without a broker, a result store in a dict, and jobs for its executor."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from kernelq import KernelQ
from kernelq.executor import job_from_message
from kernelq.job import Job
from kernelq.kernel.contracts.backend import Placement
from kernelq.kernel.discovery import Discovery
from kernelq.kernel.errors import BackendUnreachable
from kernelq.outcome import Record
from kernelq.states import READY_STATES


class DictBackend:
    """Keeps results in this process, and refuses as often as `away` says."""

    multiprocess = False

    def __init__(self, url: str = "dict://", settings: Any = None, placement: Placement = Placement.SUPERVISOR):
        self.url = url
        self.placement = placement
        self.records: list[Record] = []
        self.payloads: dict[str, bytes] = {}
        self.away = 0
        self.waits: list[list[str]] = []
        self._changed = threading.Condition()
        self.waiters: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    def store_many(self, records: Sequence[Record]) -> None:
        if self.away:
            self.away -= 1
            raise BackendUnreachable("the dict is out for lunch")
        with self._changed:
            for record in records:
                self.records.append(record)
                self.payloads[record.task_id] = record.payload
            self._changed.notify_all()
            for loop, event in self.waiters:
                loop.call_soon_threadsafe(event.set)

    def put(self, task_id: str, **meta: Any) -> None:
        """Store a meta as any client of Celery's would."""
        payload = json.dumps({"traceback": None, "children": [], "task_id": task_id, **meta}).encode()
        self.store_many([Record(task_id, meta["status"], payload, None)])

    def get(self, task_id: str) -> bytes | None:
        return self.payloads.get(task_id)

    def _ready(self, ids: Sequence[str]) -> dict[str, bytes]:
        found = {id: self.payloads[id] for id in ids if id in self.payloads}
        return {id: payload for id, payload in found.items() if json.loads(payload)["status"] in READY_STATES}

    def wait(self, task_ids: Sequence[str], timeout: float | None) -> dict[str, bytes]:
        self.waits.append(list(task_ids))
        with self._changed:
            self._changed.wait_for(lambda: self._ready(task_ids), timeout)
            return self._ready(task_ids)

    async def wait_async(self, task_ids: Sequence[str], timeout: float | None) -> dict[str, bytes]:
        self.waits.append(list(task_ids))
        entry = (asyncio.get_running_loop(), asyncio.Event())
        self.waiters.append(entry)
        try:
            async with asyncio.timeout(timeout):
                while not self._ready(task_ids):
                    await entry[1].wait()
                    entry[1].clear()
        except builtins_timeout:
            return {}
        finally:
            self.waiters.remove(entry)
        return self._ready(task_ids)

    def forget(self, task_ids: Sequence[str]) -> None:
        for id in task_ids:
            self.payloads.pop(id, None)

    def cleanup(self) -> int:
        return 0

    def close(self) -> None:
        pass

    def safe_url(self) -> str:
        return self.url


builtins_timeout = TimeoutError


class ListSender:
    """Notes what was published."""

    def __init__(self) -> None:
        self.sent: list[Any] = []

    def publish(self, message: Any) -> None:
        self.sent.append(message)

    def publish_many(self, messages: Sequence[Any]) -> None:
        self.sent.extend(messages)

    def close(self) -> None:
        pass


class ListTransport:
    """A broker that nobody reads from; control goes over kombu's memory transport."""

    capabilities: frozenset[Any] = frozenset()

    def __init__(self, url: str, settings: Any = None):
        self.url = url
        self._sender = ListSender()

    def sender(self) -> ListSender:
        return self._sender

    def connection(self) -> Any:
        from kombu import Connection

        return Connection("memory://")

    def safe_url(self) -> str:
        return self.url


def an_app(placement: Placement = Placement.SUPERVISOR, backend: str | None = "dict://", **settings: Any) -> KernelQ:
    overrides = {
        "kernelq.backends": {"dict": lambda url, conf: DictBackend(url, conf, placement)},
        "kernelq.transports": {"list": ListTransport},
    }
    discovery = Discovery(overrides=overrides, installed=False)
    return KernelQ("app", broker="list://", backend=backend or "disabled://", discovery=discovery, **settings)


def a_job(task: Any, *args: Any, options: Mapping[str, Any] | None = None, **kwargs: Any) -> Job:
    """Return the job of a call, by way of its message."""
    return job_from_message(task.app.amqp.build(task.name, args, kwargs, dict(options or {}), task))


def raw_job(body: Any, content_type: str = "application/json", **fields: Any) -> Job:
    """Return a job for the task "app.add" with any body."""
    whole = {
        "id": 1, "task": "app.add", "task_id": "t1", "headers": {"task": "app.add", "id": "t1"}, "body": body,
        "properties": {}, "content_type": content_type, "content_encoding": "utf-8",
        "delivery_info": {"exchange": "", "routing_key": "celery"},
    }  # fmt: skip
    return attrs.evolve(Job(**whole), **fields)


def meta_of(outcome: Any) -> dict[str, Any]:
    """Return the meta of an outcome's record."""
    return json.loads(outcome.record.payload)  # type: ignore[no-any-return]
