"""A broker of the tests' own, in a folder, which may be stopped, killed and started again."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from pathlib import Path

from kernelq_testkit.waiting import eventually

STARTS = 120.0
"""Seconds that a node may take to start on a loaded machine."""


class Node(ABC):
    """One server on loopback, on a port that it keeps; what it has taken it finds again after a restart."""

    scheme: str
    greeting: bytes
    """What a client says first, which any server that serves answers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        (self.port,) = ports(1)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    @abstractmethod
    def url(self) -> str:
        """Its address."""

    @abstractmethod
    def close_connections(self) -> None:
        """Have the server close every connection that clients have."""

    @abstractmethod
    def _launch(self) -> subprocess.Popen[bytes]:
        """Start the process."""

    def start(self) -> float:
        """Start it, wait until it serves, and return when it did, in monotonic seconds."""
        self._process = self._launch()
        eventually(self._serves, STARTS, wanted=f"a server that serves at {self.url}")
        return time.monotonic()

    def stop(self) -> None:
        """Ask it to end, and wait for that."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a power cut would. May be called twice."""
        self._end(signal.SIGKILL)

    def _pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def _end(self, number: int) -> None:
        if self._process is not None:
            os.kill(self._pid(), number)
            self._process.wait(60)
            self._process = None

    def _serves(self) -> bool:
        if self._process is not None and self._process.poll() is not None:
            raise RuntimeError(f"{self.url} has ended; its output is in {self.folder}")
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=2) as sock:
                sock.sendall(self.greeting)
                return sock.recv(1) not in (b"", b"-")
        except OSError:
            return False


def ports(count: int) -> list[int]:
    """Return ports on which nobody listens."""
    bound = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    numbers: list[int] = [each.getsockname()[1] for each in bound]
    for each in bound:
        each.close()
    return numbers
