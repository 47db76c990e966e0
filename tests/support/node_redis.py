"""A Redis of the tests' own."""

from __future__ import annotations

import subprocess

from node import Node


class RedisNode(Node):
    """A redis-server that writes every command down before it answers."""

    scheme = "redis"
    greeting = b"PING\r\n"

    @property
    def url(self) -> str:
        """Its address."""
        return f"redis://127.0.0.1:{self.port}/0"

    def close_connections(self) -> None:
        """Close those of all clients, also of those that subscribe."""
        for kind in ("normal", "pubsub"):
            command = ["redis-cli", "-p", str(self.port), "client", "kill", "type", kind]
            subprocess.run(command, check=True, capture_output=True)

    def _launch(self) -> subprocess.Popen[bytes]:
        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "",
                   "--appendonly", "yes", "--appendfsync", "always"]  # fmt: skip
        with (self.folder / "output").open("ab") as output:
            return subprocess.Popen(command, cwd=self.folder, stdout=output, stderr=output)
