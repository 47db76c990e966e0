"""Events as lines for people."""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime
from typing import Any

from kernelq.cli.output import clean

NAMES = 4096
"""Tasks whose names are remembered, since only the first events have them."""
PLAIN = frozenset({"type", "hostname", "timestamp", "local_received", "utcoffset", "uuid", "name"})
"""Fields that have their place in the line, or say nothing to people."""
WORDS = {"worker-online": "started", "worker-offline": "shutdown", "worker-heartbeat": "heartbeat"}


class Lines:
    """Makes a line of each event: ``w1@host [2026-11-21 10:00:00.123] task received: add(id) args=(1, 2)``."""

    def __init__(self) -> None:
        self._names: OrderedDict[str, str] = OrderedDict()

    def line(self, event: dict[str, Any]) -> str:
        """Return the line of one event, with nothing in it that steers a terminal."""
        kind = str(event["type"])
        words = WORDS.get(kind, kind.replace("-", " "))
        at = event.get("timestamp")
        moment = datetime.fromtimestamp(at).isoformat(" ", "milliseconds") if isinstance(at, int | float) else "-"
        fields = [f"{name}={value}" for name, value in sorted(event.items()) if name not in PLAIN and value is not None]
        rest = " ".join([*self._task(event), *fields])
        return clean(f"{event.get('hostname', '-')} [{moment}] {words}" + (f": {rest}" if rest else ""))

    def _task(self, event: dict[str, Any]) -> list[str]:
        uuid = event.get("uuid")
        if not isinstance(uuid, str):
            return []
        if event.get("name"):
            self._names[uuid] = str(event["name"])
            if len(self._names) > NAMES:
                self._names.popitem(last=False)
        return [f"{self._names.get(uuid, '')}({uuid})"]
