"""A result as KernelQ carries it, one payload, and as Celery's collection has it, a document of fields."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from bson.binary import Binary

from kernelq.meta import meta
from kernelq.parts import Parts, Unreadable
from kernelq.states import READY_STATES

if TYPE_CHECKING:
    from kernelq.conf import Conf
    from kernelq.outcome import Record

EXPIRES = "kernelq_expires"
"""When the result ends, in UTC; None: never. Celery's documents have no such field."""
RAW = "kernelq_payload"
"""A payload that is kept as it is, because it is no meta."""
EXTENDED = ("name", "args", "kwargs", "worker", "retries", "queue")
BINARY = ("pickle", "msgpack")
"""Serializers whose output Celery stores as binary; that of others is text."""


class Documents:
    """Turns records into documents and documents into payloads, as one app's settings say."""

    def __init__(self, conf: Conf) -> None:
        self._parts = Parts(conf)
        self._extended = conf.result_extended
        self._expires = conf.result_expires

    def document(self, record: Record) -> dict[str, Any]:
        """Return the document of a record."""
        now = datetime.now(UTC)
        values = self._parts.take(record)
        made: dict[str, Any] = {
            "_id": record.task_id,
            "status": record.state,
            "result": None,
            "traceback": None,
            "children": [],
            "date_done": now if record.state in READY_STATES else None,
            EXPIRES: None if record.expires is None else now + timedelta(seconds=record.expires),
        }
        if values is None:
            return {**made, RAW: Binary(record.payload)}
        made["result"] = self._encoded(values["result"])
        made["traceback"] = values.get("traceback")
        made["children"] = values.get("children") or []
        kept = ("group_id", "parent_id", *(EXTENDED if self._extended else ()))
        return made | {name: values[name] for name in kept if values.get(name) is not None}

    def expired(self, document: Mapping[str, Any]) -> bool:
        """Tell whether a document is past its time."""
        at: datetime | None = document.get(EXPIRES)
        if EXPIRES not in document and document.get("date_done") and self._expires:
            at = document["date_done"] + timedelta(seconds=self._expires)
        return at is not None and at.timestamp() <= time.time()

    def payload(self, document: Mapping[str, Any]) -> bytes:
        """Return the payload of a document. What cannot be read becomes one that no reader takes, and says why."""
        raw = document.get(RAW)
        if raw is not None:
            return bytes(raw)
        try:
            return self._parts.dump(self._values(document))
        except Unreadable as why:
            return self._parts.dump({"unreadable": str(why)})

    def _values(self, document: Mapping[str, Any]) -> dict[str, Any]:
        done = document.get("date_done")
        values = {
            **meta(document["status"], self._decoded(document.get("result")), task_id=document["_id"]),
            "traceback": document.get("traceback"),
            "children": document.get("children") or [],
            "date_done": done.isoformat() if isinstance(done, datetime) else done,
        }
        if self._extended:
            values |= {name: document.get(name) for name in EXTENDED}
        return values | {name: document[name] for name in ("group_id", "parent_id") if document.get(name)}

    def _encoded(self, value: Any) -> Any:
        data = self._parts.dump(value)
        return Binary(data) if self._parts.serializer in BINARY else data.decode()

    def _decoded(self, stored: Any) -> Any:
        if stored is None:
            return None
        return self._parts.load(stored.encode() if isinstance(stored, str) else bytes(stored))
