"""The brokers that subjects are tried on: each with what is left in it, and a way to restart it where it is ours."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any, Protocol

import redis
from node import Node
from node_rabbitmq import RabbitMQNode
from node_redis import RedisNode

from kernelq_testkit import FaultProxy


class Broker(Protocol):
    """One broker, for one run."""

    name: str
    proxy: FaultProxy | None
    """What workers connect through; None where there is no connection."""
    restarts: bool

    def settings(self, *, through_proxy: bool) -> dict[str, Any]:
        """Return the settings that name it."""

    def restart(self) -> None:
        """Stop it as its owner would, and start it again."""

    def close(self) -> None:
        """End it, or delete what is left in it."""


class _Far:
    """A server of this run's own, which keeps what it has taken; workers reach it through a proxy."""

    restarts = True

    def __init__(self, node: Node) -> None:
        self._node = node
        node.start()
        self.proxy: FaultProxy | None = FaultProxy("127.0.0.1", node.port)

    def settings(self, *, through_proxy: bool) -> dict[str, Any]:
        """Return the settings that name it."""
        port = self.proxy.port if through_proxy and self.proxy is not None else self._node.port
        return {"broker_url": self._node.url.replace(f":{self._node.port}", f":{port}")}

    def restart(self) -> None:
        """Stop it, leave it away for a second, and start it again."""
        self._node.stop()
        threading.Event().wait(1.0)
        self._node.start()

    def close(self) -> None:
        """End it."""
        if self.proxy is not None:
            self.proxy.close()
        self._node.kill()


class Redis(_Far):
    """It writes everything down before it answers."""

    name = "Redis"

    def __init__(self, folder: Path) -> None:
        super().__init__(RedisNode(folder / "redis"))

    def unacknowledged(self) -> int:
        """Return how many messages lie in kombu's layout: queued, or with a consumer and not acknowledged."""
        with redis.Redis(port=self._node.port) as client:
            queued = sum(int(client.llen(key)) for key in ["celery", *(f"celery\x06\x16{n}" for n in (3, 6, 9))])
            return queued + int(client.hlen("unacked"))


class RabbitMQ(_Far):
    """Its queues are classic and durable, as they come."""

    name = "RabbitMQ"

    def __init__(self, folder: Path) -> None:
        super().__init__(RabbitMQNode(folder / "rabbitmq"))


class SQLite:
    """A file, which has neither connections nor a server."""

    name, restarts = "SQLite", False
    proxy: FaultProxy | None = None

    def __init__(self, folder: Path) -> None:
        self._path = folder / "kernelq.db"

    def settings(self, *, through_proxy: bool) -> dict[str, Any]:
        """Return the settings that name it."""
        return {"broker_url": f"sqlite:///{self._path}"}

    def restart(self) -> None:
        """Refuse."""
        raise NotImplementedError("there is no server")

    def close(self) -> None:
        """Do nothing."""
