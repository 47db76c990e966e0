"""What a lane does to the tables: claim, promote, settle. Each function runs inside the caller's transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence

import attrs

from kernelq.delivery import Delivery, Settlement, Verdict
from kernelq_sqlite.recovery import BACK, bury, count_death
from kernelq_sqlite.rows import Malformed, as_bytes, loads, loads_headers

_CLAIM = (
    "SELECT r.pri, r.id, r.attempts, m.headers, m.properties, m.content_type, m.content_encoding, m.body "
    "FROM ready r CROSS JOIN message m ON m.id=r.id WHERE r.queue=? ORDER BY r.pri, r.id LIMIT ?"
)
_TAKE = "DELETE FROM ready WHERE queue=? AND (pri, id) <= (?, ?)"
_FLY = "INSERT INTO flight(owner, id) SELECT ?, id FROM ready WHERE queue=? AND (pri, id) <= (?, ?)"
_BEGIN = "UPDATE flight SET begun=1 WHERE owner=? AND id=?"
_LAND = "DELETE FROM flight WHERE owner=? AND id BETWEEN ? AND ?"
_DELETE = "DELETE FROM message WHERE id BETWEEN ? AND ?"
_DELAY = "INSERT INTO delayed(due, id, queue) SELECT ?, id, queue FROM message WHERE id=?"
_WAITING = (  # narrow tables, in the order of their keys, and never more rows than are asked for
    "SELECT (SELECT count(*) FROM (SELECT 1 FROM ready WHERE queue=? LIMIT ?)) + "
    "(SELECT count(*) FROM (SELECT queue FROM delayed WHERE due<=? ORDER BY due LIMIT ?) WHERE queue=?)"
)
_PROMOTE_AT_ONCE = 1000


@attrs.define(eq=False)
class Claim:
    """What one claim took."""

    taken: list[tuple[int, Delivery]] = attrs.field(factory=list)
    """Message ids with their deliveries, whose tags are still to be given."""
    more: bool = False
    """Whether there is more to take at once: a redelivered message waits for a batch of its own."""
    buried: int = 0


def anything_ready(db: sqlite3.Connection, queues: Iterable[str]) -> bool:
    """Tell whether any of the queues has a ready message."""
    query = "SELECT 1 FROM ready WHERE queue=? LIMIT 1"
    return any(db.execute(query, (queue,)).fetchone() is not None for queue in queues)


def waiting(db: sqlite3.Connection, queues: Iterable[str], now: float, most: int) -> int:
    """Return how many messages of the queues are ready, or were delayed until `now`, up to `most` of each queue."""
    return sum(db.execute(_WAITING, (queue, most, now, most, queue)).fetchone()[0] for queue in queues)


def claim(db: sqlite3.Connection, owner: int, queues: Sequence[str], credit: int) -> Claim:
    """Put up to `credit` messages in flight for `owner`, first those of the first queue.

    Every queue gets its share before any gets more. A message that lost an owner before is taken alone.
    """
    result = Claim()
    for queue, share in _shares(len(queues), queues, credit, result):
        if _claim_from(db, owner, queue, share, result):
            break
    return result


def _shares(count: int, queues: Sequence[str], credit: int, result: Claim) -> Iterator[tuple[str, int]]:
    for index, queue in enumerate(queues):
        left = credit - len(result.taken)
        yield queue, -(-left // (count - index))
    if count > 1:
        for queue in queues:
            if len(result.taken) < credit:
                yield queue, credit - len(result.taken)


def _claim_from(db: sqlite3.Connection, owner: int, queue: str, share: int, result: Claim) -> bool:
    if share <= 0:
        return False
    rows = db.execute(_CLAIM, (queue, share)).fetchall()
    bad: list[tuple[int, str]] = []
    alone, last = False, None
    for pri, ident, attempts, headers, properties, content_type, encoding, body in rows:
        if attempts:
            if result.taken or bad:
                result.more = True
                break
            alone = True
        last = (pri, ident)
        try:
            delivery = Delivery(
                None, queue, loads_headers(headers), as_bytes(body), loads("properties", properties),
                content_type or "", encoding or "", attempts + 1,
            )  # fmt: skip
        except Malformed as problem:
            bad.append((ident, str(problem)))
        else:
            result.taken.append((ident, delivery))
        if alone:
            result.more = True
            break
    if last is not None:
        db.execute(_FLY, (owner, queue, *last))
        db.execute(_TAKE, (queue, *last))
        for ident, reason in bad:
            db.execute(_LAND, (owner, ident, ident))
            bury(db, ident, f"the message cannot be read: {reason}")
        result.buried += len(bad)
        result.more = result.more or bool(bad)
    return alone


def promote(db: sqlite3.Connection, now: float) -> int:
    """Make delayed messages that are due by `now` ready; return how many."""
    rows = db.execute(
        "SELECT due, id FROM delayed WHERE due<=? ORDER BY due, id LIMIT ?", (now, _PROMOTE_AT_ONCE)
    ).fetchall()
    db.executemany(BACK, [(ident,) for _, ident in rows])
    db.executemany("DELETE FROM delayed WHERE due=? AND id=?", rows)
    return len(rows)


def next_due(db: sqlite3.Connection) -> float | None:
    """Return when the next delayed message is due, in seconds since the epoch."""
    found = db.execute("SELECT due FROM delayed ORDER BY due LIMIT 1").fetchone()
    return None if found is None else float(found[0])


def owned(db: sqlite3.Connection, owner: int) -> bool:
    """Tell whether `owner` still has its lease, as the database sees it."""
    return db.execute("SELECT 1 FROM owner WHERE id=?", (owner,)).fetchone() is not None


def begin(db: sqlite3.Connection, owner: int, idents: Iterable[int]) -> None:
    """Note of messages in flight that they start now, so that the loss of `owner` counts for them."""
    db.executemany(_BEGIN, [(owner, ident) for ident in idents])


def settle(db: sqlite3.Connection, owner: int, batch: Sequence[tuple[int, Settlement]]) -> None:
    """End the flight of messages by their verdicts."""
    done = [ident for ident, settlement in batch if settlement.verdict is Verdict.ACK]
    db.executemany(_LAND, [(owner, first, last) for first, last in _runs([ident for ident, _ in batch])])
    db.executemany(_DELETE, _runs(done))
    if len(done) == len(batch):
        return
    for ident, settlement in batch:
        if settlement.verdict is Verdict.BURY:
            bury(db, ident, settlement.reason or "buried without a reason")
        elif settlement.verdict is not Verdict.ACK:
            if settlement.counted:
                count_death(db, ident)
            if settlement.verdict is Verdict.REQUEUE:
                db.execute(BACK, (ident,))
            else:
                db.execute(_DELAY, (settlement.eta or 0.0, ident))


def _runs(idents: list[int]) -> list[tuple[int, int]]:
    """Return the numbers as ranges, first and last, that hold them and no other; messages claimed together are few."""
    if not idents:
        return []
    idents.sort()
    if idents[-1] - idents[0] == len(idents) - 1:  # each number comes once
        return [(idents[0], idents[-1])]
    runs = []
    first = last = idents[0]
    for ident in idents:
        if ident > last + 1:
            runs.append((first, last))
            first = ident
        last = ident
    runs.append((first, last))
    return runs
