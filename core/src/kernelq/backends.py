"""Results on their way to the store and back: encoded, bounded, stored with retries where the task ran."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from json.encoder import encode_basestring_ascii
from typing import TYPE_CHECKING, Any

from kernelq import meta
from kernelq.exceptions import ResultTooLarge, SoftTimeLimitExceeded
from kernelq.failpoint import around
from kernelq.kernel.contracts.backend import Placement
from kernelq.kernel.errors import BackendUnreachable
from kernelq.outcome import Record
from kernelq.serialization import EncodeError, compress, dumps, to_json
from kernelq.states import STARTED, SUCCESS

if TYPE_CHECKING:
    from kernelq.app import KernelQ
    from kernelq.context import TaskRequest
    from kernelq.kernel.contracts.backend import ResultBackend

MAGIC = b"\x00celery-compressed\x00"
"""Stands before a compressed result, with the compression's MIME name and a zero byte (celery/backends/base.py)."""

_QUICK: dict[type, Callable[[Any], str]] = {
    type(None): lambda value: "null",
    bool: lambda value: "true" if value else "false",
    int: int.__repr__,
    str: encode_basestring_ascii,
}


class ResultWriter:
    """Makes records for one app, and stores them where the backend wants them stored by the task's process.

    Raises `kernelq.kernel.errors.ConfigurationError` where there is no such serializer.
    """

    def __init__(self, app: KernelQ, backend: ResultBackend) -> None:
        conf = app.conf
        self._store_many = around(backend.store_many, "before_store", "after_store")
        self._serializer = conf.result_serializer
        dumps(None, self._serializer, app.discovery)  # a wrong setting shows now, not at the first result
        self._json = to_json
        self._expires = conf.result_expires or None
        self._extended = conf.result_extended
        self._compression = conf.result_compression
        self._limit = conf.max_message_bytes
        self._retries = conf.result_backend_max_retries
        self._plain = self._serializer == "json" and not self._extended and not self._compression
        self.here = backend.placement is Placement.HOST
        """Whether `keep` stores; otherwise the supervisor does."""

    def encode(self, value: Any) -> str | bytes:
        """Return `value` serialised. Raises `EncodeError`."""
        try:
            if self._serializer == "json":
                quick = _QUICK.get(type(value))
                return quick(value) if quick is not None else self._json(value)
            return dumps(value, self._serializer)[2]
        except (MemoryError, SoftTimeLimitExceeded, EncodeError):
            raise
        except Exception as error:  # a value's own methods are called, which may raise anything
            raise EncodeError(f"{type(error).__name__}: {error}") from error

    def success(self, request: TaskRequest, value: Any) -> Record:
        """Return the record of a result. Raises EncodeError, `ResultTooLarge`."""
        as_tuple = getattr(value, "as_tuple", None) if type(value) not in _QUICK else None
        if as_tuple is not None and hasattr(value, "get"):
            value = as_tuple()
        text = self.encode(value)
        wire = request.wire
        if self._plain and not wire.get("group") and not wire.get("parent_id"):
            children = request.children_or_none
            shown = self._json([one.as_tuple() for one in children]) if children else "[]"
            payload = meta.plain_success(text, request.id, shown)  # type: ignore[arg-type]  # plain means JSON
            if len(payload) > self._limit:
                raise self._too_large(len(payload))
            return Record(request.id, SUCCESS, payload, self._expires, request.reply_to)
        return self._record(request, SUCCESS, value, None)

    def failure(self, request: TaskRequest, state: str, error: BaseException | None, traceback: str | None) -> Record:
        """Return the record of a failure, retry or revoke; it never raises for what the exception holds."""
        stored = meta.failure(error, self.encode) if error is not None else None
        try:
            return self._record(request, state, stored, traceback)
        except ResultTooLarge as large:
            return self._record(request, state, meta.failure(large, self.encode), (traceback or "")[-4096:])

    def started(self, request: TaskRequest) -> Record:
        """Return the record of a task that runs now: its process and node."""
        return self._record(request, STARTED, {"pid": os.getpid(), "hostname": request.hostname}, None)

    def custom(self, task_id: str, state: str, value: Any, request: TaskRequest | None = None) -> Record:
        """Return the record of a state that a task tells of itself (`update_state`). Raises `EncodeError`."""
        running = request if request is not None and request.get("id") == task_id else None
        if isinstance(value, BaseException):
            value = meta.failure(value, self.encode)
        return self._record(running, state, value, None, task_id)

    def store(self, record: Record) -> None:
        """Store a record now, whoever stores the final one. Raises `BackendUnreachable`."""
        self._store_many((record,))

    def keep(self, record: Record) -> Record | None:
        """Store `record` and return None where this process stores; else return it, for the supervisor.

        A store that does not answer is asked again ``result_backend_max_retries`` times, which takes seconds.
        Raises `kernelq.kernel.errors.BackendUnreachable` after that.
        """
        if not self.here:
            return record
        pause = 0.05
        for left in range(self._retries, -1, -1):
            try:
                self._store_many((record,))
                return None
            except BackendUnreachable:
                if not left:
                    raise
            time.sleep(pause + random.uniform(0, pause))  # noqa: S311 - spreads load, keeps no secret
            pause = min(pause * 2, 1.0)
        return None

    def _record(
        self,
        request: TaskRequest | None,
        state: str,
        result: Any,
        traceback: str | None,
        task_id: str | None = None,
    ) -> Record:
        children = None if request is None else [one.as_tuple() for one in request.children_or_none or ()]
        id = request.id if request is not None else str(task_id)
        values = meta.meta(
            state,
            result,
            task_id=id,
            traceback=traceback,
            children=children,
            request=request,
            extended=self._extended,
        )
        data = self.encode(values)
        payload = data if isinstance(data, bytes) else data.encode("utf-8", "backslashreplace")
        if len(payload) > self._limit:
            raise self._too_large(len(payload))
        if self._compression:
            packed, kind = compress(payload, self._compression)
            payload = b"".join((MAGIC, kind.encode(), b"\x00", packed))
        return Record(id, state, payload, self._expires, None if request is None else request.reply_to)

    def _too_large(self, size: int) -> ResultTooLarge:
        return ResultTooLarge(f"the result has {size} bytes; max_message_bytes allows {self._limit}")


def reader(app: KernelQ) -> Callable[[bytes], Any]:
    """Return the function that decodes stored payloads; only ``result_accept_content`` is interpreted."""
    from kernelq.bodies import BodyReader

    conf = app.conf
    bodies = BodyReader(
        conf.result_accept_content or conf.accept_content,
        conf.max_message_bytes,
        conf.max_decompressed_bytes,
        app.discovery,
    )
    content_type, encoding, _ = dumps(None, conf.result_serializer, app.discovery)

    def loads(payload: bytes) -> Any:
        if payload.startswith(MAGIC):
            kind, _, packed = payload[len(MAGIC) :].partition(b"\x00")
            return bodies.decode(packed, content_type, encoding, kind.decode("ascii", "replace"))
        return bodies.decode(payload, content_type, encoding)

    return loads
