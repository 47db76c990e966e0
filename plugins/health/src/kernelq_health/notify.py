"""Telling systemd how a service is (sd_notify(3)): datagrams of NAME=VALUE lines to a unix socket."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Mapping
from typing import ClassVar

from kernelq_health.pulse import Verdict

EXTENSION = 15_000_000
"""Microseconds that systemd is asked to go on waiting for a worker that cannot consume yet."""


class Notify:
    """Says READY once it consumes, WATCHDOG while it lives, RELOADING, STOPPING. It never blocks and never raises."""

    VARIABLE: ClassVar[str] = "NOTIFY_SOCKET"

    def __init__(self, address: str, watchdog: float) -> None:
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self.watchdog = watchdog
        """Seconds within which systemd wants to hear WATCHDOG; infinite where it does not."""
        self._ready = False
        self._stopping = False
        self._status = ""

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Notify | None:
        """Return what systemd asks this process for; None where it does not."""
        address = environment.get(cls.VARIABLE)
        if not address:
            return None
        microseconds = environment.get("WATCHDOG_USEC", "")
        asked = microseconds.isdecimal() and environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        return cls(address, int(microseconds) / 1e6 if asked and int(microseconds) else float("inf"))

    def tell(self, verdict: Verdict) -> None:
        """Say how it is; called at each look of the loop, so a loop that is stuck says nothing."""
        said = []
        if verdict.live and self.watchdog != float("inf"):
            said.append("WATCHDOG=1")
        if verdict.ready and not self._ready:
            self._ready = True
            said.append("READY=1")
        elif not self._ready:
            said.append(f"EXTEND_TIMEOUT_USEC={EXTENSION}")
        status = "; ".join(verdict.reasons) or "it consumes"
        if status != self._status:
            self._status = status
            said.append(f"STATUS={status}")
        self._send(said)

    def stopping(self, restarts: bool) -> None:
        """Say that it ends, or begins anew; once."""
        if not self._stopping:
            self._stopping = True
            now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
            self._send(["RELOADING=1", f"MONOTONIC_USEC={now}"] if restarts else ["STOPPING=1"])

    def _send(self, lines: list[str]) -> None:
        if lines:
            with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
                sock.setblocking(False)
                sock.sendto("\n".join(lines).encode(), self._address)
