"""Notices in a collection of the result store, of which Celery knows nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, TypeVar

from pymongo import ReplaceOne

from kernelq.notices import KINDS
from kernelq_mongodb.client import Client

T = TypeVar("T")

COLLECTION = "kernelq_notices"
AT_ONCE = 250
"""Names in one command: each has the time limit of one operation, and a busy server may need it."""


class MongoNotices:
    """See the contract `kernelq.notices.Notices`. It has connections of its own; the server deletes what has ended."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._indexed = False

    def put(self, kind: str, names: Sequence[str], seconds: float | None = None) -> None:
        """Keep notices."""
        ends = None if seconds is None else datetime.now(UTC) + timedelta(seconds=seconds)

        def write(db: Any) -> None:
            kept = db[COLLECTION]
            if not self._indexed:
                kept.create_index("ends", expireAfterSeconds=0)
                kept.create_index([("kind", 1), ("name", 1)])
                self._indexed = True
            for some in _some(list(_keys(kind, names).items())):
                documents = [{"_id": key, "kind": kind, "name": _storable(name), "ends": ends} for key, name in some]
                kept.bulk_write([ReplaceOne({"_id": one["_id"]}, one, upsert=True) for one in documents], ordered=False)

        self._client.run(write)

    def find(self, kind: str, names: Sequence[str]) -> set[str]:
        """Return those of which there is a notice; one command for each few hundred."""
        keys, found = _keys(kind, names), set()
        for some in _some(list(keys)):
            found |= {keys[one["_id"]] for one in self._live({"_id": {"$in": list(some)}}, {"_id": 1})}
        return found

    def remove(self, kind: str, names: Sequence[str]) -> int:
        """Take notices away."""
        count = 0
        for some in _some(list(_keys(kind, names))):
            wanted = _live({"_id": {"$in": list(some)}})
            count += self._client.run(lambda db, wanted=wanted: db[COLLECTION].delete_many(wanted).deleted_count)  # type: ignore[misc]  # a default, no argument
        return count

    def kinds(self) -> frozenset[str]:
        """Return the kinds of which there is any notice; one command where there is none."""
        if not self._live({}, {"_id": 1}, limit=1):
            return frozenset()
        return frozenset(kind for kind in KINDS if self._live({"kind": kind}, {"_id": 1}, limit=1))

    def names(self, kind: str, limit: int = 1000) -> list[str]:
        """Return the names of a kind, at most `limit`."""
        return sorted(one["name"] for one in self._live({"kind": kind}, {"name": 1}, limit=limit, sort=[("name", 1)]))

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _live(self, wanted: dict[str, Any], fields: dict[str, int], **more: Any) -> list[dict[str, Any]]:
        return self._client.run(lambda db: list(db[COLLECTION].find(_live(wanted), fields, **more)))


def _live(wanted: dict[str, Any]) -> dict[str, Any]:
    return {**wanted, "$or": [{"ends": None}, {"ends": {"$gt": datetime.now(UTC)}}]}


def _keys(kind: str, names: Sequence[str]) -> dict[str, str]:
    """Return names by their keys: a name may be any text, also such as no document takes."""
    return {f"{kind}:{sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()}": name for name in names}


def _storable(name: str) -> str:
    return name.encode("utf-8", "backslashreplace").decode()


def _some(all_of_them: Sequence[T]) -> Iterator[Sequence[T]]:
    return (all_of_them[start : start + AT_ONCE] for start in range(0, len(all_of_them), AT_ONCE))
