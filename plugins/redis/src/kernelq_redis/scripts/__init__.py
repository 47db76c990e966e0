"""The scripts that run inside Redis: each an atomic step. One file a script, loaded when the plugin is."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kernelq_redis import consumer_id
from kernelq_redis.results import STORE
from kernelq_redis.wire import ReplyError, Wire, pack

Argument = str | int | float | bytes
_HERE = Path(__file__).parent


class Script:
    """A script: the file of its name, behind functions that it calls."""

    def __init__(self, name: str, *before: str) -> None:
        self.name = name
        self.text = "\n".join((*before, _read(name))).encode()
        self.sha = hashlib.sha1(self.text, usedforsecurity=False).hexdigest().encode()


class FlightScript:
    """A script about flights, in two forms: for those of KernelQ alone, and for those that Celery may rescue.

    The second takes two keys more, behind all others: see `kernelq_redis.keys.Keys.rescues`.
    """

    def __init__(self, name: str, *before: str) -> None:
        self.alone = Script(name, _read("alone"), *before)
        self.rescued = Script(name, _read("rescued"), *before)

    def of(self, consumer: str) -> Script:
        """Return the form for the flights of `consumer`, whoever calls it."""
        return self.rescued if consumer_id.is_rescued(consumer) else self.alone


def _read(name: str) -> str:
    return (_HERE / f"{name}.lua").read_text("utf-8")


_COMMON = _read("common")


ADOPT = Script("adopt")
ACK = FlightScript("ack")
ACK_AND_STORE = FlightScript("ack_and_store", STORE)
BEGIN = Script("begin")
CLAIM = FlightScript("claim")
DEPTH = Script("depth")
JOIN = Script("join")
LEAVE = FlightScript("leave", _COMMON)
LIFT = Script("lift", _read("rescued"))
SETTLE = FlightScript("settle", _COMMON, STORE)
SWEEP = FlightScript("sweep", _COMMON)
WATCH = Script("watch")

_FLIGHTS = (ACK, ACK_AND_STORE, CLAIM, LEAVE, SETTLE, SWEEP)
ALL = (
    *(ADOPT, BEGIN, DEPTH, JOIN, LIFT, WATCH),
    *(form for script in _FLIGHTS for form in (script.alone, script.rescued)),
)

LOAD = b"".join(pack(("SCRIPT", "LOAD", script.text)) for script in ALL)
"""Commands that load all of them, in one string; there are as many answers as there are scripts."""


def call(script: Script, keys: Sequence[str], arguments: Sequence[Argument]) -> bytes:
    """Return the packed command that runs `script`, once the server has it."""
    return pack(("EVALSHA", script.sha, len(keys), *keys, *arguments))


def call_whole(script: Script, keys: Sequence[str], arguments: Sequence[Argument]) -> bytes:
    """Return the packed command that runs `script` whether the server has it or not, so never out of its turn."""
    return pack(("EVAL", script.text, len(keys), *keys, *arguments))


def run(wire: Wire, packed: bytes) -> Any:
    """Return the answer to one packed command; a refusal is raised. Scripts that were forgotten are loaded again."""
    (answer,) = wire.talk(packed, 1)
    if isinstance(answer, ReplyError) and str(answer).startswith("NOSCRIPT"):
        wire.talk(LOAD, len(ALL))
        (answer,) = wire.talk(packed, 1)
    if isinstance(answer, Exception):
        raise answer
    return answer
