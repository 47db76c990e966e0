"""The demo's worker: a real `kernelq worker` process on a broker file of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from kernelq.app import KernelQ
from kernelq.kernel.errors import Unreachable

APP = "kernelq_worker.demo.tasks:app"
BOOT_TIMEOUT = 15.0  # seconds; a laptop with a cold disk cache needs three


class DemoWorker:
    """A worker process; use it as a context manager."""

    def __init__(self, folder: Path, concurrency: int, hosts: int) -> None:
        self.log = folder / "worker.log"
        self._command = [
            *(sys.executable, "-m", "kernelq", "-A", APP, "worker", "--loglevel", "INFO", "--logfile", str(self.log)),
            *("--pool", "threads", "--concurrency", str(concurrency), "--hosts", str(hosts)),
        ]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> DemoWorker:
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603 - our own command
        return self

    def __exit__(self, *_: object) -> None:
        """Stop warmly; a worker that does not end within its time is ended."""
        assert self._process is not None
        self._process.terminate()
        try:
            self._process.wait(BOOT_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def hosts(self, app: KernelQ) -> list[int]:
        """Return the process ids of the worker's hosts, as `inspect stats` tells them; asks until it is up."""
        deadline = time.monotonic() + BOOT_TIMEOUT
        while time.monotonic() < deadline:
            answer = app.control.inspect(timeout=0.5, limit=1).stats()
            for stats in (answer or {}).values():
                processes: list[int] = stats["pool"]["processes"]
                return processes
        raise Unreachable(f"the demo's worker did not answer within {BOOT_TIMEOUT:g} s; its log says:\n{self._said()}")

    def _said(self) -> str:
        return self.log.read_text()[-2000:] if self.log.exists() else "nothing"

    def kill_a_host(self, app: KernelQ) -> int:
        """End one host by SIGKILL, as the kernel does to a process that takes too much memory; return its id."""
        victim = self.hosts(app)[0]
        os.kill(victim, signal.SIGKILL)
        return victim
