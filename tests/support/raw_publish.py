"""Publishing as a foreign sender would: past everything that checks."""

from __future__ import annotations

import base64
import json
import sqlite3
import struct
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Protocol

from malformed import Case, Raw


class Publisher(Protocol):
    """Into the queue of one scene."""

    def cases(self, cases: Iterable[Case]) -> list[Case]:
        """Publish cases; return those that the broker took."""

    def raw(self, raws: Iterable[Raw]) -> list[Raw]:
        """Publish what is not even a message; return what the broker took."""


class ToSqlite:
    """Rows of the database."""

    def __init__(self, scene: Any) -> None:
        self._path = Path(scene.folder, "kernelq.db")

    def cases(self, cases: Iterable[Case]) -> list[Case]:
        """Insert a row for each."""
        taken = list(cases)
        for case in taken:
            self._insert(
                json.dumps(case.headers).encode(), json.dumps(case.properties).encode(), case.content_type,
                case.content_encoding, case.body,
            )  # fmt: skip
        return taken

    def raw(self, raws: Iterable[Raw]) -> list[Raw]:
        """Insert each as the headers of a row."""
        taken = list(raws)
        for raw in taken:
            self._insert(raw.data, b"{}", "application/json", "utf-8", b"[[], {}, null]")
        return taken

    def _insert(self, *values: Any) -> None:
        from kernelq_sqlite.rows import INSERT_MESSAGE, INSERT_READY

        headers, properties, content_type, encoding, body = values
        db = sqlite3.connect(self._path, timeout=30)
        with db:
            row = ("celery", 9, headers, properties, content_type, encoding, None, body)
            db.execute(INSERT_READY, ("celery", 9, db.execute(INSERT_MESSAGE, row).lastrowid))
        db.close()


class ToRedis:
    """Items of the list that is the queue."""

    def __init__(self, scene: Any) -> None:
        import redis

        conf = scene.app.conf
        self._client = redis.Redis.from_url(conf.broker_url)
        self._key = conf.broker_transport_options["global_keyprefix"] + "celery"

    def cases(self, cases: Iterable[Case]) -> list[Case]:
        """Push kombu's envelope of each."""
        taken = list(cases)
        for case in taken:
            envelope = {
                "body": base64.b64encode(case.body).decode(), "content-type": case.content_type,
                "content-encoding": case.content_encoding, "headers": case.headers,
                "properties": {
                    "body_encoding": "base64", "delivery_tag": uuid.uuid4().hex, "priority": 0,
                    "delivery_info": {"exchange": "", "routing_key": "celery"}, **case.properties,
                },
            }  # fmt: skip
            self._client.lpush(self._key, json.dumps(envelope))
        return taken

    def raw(self, raws: Iterable[Raw]) -> list[Raw]:
        """Push the bytes."""
        taken = list(raws)
        for raw in taken:
            self._client.lpush(self._key, raw.data)
        return taken


class ToAmqp:
    """Messages by the anonymous exchange; what the protocol has no form for is left out."""

    def __init__(self, scene: Any) -> None:
        self._url, self._queue = scene.app.conf.broker_url, scene.app.conf.task_default_queue

    def cases(self, cases: Iterable[Case]) -> list[Case]:
        """Publish each on a channel of its own: RabbitMQ closes it where it refuses."""
        from kombu.connection import Connection

        taken = []
        for case in cases:
            with Connection(self._url) as connection:
                if self._published(connection, case):
                    taken.append(case)
        return taken

    def raw(self, raws: Iterable[Raw]) -> list[Raw]:
        """Publish none: there is no message without its frames."""
        return []

    def _published(self, connection: Any, case: Case) -> bool:
        import amqp
        from amqp.exceptions import AMQPError

        try:
            channel = connection.default_channel
            channel.confirm_select()
            message = amqp.Message(
                case.body, application_headers=case.headers, content_type=case.content_type,
                content_encoding=case.content_encoding, **case.properties,
            )  # fmt: skip
            channel.basic_publish_confirm(message, "", self._queue)
        except (AMQPError, OSError, OverflowError, TypeError, ValueError, struct.error) as error:
            print(f"not sent: {case.name}: {error!r:.120}")
            return False
        return True


BY_BROKER: dict[str, Callable[[Any], Publisher]] = {"Sqlite": ToSqlite, "Redis": ToRedis, "Amqp": ToAmqp}
