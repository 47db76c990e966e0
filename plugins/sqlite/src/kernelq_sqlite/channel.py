"""kombu over the same file: the channel, with exchanges, fan-out, and queues that vanish with their client."""

from __future__ import annotations

import time
from queue import Empty
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from kombu.transport import virtual
from kombu.transport.base import to_rabbitmq_queue_arguments

from kernelq.kernel.errors import BrokerLost
from kernelq_sqlite.recovery import drop_queue, empty_queue
from kernelq_sqlite.rows import Malformed, Row, as_bytes, dumps, loads, rank
from kernelq_sqlite.sender import insert

if TYPE_CHECKING:
    from kernelq_sqlite.kombu_transport import KombuTransport

_FORGOTTEN = 300.0  # seconds after which a private queue that nobody consumes goes, where it says nothing itself
_TAKE = (
    "SELECT r.pri, r.id, m.headers, m.properties, m.content_type, m.content_encoding, m.body, m.expires, q.private "
    "FROM ready r CROSS JOIN message m ON m.id=r.id LEFT JOIN queue q ON q.name=r.queue "
    "WHERE r.queue=? ORDER BY r.pri, r.id LIMIT 1"
)


_Base: Any = virtual.Channel  # kombu is typed in parts only


class Channel(_Base):  # type: ignore[misc]  # see above
    """A kombu channel whose queues and bindings are rows; other processes see them."""

    supports_fanout = True
    body_encoding = None
    reached = 0
    """How many queues had the last message that went to all."""
    connection: KombuTransport

    # -- queues -------------------------------------------------------------------------------------------------------

    def prepare_queue_arguments(self, arguments: dict[str, Any] | None, **options: Any) -> dict[str, Any]:
        """Return RabbitMQ's queue arguments: ``x-expires`` and ``x-message-ttl`` in milliseconds."""
        return dict(to_rabbitmq_queue_arguments(arguments or {}, **options))

    def _new_queue(
        self,
        queue: str,
        auto_delete: bool = False,
        exclusive: bool = False,
        arguments: dict[str, Any] | None = None,
        **_: Any,
    ) -> None:
        arguments = arguments or {}
        private = bool(auto_delete or exclusive)
        expires = _seconds(arguments.get("x-expires"))
        if private and expires is None:
            expires = _FORGOTTEN
        with self.connection.store.write(BrokerLost) as db:
            db.execute(
                "INSERT INTO queue(name, private, ttl, expires, unused_since) VALUES(?,?,?,?,?) "
                "ON CONFLICT(name) DO UPDATE SET unused_since=excluded.unused_since",
                (queue, private, _seconds(arguments.get("x-message-ttl")), expires, time.time()),
            )

    def _has_queue(self, queue: str, **_: Any) -> bool:
        with self.connection.store.read(BrokerLost) as db:
            return db.execute("SELECT 1 FROM queue WHERE name=?", (queue,)).fetchone() is not None

    def _size(self, queue: str) -> int:
        with self.connection.store.read(BrokerLost) as db:
            return int(db.execute("SELECT count(*) FROM ready WHERE queue=?", (queue,)).fetchone()[0])

    def _purge(self, queue: str) -> int:
        with self.connection.store.write(BrokerLost) as db:
            return empty_queue(db, queue)

    def queue_delete(self, queue: str, if_unused: bool = False, if_empty: bool = False, **_: Any) -> None:
        """Delete a queue with its messages and bindings."""
        if if_empty and self._size(queue):
            return
        with self.connection.store.write(BrokerLost) as db:
            drop_queue(db, queue)

    # -- exchanges ----------------------------------------------------------------------------------------------------

    def queue_bind(
        self, queue: str, exchange: str | None = None, routing_key: str = "", arguments: Any = None, **_: Any
    ) -> None:
        """Bind a queue; every process sees the binding."""
        exchange = exchange or "amq.direct"
        key, pattern, name = self.typeof(exchange).prepare_bind(queue, exchange, routing_key, arguments)
        with self.connection.store.write(BrokerLost) as db:
            db.execute(
                "INSERT OR REPLACE INTO binding(exchange, queue, routing_key, pattern) VALUES(?,?,?,?)",
                (exchange, name, key or "", pattern),
            )

    def queue_unbind(
        self, queue: str, exchange: str | None = None, routing_key: str = "", arguments: Any = None, **_: Any
    ) -> None:
        """Undo `queue_bind`."""
        with self.connection.store.write(BrokerLost) as db:
            db.execute(
                "DELETE FROM binding WHERE exchange=? AND queue=? AND routing_key=?",
                (exchange or "amq.direct", queue, routing_key or ""),
            )

    def exchange_delete(self, exchange: str, if_unused: bool = False, nowait: bool = False) -> None:
        """Delete an exchange's bindings; its queues stay."""
        self.state.exchanges.pop(exchange, None)
        with self.connection.store.write(BrokerLost) as db:
            db.execute("DELETE FROM binding WHERE exchange=?", (exchange,))

    def get_table(self, exchange: str) -> list[tuple[str, str | None, str]]:
        """Return (routing key, pattern, queue) of every binding of `exchange`, of all processes."""
        with self.connection.store.read(BrokerLost) as db:
            return db.execute(
                "SELECT routing_key, pattern, queue FROM binding WHERE exchange=? ORDER BY queue", (exchange,)
            ).fetchall()

    # -- messages -----------------------------------------------------------------------------------------------------

    def _put(self, queue: str, message: dict[str, Any], **_: Any) -> None:
        self._insert([queue], message)
        self.connection.ring(lanes=True)

    def _put_fanout(self, exchange: str, message: dict[str, Any], routing_key: str, **_: Any) -> None:
        queues = sorted({queue for _, _, queue in self.get_table(exchange)})
        self.reached = len(queues)
        if queues:
            self._insert(queues, message)
            self.connection.ring(lanes=False)

    def _insert(self, queues: list[str], message: dict[str, Any]) -> None:
        properties = message["properties"]
        body = message.get("body")
        row: Row = (
            "",
            rank(properties.get("priority")),
            dumps(message.get("headers") or {}),
            dumps(properties),
            message.get("content-type") or "",
            message.get("content-encoding") or "",
            None,
            body.encode() if isinstance(body, str) else bytes(body or b""),
        )
        lives = _seconds(properties.get("expiration"))
        with self.connection.store.write(BrokerLost) as db:
            now = time.time()
            for queue in queues:
                db.execute("INSERT OR IGNORE INTO queue(name) VALUES(?)", (queue,))
                (ttl,) = db.execute("SELECT ttl FROM queue WHERE name=?", (queue,)).fetchone()
                limits = [limit for limit in (ttl, lives) if limit is not None]
                insert(db, (queue, *row[1:6], now + min(limits) if limits else None, row[7]), None)

    def _get(self, queue: str, timeout: float | None = None) -> dict[str, Any]:
        """Take one message out of the queue; raises Empty. Unlike a lane's, it is in the client's memory only."""
        with self.connection.store.read(BrokerLost) as db:
            if db.execute("SELECT 1 FROM ready WHERE queue=? LIMIT 1", (queue,)).fetchone() is None:
                raise Empty
        with self.connection.store.write(BrokerLost) as db:
            while (row := db.execute(_TAKE, (queue,)).fetchone()) is not None:
                pri, ident, *rest, expires, private = row
                db.execute("DELETE FROM ready WHERE queue=? AND pri=? AND id=?", (queue, pri, ident))
                db.execute("DELETE FROM message WHERE id=?", (ident,))
                if private and expires is not None and expires < time.time():
                    continue
                payload = _payload(queue, *rest)
                if payload is not None:
                    return payload
        raise Empty

    # -- consumers ----------------------------------------------------------------------------------------------------

    def basic_consume(self, queue: str, *args: Any, **kwargs: Any) -> None:
        """Consume; a private queue lives as long as this connection now."""
        owner = self.connection.owner()
        with self.connection.store.write(BrokerLost) as db:
            db.execute("UPDATE queue SET owner=? WHERE name=? AND expires IS NOT NULL", (owner.id, queue))
        super().basic_consume(queue, *args, **kwargs)
        self.connection.look_soon()

    def basic_cancel(self, consumer_tag: str) -> None:
        """Stop consuming; a private queue goes with its last consumer."""
        queue = self._tag_to_queue.get(consumer_tag)
        super().basic_cancel(consumer_tag)
        if queue is None or queue in self._active_queues:
            return
        with self.connection.store.write(BrokerLost) as db:
            row = db.execute("SELECT private FROM queue WHERE name=?", (queue,)).fetchone()
            if row is not None and row[0]:
                drop_queue(db, queue)
            elif row is not None:
                db.execute("UPDATE queue SET owner=NULL, unused_since=? WHERE name=?", (time.time(), queue))


def _seconds(milliseconds: Any) -> float | None:
    try:
        return None if milliseconds is None else max(0.0, float(milliseconds) / 1000)
    except (TypeError, ValueError):
        return None  # a foreign sender's nonsense means no limit


def _payload(
    queue: str, headers: object, properties: object, content_type: Any, encoding: Any, body: object
) -> dict[str, Any] | None:
    try:
        decoded, props = loads("headers", headers), loads("properties", properties)
    except Malformed:
        return None  # nobody could read it; it is a broadcast or a reply, never a task of a lane
    props["body_encoding"] = None
    props["delivery_tag"] = str(uuid4())
    if not isinstance(props.get("delivery_info"), dict):
        props["delivery_info"] = {"exchange": "", "routing_key": queue}
    return {
        "body": as_bytes(body),
        "content-type": content_type,
        "content-encoding": encoding,
        "headers": decoded,
        "properties": props,
    }
