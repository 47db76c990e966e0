"""The tables, and the migrations that lead to them."""

from __future__ import annotations

import sqlite3
import time

from kernelq.kernel.errors import ConfigurationError

# A message is one wide row in `message`, and one narrow row in exactly one of `ready`, `flight` and `delayed`; so a
# claim and a requeue move a few bytes, and never rewrite the body. `pri` is 9 - priority: the most urgent sorts first.
_V1 = """
CREATE TABLE message(
  id INTEGER PRIMARY KEY AUTOINCREMENT, queue TEXT NOT NULL, pri INTEGER NOT NULL, attempts INTEGER NOT NULL DEFAULT 0,
  headers BLOB, properties BLOB, content_type TEXT, content_encoding TEXT, expires REAL, body BLOB);
CREATE TABLE ready(
  queue TEXT NOT NULL, pri INTEGER NOT NULL, id INTEGER NOT NULL, attempts INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY(queue, pri, id)) WITHOUT ROWID;
CREATE TABLE flight(
  owner INTEGER NOT NULL, id INTEGER NOT NULL, PRIMARY KEY(owner, id)) WITHOUT ROWID;
CREATE TABLE delayed(
  due REAL NOT NULL, id INTEGER NOT NULL, queue TEXT NOT NULL, PRIMARY KEY(due, id)) WITHOUT ROWID;
CREATE TABLE dead(
  id INTEGER PRIMARY KEY AUTOINCREMENT, queue TEXT NOT NULL, pri INTEGER NOT NULL, attempts INTEGER NOT NULL,
  reason TEXT NOT NULL, buried_at REAL NOT NULL,
  headers BLOB, properties BLOB, content_type TEXT, content_encoding TEXT, expires REAL, body BLOB);
CREATE INDEX dead_queue ON dead(queue);
CREATE TABLE owner(
  id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, pid INTEGER NOT NULL, since REAL NOT NULL);
CREATE TABLE queue(
  name TEXT PRIMARY KEY, private INTEGER NOT NULL DEFAULT 0, owner INTEGER, ttl REAL, expires REAL, unused_since REAL
) WITHOUT ROWID;
CREATE TABLE binding(
  exchange TEXT NOT NULL, queue TEXT NOT NULL, routing_key TEXT NOT NULL, pattern TEXT,
  PRIMARY KEY(exchange, queue, routing_key)) WITHOUT ROWID;
CREATE TABLE result(
  task_id TEXT PRIMARY KEY, state TEXT NOT NULL, expires REAL, payload BLOB NOT NULL) WITHOUT ROWID;
CREATE INDEX result_expires ON result(expires) WHERE expires IS NOT NULL;
"""


def _run(db: sqlite3.Connection, script: str) -> None:
    for statement in script.split(";"):
        if statement.strip():
            db.execute(statement)


def _first(db: sqlite3.Connection) -> None:
    _run(db, _V1)
    # Ids go on from the clock, so that a database made anew never gives an id that a worker of the old one still holds.
    start = time.time_ns() // 1000
    db.execute("INSERT INTO sqlite_sequence(name, seq) VALUES('message', ?), ('owner', ?)", (start, start))


# Task ids are random. In a table ordered by them every result rewrites a page of other results; beside a narrow index,
# results are appended, and the index has nine times as many keys to a page: a drain takes a quarter less CPU time.
_V2 = """
DROP INDEX result_expires;
ALTER TABLE result RENAME TO old_result;
CREATE TABLE result(
  task_id TEXT PRIMARY KEY NOT NULL, state TEXT NOT NULL, expires REAL, payload BLOB NOT NULL);
INSERT INTO result(task_id, state, expires, payload)
  SELECT task_id, state, expires, payload FROM old_result ORDER BY task_id;
DROP TABLE old_result;
CREATE INDEX result_expires ON result(expires) WHERE expires IS NOT NULL;
"""


def _second(db: sqlite3.Connection) -> None:
    _run(db, _V2)


# Of a message that lost an owner before, the next one counts only if it had begun it: one narrow flag in its flight.
_V3 = "ALTER TABLE flight ADD COLUMN begun INTEGER NOT NULL DEFAULT 0"


def _third(db: sqlite3.Connection) -> None:
    _run(db, _V3)


# What the cluster is to know though no worker be up: revoked tasks, paused queues. `ends` is NULL for what stays.
_V4 = """
CREATE TABLE notice(kind TEXT NOT NULL, name TEXT NOT NULL, ends REAL, PRIMARY KEY(kind, name)) WITHOUT ROWID;
CREATE INDEX notice_ends ON notice(ends) WHERE ends IS NOT NULL;
"""


def _fourth(db: sqlite3.Connection) -> None:
    _run(db, _V4)


MIGRATIONS = (_first, _second, _third, _fourth)
"""Each one leads from its own index, as the file's ``user_version``, to the next."""


def migrate(db: sqlite3.Connection, path: str) -> None:
    """Bring a database to the newest version, inside the caller's write transaction.

    Raises ConfigurationError for a file of a newer KernelQ, or of another program.
    """
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version == len(MIGRATIONS):
        return
    if version > len(MIGRATIONS):
        raise ConfigurationError(
            f"the database {path} has version {version} and this KernelQ knows versions up to {len(MIGRATIONS)}: "
            "pip install --upgrade kernelq, or name another file"
        )
    if version == 0 and db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        raise ConfigurationError(
            f"the database {path} belongs to another program: its tables are not KernelQ's; name another file"
        )
    for migration in MIGRATIONS[version:]:
        migration(db)
    db.execute(f"PRAGMA user_version={len(MIGRATIONS)}")
