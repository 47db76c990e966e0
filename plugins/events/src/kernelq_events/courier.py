"""The courier: a thread that carries events to the broker, so that no broker can hold up the worker's loop."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from kernelq.events.outlet import Encode, Outlet, connect
from kernelq.kernel.errors import Unreachable

if TYPE_CHECKING:
    from kernelq.conf import Conf
    from kernelq.events.backlog import Backlog
    from kernelq.kernel.contracts.transport import Transport

log = logging.getLogger("kernelq.events")

PAUSE = 0.05
"""Seconds between two messages: what comes meanwhile goes out together, so that many events cost few messages."""
FIRST_DELAY = 0.1
LONGEST_DELAY = 2.0
"""Seconds before a connection is tried again; the delay doubles from the first to the longest."""
LEAVE = 2.0
"""Seconds that the last events may take when the worker ends; then they are given up."""


class Courier:
    """Publishes what is in `backlog`, over connections of its own; what cannot be published yet stays there.

    It works while `attached`: the consumer stands, and the broker in use is the one to send to.
    """

    def __init__(
        self, transport: Transport, conf: Conf, hostname: str, backlog: Backlog, encode: Encode | None = None
    ) -> None:
        self._transport = transport
        self._conf = conf
        self._hostname = hostname
        self._backlog = backlog
        self._encode = encode
        self._outlet: Outlet | None = None
        self._attached = False
        self._stale = False
        self._failures = 0
        self._busy = False
        self._wake = threading.Event()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="kernelq-events", daemon=True)

    @property
    def idle(self) -> bool:
        """Whether everything has been published."""
        return not len(self._backlog) and not self._busy

    def start(self) -> None:
        """Begin; nothing goes out before `attach`."""
        self._thread.start()

    def attach(self) -> None:
        """Publish from now on."""
        self._failures = 0
        self._attached = True
        self._wake.set()

    def detach(self) -> None:
        """Publish no more until `attach`: the consumer has lost its broker, and may take another."""
        self._attached = False
        self._stale = True
        self._wake.set()

    def wake(self) -> None:
        """Tell that there is something to publish. Cheap; safe from any thread."""
        if not self._wake.is_set():
            self._wake.set()

    def stop(self) -> None:
        """Publish what is left, and end; what takes too long is given up and counted."""
        self._ending.set()
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join(LEAVE)
        if len(self._backlog):
            log.warning("%d events could not be sent, and are given up", len(self._backlog))
            self._backlog.clear()

    def _run(self) -> None:
        while not self._ending.is_set():
            self._wake.wait()
            self._wake.clear()
            self._ending.wait(self._deliver())
        self._deliver()
        self._close()

    def _deliver(self) -> float:
        """Publish what there is; return the seconds before the next look."""
        if self._stale:
            self._stale = False
            self._close()
        if not self._attached or not len(self._backlog):
            return 0.0
        self._busy = True
        try:
            self._opened().drain(self._backlog)
        except Unreachable as error:
            return self._failed(error)
        except Exception:  # the other events are under way, and must not be lost to one that cannot be written
            log.exception("events that could not be written are dropped")
        finally:
            self._busy = False
        self._failures = 0
        return PAUSE

    def _failed(self, error: Unreachable) -> float:
        if not self._failures:
            log.warning("events are kept: %s", error)
        delay = min(FIRST_DELAY * 2.0 ** min(self._failures, 10), LONGEST_DELAY)
        self._failures += 1
        self._close()
        self._wake.set()
        return delay

    def _opened(self) -> Outlet:
        if self._outlet is None:
            connection = connect(self._transport, self._conf.broker_connection_timeout)
            self._outlet = Outlet(connection, self._conf, self._hostname, encode=self._encode)
        return self._outlet

    def _close(self) -> None:
        outlet, self._outlet = self._outlet, None
        if outlet is not None:
            outlet.close()
