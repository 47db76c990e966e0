"""The servers of a run: a Redis of the benchmark's own, and the RabbitMQ that is there; both on the first core."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator

import psutil

AMQP_URL = os.environ.get("KERNELQ_TEST_AMQP_URL", "amqp://guest:guest@127.0.0.1:5672/%2F")


def cores() -> tuple[int, int]:
    """Return the core of the servers, and the core of the workers."""
    usable = sorted(os.sched_getaffinity(0))
    return usable[0], usable[-1]


@contextlib.contextmanager
def redis(core: int) -> Iterator[str]:
    """Run an empty Redis that keeps nothing on disk; give its URL."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        flags = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", folder]
        command = ["taskset", "-c", str(core), "redis-server", *flags, "--loglevel", "warning"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            _listening(port)
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            process.terminate()
            process.wait()


def _listening(port: int) -> None:
    until = time.monotonic() + 20
    while time.monotonic() < until:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    raise TimeoutError(f"no server on port {port}")


@contextlib.contextmanager
def rabbitmq(core: int) -> Iterator[str]:
    """Give the URL of the RabbitMQ that runs; its process keeps to `core` meanwhile, where we may say so."""
    with contextlib.ExitStack() as undo:
        for process in psutil.process_iter(["name"]):
            if process.info["name"] == "beam.smp":
                for thread in (one.id for one in process.threads()):
                    with contextlib.suppress(OSError):
                        before = os.sched_getaffinity(thread)
                        os.sched_setaffinity(thread, {core})
                        undo.callback(_restore, thread, before)
        yield AMQP_URL


def _restore(thread: int, before: set[int]) -> None:
    with contextlib.suppress(OSError):  # the thread has ended
        os.sched_setaffinity(thread, before)
