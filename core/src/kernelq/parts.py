"""Results taken apart: for stores that keep them in columns or fields, as Celery's databases do."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from kernelq.backends import MAGIC
from kernelq.serialization import decompress, dumps, loads
from kernelq.states import SUCCESS

if TYPE_CHECKING:
    from kernelq.conf import Conf
    from kernelq.outcome import Record


class Unreadable(ValueError):
    """A stored value may not, or cannot, be decoded."""


class Parts:
    """Takes payloads apart and encodes the parts, as one app's settings say.

    What is JSON stays JSON: no value is made into an object here.
    """

    def __init__(self, conf: Conf) -> None:
        self.serializer = conf.result_serializer
        self._content_type, self._encoding, _ = dumps(None, self.serializer)
        self._accept = tuple(conf.result_accept_content or conf.accept_content)
        self._limit = conf.max_decompressed_bytes

    def take(self, record: Record) -> dict[str, Any] | None:
        """Return the meta that a payload is; None where it is no meta of this record."""
        data = record.payload
        try:
            if data.startswith(MAGIC):
                kind, _, packed = data[len(MAGIC) :].partition(b"\x00")
                data = decompress(packed, kind.decode("ascii", "replace"), self._limit)
            # This process has just made these bytes, with the serializer that the settings name.
            values = self._load(data, (self.serializer,))
        except (ValueError, RecursionError):
            return None
        whole = isinstance(values, dict) and values.get("status") == record.state and "result" in values
        return values if whole else None

    def dump(self, value: Any) -> bytes:
        """Return `value` as the result serializer writes it."""
        return dumps(value, self.serializer)[2]

    def load(self, data: bytes) -> Any:
        """Return what `dump` was given. Raises `Unreadable` where the settings accept no such content, too."""
        try:
            return self._load(data, self._accept)
        except Exception as error:
            raise Unreadable(f"what is stored is not readable as {self.serializer}: {error}") from error

    def _load(self, data: bytes, accept: tuple[str, ...]) -> Any:
        if self.serializer == "json" and ("json" in accept or self._content_type in accept):
            return json.loads(data)  # what kombu's dialect marks as a date or an id stays the mapping that it is
        return loads(data, self._content_type, self._encoding, accept)


def newest(records: Sequence[Record]) -> list[Record]:
    """Return the one record of each task that stays, in the order of ids, in which no two writers deadlock."""
    kept: dict[str, Record] = {}
    for record in records:
        if record.task_id not in kept or kept[record.task_id].state != SUCCESS:
            kept[record.task_id] = record
    return [kept[task_id] for task_id in sorted(kept)]
