"""A server that speaks MongoDB's wire protocol and keeps its documents in mongomock.

It stands in where the machine has no MongoDB, so that pymongo's own client, sockets, errors and forks are under test.
``KERNELQ_TEST_MONGODB_URL`` names a real one, which is taken then. Messages: MongoDB's manual, "Wire Protocol".
"""

from __future__ import annotations

import socketserver
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import bson
import mongomock
from bson.codec_options import CodecOptions
from pymongo.errors import DuplicateKeyError

REPLY, QUERY, MSG = 1, 2004, 2013
HEADER = struct.Struct("<iiii")
AWARE: CodecOptions[dict[str, Any]] = CodecOptions(tz_aware=True)
HELLO = {"isWritablePrimary": True, "ismaster": True, "helloOk": True, "minWireVersion": 0, "maxWireVersion": 21,
         "maxBsonObjectSize": 2**24, "maxMessageSizeBytes": 48_000_000, "maxWriteBatchSize": 100_000}  # fmt: skip


class StandIn(socketserver.ThreadingTCPServer):
    """The server; a thread for each connection."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Connection)
        self.store: Any = mongomock.MongoClient(tz_aware=True)
        self.lock = threading.Lock()
        self.connections: set[Connection] = set()
        self.asked: list[str] = []
        """The names of the commands that came, but those that pymongo sends by itself."""

    @property
    def url(self) -> str:
        """Its address, without a database."""
        return f"mongodb://127.0.0.1:{self.server_address[1]}"

    def answer(self, command: dict[str, Any]) -> dict[str, Any]:
        """Return the reply to a command."""
        name = next(iter(command))
        if name.lower() in ("hello", "ismaster"):
            return HELLO
        with self.lock:
            self.asked.append(name)
            work = getattr(self, f"do_{name}", None)
            if work is None:
                return {"ok": 0, "code": 59, "errmsg": f"no such command: {name}"}
            done: dict[str, Any] = work(self.store[command["$db"]], command)
            return done

    def do_ping(self, db: Any, command: dict[str, Any]) -> dict[str, Any]:
        """Answer."""
        return {}

    do_endSessions = do_ping

    def do_createIndexes(self, db: Any, command: dict[str, Any]) -> dict[str, Any]:
        """Make none: they change how fast it is, and when a server deletes by itself."""
        return {"numIndexesBefore": 1, "numIndexesAfter": 2}

    def do_find(self, db: Any, command: dict[str, Any]) -> dict[str, Any]:
        """Return all in the first batch."""
        cursor = db[command["find"]].find(command.get("filter", {}))
        if "sort" in command:
            cursor = cursor.sort(list(command["sort"].items()))
        found = list(cursor.limit(abs(command.get("limit", 0))))
        return {"cursor": {"id": 0, "ns": f"{command['$db']}.{command['find']}", "firstBatch": found}}

    def do_delete(self, db: Any, command: dict[str, Any]) -> dict[str, Any]:
        """Delete all that fit."""
        gone = [db[command["delete"]].delete_many(one["q"]).deleted_count for one in command["deletes"]]
        return {"n": sum(gone)}

    def do_insert(self, db: Any, command: dict[str, Any]) -> dict[str, Any]:
        """Insert."""
        return {"n": len(db[command["insert"]].insert_many(command["documents"]).inserted_ids)}

    def do_update(self, db: Any, command: dict[str, Any]) -> dict[str, Any]:
        """Replace or insert one document for each update; those that fail are told by their place."""
        matched, upserted, errors = 0, [], []
        for index, one in enumerate(command["updates"]):
            try:
                done = db[command["update"]].replace_one(one["q"], one["u"], upsert=one.get("upsert", False))
            except DuplicateKeyError as error:
                errors.append({"index": index, "code": 11000, "errmsg": str(error)})
                continue
            matched += done.matched_count
            if done.upserted_id is not None:
                upserted.append({"index": index, "_id": done.upserted_id})
        return {"n": matched + len(upserted), "nModified": matched, "upserted": upserted, "writeErrors": errors}


class Connection(socketserver.BaseRequestHandler):
    """One client."""

    server: StandIn

    def handle(self) -> None:
        """Answer until the client is gone."""
        self.server.connections.add(self)
        try:
            while message := self._message():
                self.request.sendall(message)
        except ConnectionError:
            pass
        finally:
            self.server.connections.discard(self)

    def _message(self) -> bytes | None:
        header = self._exactly(HEADER.size)
        if not header:
            return None
        length, number, _, kind = HEADER.unpack(header)
        body = self._exactly(length - HEADER.size)
        if kind == QUERY:
            start = body.index(b"\0", 4) + 1 + 8
            reply = bson.encode({"ok": 1, **self.server.answer(bson.decode(body[start:], AWARE))})
            return _framed(number, REPLY, struct.pack("<iqii", 8, 0, 0, 1) + reply)
        reply = bson.encode({"ok": 1, **self.server.answer(_command(body))})
        return _framed(number, MSG, struct.pack("<iB", 0, 0) + reply)

    def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            more = self.request.recv(count - len(data))
            if not more:
                return b""
            data += more
        return data


def _framed(number: int, kind: int, body: bytes) -> bytes:
    return HEADER.pack(HEADER.size + len(body), 0, number, kind) + body


def _command(body: bytes) -> dict[str, Any]:
    """Return the command of an OP_MSG, with the documents of its sequences in their places."""
    command: dict[str, Any] = {}
    place = 4
    while place < len(body):
        kind = body[place]
        (size,) = struct.unpack_from("<i", body, place + 1)
        section = body[place + 1 : place + 1 + size]
        if kind == 0:
            command = {**bson.decode(section, AWARE), **command}
        else:
            end = section.index(b"\0", 4)
            command[section[4:end].decode()] = bson.decode_all(section[end + 1 :], AWARE)
        place += 1 + size
    return command


@contextmanager
def serving() -> Iterator[StandIn]:
    """Run one meanwhile."""
    with StandIn() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()
