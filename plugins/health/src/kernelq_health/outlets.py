"""Outlets of the pulse: threads of their own, which answer while the loop is stuck."""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from socketserver import TCPServer
from typing import Any, Protocol

from kernelq.kernel.errors import ConfigurationError
from kernelq_health.pulse import Pulse

QUESTIONS = ("live", "ready", "started")
WRITE_EVERY = 1.0
"""Seconds between two writes of the file."""


class Outlet(Protocol):
    """Tells how the worker is until it is closed."""

    def close(self) -> None:
        """End the thread, and free all."""


class Server:
    """Answers GET /live, /ready and /started with 200 or 503, and with all of the verdict in JSON."""

    def __init__(self, pulse: Pulse, host: str, port: int) -> None:
        """Listen. Raises `ConfigurationError`."""
        try:
            self._server = _Quiet((host, port), _handler(pulse))
        except OSError as error:
            raise ConfigurationError(f"--health-port: {host}:{port} cannot be listened on: {error.strerror}") from error
        self._thread = threading.Thread(target=self._server.serve_forever, name="kernelq-health", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Listen no longer."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Quiet(HTTPServer):
    """Says nothing of askers that go away before they are answered, and looks up no name."""

    def server_bind(self) -> None:
        """Bind, without asking for the host's whole name: where there is no DNS that takes seconds."""
        TCPServer.server_bind(self)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Pass it over."""


def _handler(pulse: Pulse) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """Answers one question."""

        timeout = 2.0  # seconds; who asks and says nothing more is not waited for
        protocol_version = "HTTP/1.0"

        def do_GET(self) -> None:
            """Answer."""
            verdict = pulse.verdict()
            asked = self.path.partition("?")[0].strip("/") or "live"
            if asked not in QUESTIONS:
                self.send_error(404, f"ask for one of /{', /'.join(QUESTIONS)}")
                return
            body = json.dumps(verdict.as_dict()).encode() + b"\n"
            self.send_response(200 if getattr(verdict, asked) else 503)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        do_HEAD = do_GET

        def log_message(self, format: str, *args: Any) -> None:
            """Log nothing: a probe asks every few seconds."""

    return Handler


class File:
    """Writes the verdict each second, with the time of the monotonic clock, so that a reader sees whether it is new."""

    def __init__(self, pulse: Pulse, path: str) -> None:
        """Write it first. Raises `ConfigurationError`."""
        self._pulse = pulse
        self._path = path
        self._closed = threading.Event()
        try:
            self._write()
        except OSError as error:
            raise ConfigurationError(f"--health-file: {path} cannot be written: {error.strerror}") from error
        self._thread = threading.Thread(target=self._run, name="kernelq-health-file", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Remove the file."""
        self._closed.set()
        self._thread.join()
        with contextlib.suppress(OSError):
            os.unlink(self._path)

    def _run(self) -> None:
        while not self._closed.wait(WRITE_EVERY):
            with contextlib.suppress(OSError):  # a full disk: the file grows old, which tells as much
                self._write()

    def _write(self) -> None:
        told = {**self._pulse.verdict().as_dict(), "pid": os.getpid(), "monotonic": time.monotonic()}
        new = f"{self._path}.{os.getpid()}"
        with open(new, "w", encoding="utf-8") as file:
            json.dump(told, file)
        os.replace(new, self._path)
