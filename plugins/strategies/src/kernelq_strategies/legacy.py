"""Messages of protocol 1: the task's name stands in the body (celery/app/amqp.py, as_task_v1)."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import attrs

from kernelq.delivery import Delivery

EMBEDDED = ("callbacks", "errbacks", "chain", "chord")
HEADERS = ("task", "id", "eta", "expires", "group", "group_index", "retries", "timelimit", "root_id", "parent_id")


def modernise(delivery: Delivery, accept: Collection[str]) -> Delivery:
    """Return the delivery as protocol 2. Raises ValueError, which tells what is wrong, where its body is no task.

    Only content of the types in `accept` is decoded.
    """
    payload = _decode(delivery, accept)
    if not isinstance(payload, dict) or not isinstance(payload.get("task"), str):
        raise ValueError("the message has no `task` header and its body is no protocol 1 task")
    args, kwargs = payload.get("args") or [], payload.get("kwargs") or {}
    headers = {name: payload.get(name) for name in HEADERS}
    headers |= {
        "lang": "py",
        "retries": payload.get("retries") or 0,
        "timelimit": payload.get("timelimit") or [None, None],
    }
    headers |= {"argsrepr": repr(args)[:1024], "kwargsrepr": repr(kwargs)[:1024], "root_id": payload.get("id")}
    embed = {name: payload.get(name) for name in EMBEDDED}
    content_type, encoding, body = _encode([args, kwargs, embed])
    return attrs.evolve(
        delivery,
        headers={**delivery.headers, **headers},
        body=body,
        content_type=content_type,
        content_encoding=encoding,
    )


def _decode(delivery: Delivery, accept: Collection[str]) -> Any:
    from kombu.exceptions import KombuError
    from kombu.serialization import loads, prepare_accept_content

    try:
        return loads(
            delivery.body,
            content_type=delivery.content_type,
            content_encoding=delivery.content_encoding,
            accept=prepare_accept_content(accept),
        )
    except (KombuError, ValueError, TypeError, LookupError, RecursionError) as error:
        raise ValueError(f"the body cannot be decoded: {type(error).__name__}: {error}") from error


def _encode(value: list[Any]) -> tuple[str, str, bytes]:
    from kombu.serialization import dumps

    content_type, encoding, body = dumps(value, serializer="json")
    return content_type, encoding, body.encode() if isinstance(body, str) else body
