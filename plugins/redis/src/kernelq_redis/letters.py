"""Buried messages as the administration shows them."""

from __future__ import annotations

from typing import Any

from kernelq.delivery import DeadLetter
from kernelq_redis.envelope import Malformed, decode, fingerprint
from kernelq_redis.keys import redis_priority, step_of


def letter(raw: bytes, queue: str, note: bytes | None) -> DeadLetter:
    """Return an entry of a dead set; `note` is its line in `Keys.reasons`, None where it has none.

    A message that cannot be read is shown with its bytes as the body. Its id is the `fingerprint`.
    """
    buried_at, deliveries, reason = _noted(note)
    headers: Any = {}
    properties: Any = {}
    body, content_type, encoding = raw, "application/octet-stream", "binary"
    try:
        found = decode(raw, queue, None)
        headers, properties, body = found.headers, found.properties, bytes(found.body)
        content_type, encoding = found.content_type, found.content_encoding
    except Malformed as error:
        reason = reason or str(error)
    return DeadLetter(
        id=fingerprint(raw),
        task_id=str(headers.get("id") or properties.get("correlation_id") or ""),
        task=str(headers.get("task") or ""),
        queue=queue,
        reason=reason,
        buried_at=buried_at,
        deliveries=deliveries,
        headers=headers,
        properties=properties,
        body=body,
        content_type=content_type,
        content_encoding=encoding,
    )


def step_in(raw: bytes, queue: str) -> int:
    """Return the step of the list that a buried message came from, as far as it tells."""
    try:
        return step_of(redis_priority(decode(raw, queue, None).properties["priority"]))
    except Malformed:
        return 0


def _noted(note: bytes | None) -> tuple[float, int, str]:
    when, _, rest = (note or b"").decode("utf-8", "replace").partition("\n")
    count, _, reason = rest.partition("\n")
    try:
        return float(when), int(count), reason
    except ValueError:
        return 0.0, 1, reason
