"""A result as KernelQ carries it, one payload, and as Celery's tables have it, in columns."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from kernelq.meta import meta
from kernelq.parts import Parts, Unreadable
from kernelq.states import READY_STATES
from kernelq_sqlalchemy import pickled
from kernelq_sqlalchemy.tables import EXPIRES, EXTENDED, TASK

if TYPE_CHECKING:
    from kernelq.conf import Conf
    from kernelq.outcome import Record

RAW = b"\x00kernelq-payload\x00"
"""Stands in ``result`` before a payload that is kept as it is, because it is no meta. No serializer writes a zero byte
first."""

FOR_EVER = 1e15
"""``kernelq_expires`` of what never does."""

_ENCODED = ("args", "kwargs")
_NO_DATE = dict.fromkeys(("result", "date_done", "traceback", "children", *EXTENDED))


class Rows:
    """Turns records into rows and rows into payloads, as one app's settings say.

    JSON columns are taken apart and put together as JSON text.
    """

    def __init__(self, conf: Conf, pickles: bool) -> None:
        self._parts = Parts(conf)
        self._extended = conf.result_extended
        self._expires = conf.result_expires
        self._pickles = pickles
        self.names = (*TASK, *EXTENDED) if self._extended else TASK

    # to the table

    def row(self, record: Record) -> dict[str, Any]:
        """Return the values of the columns `names` for a record."""
        values = self._parts.take(record)
        row = {**_NO_DATE, "task_id": record.task_id, "status": record.state}
        now = time.time()
        if record.state in READY_STATES:
            row["date_done"] = datetime.fromtimestamp(now, UTC).replace(tzinfo=None)
        if values is None:
            row["result"] = RAW + record.payload
        else:
            row["result"] = pickled.dumps(values["result"]) if self._pickles else self._parts.dump(values["result"])
            row["traceback"] = _text(values.get("traceback"))
            row["children"] = self._parts.dump(values["children"]) if values.get("children") else None
            if self._extended:
                row |= self._more(values)
        row[EXPIRES] = FOR_EVER if record.expires is None else now + record.expires
        return {name: row[name] for name in self.names}

    def _more(self, values: Mapping[str, Any]) -> dict[str, Any]:
        row: dict[str, Any] = {name: values.get(name) for name in EXTENDED}
        for name in _ENCODED:
            row[name] = None if row[name] is None else self._parts.dump(row[name])
        for name in ("name", "worker", "queue"):
            row[name] = _text(row[name], 155)
        stamped = values.get("stamped_headers")
        if stamped:
            stamps = {name: values[name] for name in stamped if name in values}
            row["stamps"] = self._parts.dump({"stamped_headers": stamped, "stamps": stamps})
        return row

    # from the table

    def expired(self, row: Mapping[str, Any]) -> bool:
        """Tell whether a row is past its time."""
        at = row.get(EXPIRES)
        if at is None and row["date_done"] is not None and self._expires:
            at = _seconds(row["date_done"]) + self._expires
        return at is not None and at <= time.time()

    def payload(self, row: Mapping[str, Any]) -> bytes:
        """Return the payload of a row. What cannot be read becomes one that no reader takes, and that says why."""
        data = _bytes(row["result"])
        if data is not None and data.startswith(RAW):
            return data[len(RAW) :]
        try:
            return self._parts.dump(self._values(row, data))
        except Unreadable as why:
            return self._parts.dump({"unreadable": str(why)})

    def _values(self, row: Mapping[str, Any], data: bytes | None) -> dict[str, Any]:
        done = row["date_done"]
        values = {
            **meta(row["status"], self._value(data), task_id=row["task_id"]),
            "traceback": row["traceback"],
            "children": self._value(_bytes(row.get("children"))) or [],
            "date_done": None if done is None else done.replace(tzinfo=UTC).isoformat(),
        }
        if self._extended:
            values |= {name: row.get(name) for name in EXTENDED if name != "stamps"}
            values |= {name: self._value(_bytes(row.get(name))) for name in _ENCODED}
            stamps = self._value(_bytes(row.get("stamps")))
            if isinstance(stamps, dict):
                values |= {**(stamps.get("stamps") or {}), "stamped_headers": stamps.get("stamped_headers")}
        return values

    def _value(self, data: bytes | None) -> Any:
        if data is None:
            return None
        if data.startswith(pickled.MARK) and self._parts.serializer != "pickle":
            return self._plain(data)
        return self._parts.load(data)

    def _plain(self, data: bytes) -> Any:
        if not self._pickles:
            raise Unreadable(
                "the column is pickled, as Celery before 5.7 does; to read plain values of such rows set "
                "database_pickled_results = True"
            )
        try:
            return pickled.loads(data)
        except pickled.NotPlain as error:
            raise Unreadable(f"the column is pickled and is not read: {error}") from error


def _bytes(value: Any) -> bytes | None:
    if value is None or isinstance(value, bytes):
        return value
    return value.encode() if isinstance(value, str) else bytes(value)


def _text(value: Any, most: int | None = None) -> str | None:
    """Return text that every database takes: without the zero characters and half characters that some refuse."""
    if value is None:
        return None
    return str(value).encode("utf-8", "backslashreplace").decode().replace("\x00", "\\x00")[:most]


def _seconds(naive: datetime) -> float:
    return naive.replace(tzinfo=UTC).timestamp()
