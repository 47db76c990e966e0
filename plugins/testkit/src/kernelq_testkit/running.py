"""A worker of the test's own process."""

from __future__ import annotations

import socket
import threading
import time
import uuid
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kernelq.app import KernelQ

READY = 30.0
"""Seconds that a worker may take until it consumes, and until it has ended."""
LOOK = 0.05
"""Seconds between two looks whether one that does not consume yet has failed instead."""


class RunningWorker:
    """A worker in a thread of this process, with the pool `solo` and a name of its own unless told otherwise.

    ``with RunningWorker(app) as running: …``; what `run` raised is raised at the end.
    """

    def __init__(self, app: KernelQ, **options: Any) -> None:
        make = app.discovery.load("kernelq.workers", "default", wanted_by="kernelq_testkit.RunningWorker")
        self.app = app
        own = f"test-{uuid.uuid4().hex[:8]}@{socket.gethostname()}"  # others may run on the same broker
        self.worker = make(app, **({"pool": "solo", "concurrency": 1, "hostname": own} | options))
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="kernelq worker under test")

    def start(self) -> RunningWorker:
        """Start, and return once the worker consumes; raises what stopped it from doing so."""
        self._thread.start()
        deadline, ready = time.monotonic() + READY, False
        while not ready and self._thread.is_alive() and time.monotonic() < deadline:
            ready = self.worker.wait_ready(LOOK)
        if self.error is not None:
            raise self.error
        assert ready, f"the worker did not consume within {READY} s"
        return self

    def stop(self, how: str = "warm") -> None:
        """Ask for the end and wait for it. May be called twice."""
        if not self._thread.is_alive():
            return
        self.worker.shutdown(how)
        self._thread.join(READY)
        if self._thread.is_alive():
            self.worker.shutdown("cold")
            self._thread.join(READY)
            raise AssertionError(f"the worker did not end within {READY} s")
        if self.error is not None:
            raise self.error

    def __enter__(self) -> RunningWorker:
        return self.start()

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def _run(self) -> None:
        try:
            self.worker.run()
        except BaseException as error:  # noqa: BLE001 - it is raised again in the test's thread
            self.error = error
