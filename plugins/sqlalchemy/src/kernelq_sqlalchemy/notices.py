"""Notices in a table of the result store, of which Celery knows nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql, sqlite

from kernelq.notices import KINDS
from kernelq_sqlalchemy import schema
from kernelq_sqlalchemy.engine import Engine

T = TypeVar("T")

AT_ONCE = 500
"""Names in one statement."""
FOR_EVER = 1e15
"""``ends`` of what is kept until it is removed."""


def table(name: str, in_schema: str | None) -> sa.Table:
    """Return the table. A name may be any text, so a digest of it stands in the key."""
    text = sa.Text().with_variant(mysql.LONGTEXT(charset="utf8mb4", collation="utf8mb4_bin"), "mysql", "mariadb")
    return sa.Table(
        name,
        sa.MetaData(),
        sa.Column("kind", sa.String(16), primary_key=True),
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("name", text, nullable=False),
        sa.Column("ends", sa.Double, nullable=False, index=True),
        schema=in_schema,
    )


class SqlNotices:
    """See the contract `kernelq.notices.Notices`. It has connections of its own; the first `put` makes the table."""

    def __init__(self, engine: Engine, name: str, in_schema: str | None) -> None:
        self._engine = engine
        self._table = table(name, in_schema)
        self._there = False

    def put(self, kind: str, names: Sequence[str], seconds: float | None = None) -> None:
        """Keep notices; those that have ended go."""
        if not self._there:
            schema.create(self._engine.run, self._table.metadata)
            self._there = True
        now = time.time()
        ends = FOR_EVER if seconds is None else now + seconds
        old = sa.delete(self._table).where(self._table.c.ends <= now)
        statement = _upsert(self._engine.dialect, self._table)
        # in the order of the key, so that two who write the same names do not wait for each other
        rows = [
            {"kind": kind, "digest": digest, "name": _storable(name), "ends": ends}
            for digest, name in sorted(_digests(names).items())
        ]
        self._run(lambda db: db.execute(old))
        for some in _some(rows):
            self._run(lambda db, some=some: db.execute(statement, some))  # type: ignore[misc]  # a default, no argument

    def find(self, kind: str, names: Sequence[str]) -> set[str]:
        """Return those of which there is a notice; one statement for each five hundred."""
        if not self._look():
            return set()
        digests, found = _digests(names), set()
        for some in _some(list(digests)):
            query = sa.select(self._table.c.digest).where(*self._live(kind), self._table.c.digest.in_(some))
            found |= {digests[digest] for digest in self._first(query)}
        return found

    def remove(self, kind: str, names: Sequence[str]) -> int:
        """Take notices away."""
        if not self._look():
            return 0
        count = 0
        for some in _some(sorted(_digests(names))):
            gone = sa.delete(self._table).where(*self._live(kind), self._table.c.digest.in_(some))
            count += self._run(lambda db, gone=gone: db.execute(gone).rowcount)  # type: ignore[misc]  # as above
        return count

    def kinds(self) -> frozenset[str]:
        """Return the kinds of which there is any notice; one statement, however many there are."""
        if not self._look():
            return frozenset()
        query = sa.select(*(sa.exists().where(*self._live(kind)).label(kind) for kind in KINDS))
        row = self._run(lambda db: tuple(db.execute(query).one()))
        return frozenset(kind for kind, there in zip(KINDS, row, strict=True) if there)

    def names(self, kind: str, limit: int = 1000) -> list[str]:
        """Return the names of a kind, at most `limit`."""
        if not self._look():
            return []
        query = sa.select(self._table.c.name).where(*self._live(kind)).order_by(self._table.c.name).limit(limit)
        return sorted(self._first(query))

    def close(self) -> None:
        """Close the connections."""
        self._engine.close()

    def _look(self) -> bool:
        """Tell whether there is a table; it is asked for until there is."""
        if not self._there:
            one = self._table
            self._there = self._engine.run(lambda db: sa.inspect(db).has_table(one.name, schema=one.schema))
        return self._there

    def _live(self, kind: str) -> tuple[Any, Any]:
        return self._table.c.kind == kind, self._table.c.ends > time.time()

    def _first(self, query: Any) -> list[str]:
        return self._run(lambda db: list(db.execute(query).scalars()))

    def _run(self, work: Callable[[sa.Connection], T]) -> T:
        try:
            return self._engine.run(work)
        except Exception:
            self._there = False  # somebody may have dropped it
            raise


def _upsert(dialect: str, into: sa.Table) -> Any:
    if dialect in ("mysql", "mariadb"):
        ours = mysql.insert(into)
        return ours.on_duplicate_key_update(ends=ours.inserted.ends)
    insert: Any = (postgresql if dialect == "postgresql" else sqlite).insert(into)
    return insert.on_conflict_do_update(index_elements=["kind", "digest"], set_={"ends": insert.excluded.ends})


def _digests(names: Sequence[str]) -> dict[str, str]:
    return {sha256(name.encode("utf-8", "surrogatepass")).hexdigest(): name for name in names}


def _storable(name: str) -> str:
    """Return a name as every database takes it: without zero characters and half characters."""
    return name.encode("utf-8", "backslashreplace").decode().replace("\x00", "\\x00")


def _some(all_of_them: Sequence[T]) -> Iterator[Sequence[T]]:
    return (all_of_them[start : start + AT_ONCE] for start in range(0, len(all_of_them), AT_ONCE))
