"""The brokers that whole workers are hurt on, each with what its lease needs to be short."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

DEFAULT_LEASE = 20.0
"""Seconds after which a worker that was stopped is taken for dead, where no setting says otherwise."""


class Broker(Protocol):
    """A place on a broker that is a test's own."""

    copies: bool
    """Whether a message of which a delivery is counted may be there twice, when its worker is killed just then."""

    def settings(self, folder: Path, lease: float) -> dict[str, Any]:
        """Return the settings of an app whose project is in `folder`, with a lease of so many seconds."""

    def relief(self, lease: float) -> float:
        """Return the seconds within which the tasks of a worker that was killed are to start elsewhere."""

    def close(self) -> None:
        """Remove what the test has left on the broker."""


class Sqlite:
    """A database in the project's folder. A lease ends with its process; that of a stopped one by its age."""

    copies = False

    def settings(self, folder: Path, lease: float) -> dict[str, Any]:
        """Return the settings of an app whose project is in `folder`, with a lease of so many seconds."""
        url = f"sqlite:///{folder / 'kernelq.db'}"
        options = {} if lease == DEFAULT_LEASE else {"lease": lease}
        return {"broker_url": url, "result_backend": url, "broker_transport_options": options}

    def relief(self, lease: float) -> float:
        """Return the seconds within which the tasks of a worker that was killed are to start elsewhere."""
        return 2.0

    def close(self) -> None:
        """Do nothing: it goes with the folder."""


class Redis:
    """Keys with a prefix of the test's own, in the database that the environment names."""

    copies = False

    def __init__(self) -> None:
        self._url = os.environ.get("KERNELQ_TEST_REDIS_URL", "redis://127.0.0.1:6379/15")
        self._prefix = f"kqt-{uuid4().hex[:10]}:"

    def settings(self, folder: Path, lease: float) -> dict[str, Any]:
        """Return the settings of an app, with a lease of so many seconds."""
        prefix = {"global_keyprefix": self._prefix}
        options = prefix if lease == DEFAULT_LEASE else {**prefix, "lease": lease}
        return {
            "broker_url": self._url,
            "result_backend": self._url,
            "broker_transport_options": options,
            "result_backend_transport_options": prefix,
        }

    def relief(self, lease: float) -> float:
        """Return a lease and five seconds: nothing but its age tells that a worker is dead."""
        return lease + 5.0

    def close(self) -> None:
        """Delete the keys."""
        import redis

        with redis.Redis.from_url(self._url) as client:
            for key in client.scan_iter(f"{self._prefix}*", count=10_000):
                client.delete(key)


class Amqp:
    """A queue of the test's own in the RabbitMQ that the environment names; results are in a database in the folder.

    A lease is the connection: the broker sees its end at once, and a silent one by its heartbeats.
    """

    copies = True  # its counter is a header of the next copy; that is confirmed before the last is acknowledged

    def __init__(self) -> None:
        self._url = os.environ.get("KERNELQ_TEST_AMQP_URL", "amqp://guest:guest@127.0.0.1:5672//")
        self._queue = f"kqt-{uuid4().hex[:10]}"

    def settings(self, folder: Path, lease: float) -> dict[str, Any]:
        """Return the settings of an app, whose connections are lost after so many silent seconds."""
        return {
            "broker_url": self._url,
            "result_backend": f"sqlite:///{folder / 'kernelq.db'}",
            "task_default_queue": self._queue,
            "broker_heartbeat": lease / 2,
        }

    def relief(self, lease: float) -> float:
        """Return what the broker needs to see that a connection has ended, and to give its messages to others."""
        return 2.0

    def close(self) -> None:
        """Delete the queues, and what has their names."""
        from kombu.connection import Connection

        with Connection(self._url) as connection:
            for name in (self._queue, f"{self._queue}.dlq", f"{self._queue}.kernelq.losses"):
                with connection.channel() as channel:
                    channel.queue_delete(name)
                    channel.exchange_delete(name)

    def purge(self, queue: str) -> None:
        """Delete the messages of a queue that is not only the test's."""
        from kombu.connection import Connection

        with Connection(self._url) as connection, connection.channel() as channel:
            channel.queue_purge(queue)


ALL: dict[str, type[Broker]] = {"sqlite": Sqlite, "redis": Redis, "amqp": Amqp}
