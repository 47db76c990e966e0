"""What is watched: events go into a state, in a thread of their own."""

from __future__ import annotations

import threading
import time
from collections import Counter
from types import TracebackType
from typing import TYPE_CHECKING, Any

from kernelq_monitor.throughput import Throughput

if TYPE_CHECKING:
    from kernelq.app import KernelQ


class Watch:
    """A state of the cluster that follows its events, from `start` to `stop`, or within a ``with``."""

    def __init__(self, app: KernelQ) -> None:
        self.app = app
        self.state = app.events.State()
        self.counts: Counter[str] = Counter()
        """Events so far, by type."""
        self.throughput = Throughput()
        self.error: Exception | None = None
        """What ended the watching, where it was not `stop`."""
        self._receiver = app.events.Receiver(handlers={"*": self.take})
        self._thread = threading.Thread(target=self._run, name="kernelq-watch", daemon=True)
        self._settled = threading.Event()
        self._receiver.on_ready = self._settled.set

    @property
    def connected(self) -> bool:
        """Whether events can come now."""
        return self._receiver.connected

    def start(self) -> None:
        """Begin; returns when there is a connection. Raises `BrokerUnreachable`."""
        self._thread.start()
        self._settled.wait()
        if self.error is not None:
            raise self.error

    def stop(self) -> None:
        """End. May be called twice, and before `start`."""
        self._receiver.stop()
        if self._thread.ident is not None:
            self._thread.join()

    def take(self, event: dict[str, Any]) -> None:
        """Take one event."""
        self.counts[event["type"]] += 1
        self.state.event(event)

    def tick(self) -> None:
        """Note how many events have come by now; call it once a second."""
        self.throughput.add(time.monotonic(), self.counts)

    def _run(self) -> None:
        try:
            self._receiver.capture()
        except Exception as error:  # noqa: BLE001 - it is raised where the view was called from
            self.error = error
        finally:
            self._settled.set()

    def __enter__(self) -> Watch:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()
