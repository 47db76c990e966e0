"""The stored form of a result: Celery's meta (celery/backends/base.py, `_get_result_meta`), written and read."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from json.encoder import encode_basestring_ascii
from time import time_ns
from types import ModuleType
from typing import Any

from kernelq import exceptions
from kernelq.exceptions import RemoteError
from kernelq.serialization import ContentDisallowed, DecodeError, EncodeError
from kernelq.states import EXCEPTION_STATES, PENDING, READY_STATES
from kernelq.texts import said, shown

_BILLIARD = frozenset({"SoftTimeLimitExceeded", "TimeLimitExceeded", "WorkerLostError", "Terminated"})
_CELERY = frozenset(
    {
        "Retry", "Ignore", "Reject", "TaskRevokedError", "MaxRetriesExceededError", "NotRegistered",
        "TimeoutError", "ChordError", "InvalidTaskError", "IncompleteStream",
    }
)  # fmt: skip
_WIRE: dict[type[BaseException], str] = (
    {getattr(exceptions, name): "celery.exceptions" for name in _CELERY}
    | {getattr(exceptions, name): "billiard.exceptions" for name in _BILLIARD}
    | dict.fromkeys((EncodeError, DecodeError, ContentDisallowed), "kombu.exceptions")
)
"""Under which module a Celery client knows these of our classes."""

_OURS: dict[tuple[Any, Any], type[BaseException]] = {(module, cls.__name__): cls for cls, module in _WIRE.items()} | {
    ("celery.exceptions", name): getattr(exceptions, name) for name in _BILLIARD
}


class Malformed(ValueError):
    """A stored result is no meta; the message tells what is wrong with it."""


def failure(error: BaseException, encode: Callable[[Any], Any]) -> dict[str, Any]:
    """Return an exception as it is stored: exc_type, exc_message (its args), exc_module.

    Args that `encode` refuses are replaced by their repr.
    """
    cls = type(error)
    module = _WIRE.get(cls) or cls.__module__
    return {"exc_type": cls.__qualname__, "exc_message": _writable(error.args, encode), "exc_module": module}


def _writable(args: Any, encode: Callable[[Any], Any]) -> tuple[Any, ...]:
    safe = []
    for one in args if isinstance(args, tuple) else (args,):
        try:
            encode(one)
            safe.append(one)
        except Exception:  # noqa: BLE001 - an encoder calls the value's own methods, which may do anything
            safe.append(shown(one))
    return tuple(safe)


def error_of(stored: Any, traceback: str | None = None) -> BaseException:
    """Return a stored failure as an exception.

    Nothing is imported: the class is used where its module is imported already and it is an exception; everything
    else, a function such as ``os.system`` above all, becomes a `RemoteError`.
    """
    if not isinstance(stored, Mapping):
        return RemoteError("Exception", said(stored), traceback)
    name, module = stored.get("exc_type"), stored.get("exc_module")
    message = stored.get("exc_message", ())
    args = tuple(message) if isinstance(message, list | tuple) else (message,)
    cls = _known(module, name)
    if cls is not None:
        try:
            error: Any = cls(*args)
        except Exception:  # noqa: BLE001 - an exception's own __init__ may want other arguments
            error = None
        if isinstance(error, BaseException):
            return error
    dotted = f"{module}.{name}" if module else str(name)
    return RemoteError(dotted, ", ".join(said(one) for one in args), traceback)


def _known(module: Any, name: Any) -> type[BaseException] | None:
    if not isinstance(name, str) or not isinstance(module, str | None):
        return None
    if (module, name) in _OURS:
        return _OURS[module, name]
    found: Any = sys.modules.get(module or "builtins")
    for part in name.split("."):
        # Only what the module or class itself holds: no property and no __getattr__ is run.
        found = vars(found).get(part) if isinstance(found, ModuleType | type) else None
    # Leaving exceptions (SystemExit, KeyboardInterrupt) would end whoever asks for the result.
    return found if isinstance(found, type) and issubclass(found, Exception) else None


def now() -> str:
    """Return the time as ``date_done`` shows it: ISO 8601 in UTC."""
    seconds, nanoseconds = divmod(time_ns(), 1_000_000_000)
    return f"{_second(seconds)}.{nanoseconds // 1000:06d}+00:00"


@lru_cache(maxsize=2)
def _second(seconds: int) -> str:
    # Most results end in the same second as the one before: written once, 1.6 µs a result become 0.6.
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat()


def meta(
    state: str,
    result: Any,
    *,
    task_id: str,
    traceback: str | None = None,
    children: Any = None,
    request: Any = None,
    extended: bool = False,
) -> dict[str, Any]:
    """Return the meta in Celery's order of keys; `extended` adds name, args, kwargs, worker, retries, queue, stamps."""
    date_done = now() if state in READY_STATES else None
    values = {
        "status": state,
        "result": result,
        "traceback": traceback,
        "children": children,
        "date_done": date_done,
    }
    if request is not None:
        if request.group:
            values["group_id"] = request.group
        if request.parent_id:
            values["parent_id"] = request.parent_id
        if extended:
            values.update(_extended(request))
    values["task_id"] = task_id
    return values


def _extended(request: Any) -> dict[str, Any]:
    values = {
        "name": request.task,
        "args": request.args,
        "kwargs": request.kwargs,
        "worker": request.hostname,
        "retries": request.retries,
        "queue": (request.delivery_info or {}).get("routing_key"),
    }
    if request.stamps:
        names = request.stamped_headers
        values["stamped_headers"] = names
        values.update({key: value for key, value in request.stamps.items() if key in (names or ())})
    return values


def plain_success(result: str, task_id: str, children: str = "[]") -> bytes:
    """Return the bytes of a plain SUCCESS meta; `result` and `children` are JSON text already."""
    return (
        f'{{"status": "SUCCESS", "result": {result}, "traceback": null, "children": {children}, '
        f'"date_done": "{now()}", "task_id": {encode_basestring_ascii(task_id)}}}'
    ).encode()


def pending() -> dict[str, Any]:
    """Return what an unknown id reads as."""
    return {"status": PENDING, "result": None}


def read(payload: bytes | None, loads: Callable[[bytes], Any]) -> dict[str, Any]:
    """Return a stored payload as a meta, its failure as an exception. Raises `Malformed`."""
    if payload is None:
        return pending()
    try:
        values = loads(payload)
    except Exception as error:
        raise Malformed(f"the stored result cannot be read: {error}") from error
    if not isinstance(values, dict) or not isinstance(values.get("status"), str) or "result" not in values:
        raise Malformed(f"the stored result is no result: {said(values, 200)}")
    if values["status"] in EXCEPTION_STATES and values["result"]:
        values["result"] = error_of(values["result"], values.get("traceback"))
    return values
