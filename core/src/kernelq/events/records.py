"""What is known of one worker and of one task, from the events that were seen."""

from __future__ import annotations

import logging
import time
from bisect import insort
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, ClassVar
from weakref import WeakSet

import attrs

from kernelq import states

log = logging.getLogger("kernelq.events")

HEARTBEAT_EXPIRE_WINDOW = 200
"""Percent of its heartbeat's interval after which a silent worker is taken for dead (celery/events/state.py)."""
HEARTBEAT_DRIFT_MAX = 16
"""Seconds between the sending and the receiving of an event, above which clocks seem not to agree."""
HEARTBEATS = 4
"""How many heartbeats are kept of a worker."""

PRECEDENCE = (
    states.SUCCESS, states.FAILURE, None, states.REVOKED, states.STARTED, states.RECEIVED, states.REJECTED,
    states.RETRY, states.PENDING,
)  # fmt: skip
"""The states, the last to happen first; None stands for those of one's own (celery/states.py)."""
_RANKS = {state: rank for rank, state in enumerate(PRECEDENCE)}

EVENT_STATES = {
    "sent": states.PENDING,
    "received": states.RECEIVED,
    "started": states.STARTED,
    "failed": states.FAILURE,
    "retried": states.RETRY,
    "succeeded": states.SUCCESS,
    "revoked": states.REVOKED,
    "rejected": states.REJECTED,
}
"""What the standard task events say of a task; ``task-xyz`` makes it XYZ."""

MERGED = {
    states.RECEIVED: frozenset({"name", "args", "kwargs", "parent_id", "root_id", "retries", "eta", "expires"}),
}
"""Of an event that comes later than those that follow from it, only these fields are taken."""


def precedence(state: str) -> int:
    """Return the rank of a state; the lower, the later it happens."""
    return _RANKS.get(state, _RANKS[None])


def _slots(known: Iterable[str], record: Any, fields: Mapping[str, Any]) -> None:
    """Set the fields that are known as attributes, and keep others apart: an event replaces nothing but data."""
    for name, value in fields.items():
        if name in known:
            setattr(record, name, value)
        else:
            record.extra[name] = value


@attrs.define(eq=False, slots=False, repr=False)
class Worker:
    """A worker, as its events tell of it. Two are equal where their names are."""

    hostname: str
    pid: int | None = None
    freq: float = 60
    """Seconds between its heartbeats; Celery's default where it has not told."""
    heartbeats: list[float] = attrs.field(factory=list)
    """When its last events came here, in seconds since the epoch, oldest first."""
    clock: int = 0
    active: int | None = None
    processed: int | None = None
    loadavg: list[float] | None = None
    sw_ident: str | None = None
    sw_ver: str | None = None
    sw_sys: str | None = None
    extra: dict[str, Any] = attrs.field(factory=dict)
    """Fields that only its plugins know; they read as attributes too."""

    FIELDS: ClassVar[frozenset[str]] = frozenset(
        {"pid", "freq", "clock", "active", "processed", "loadavg", "sw_ident", "sw_ver", "sw_sys"}
    )

    def event(self, fields: Mapping[str, Any]) -> None:
        """Take the fields of an event ``worker-…`` of this worker."""
        given = {name: value for name, value in fields.items() if name != "hostname"}
        if not isinstance(given.get("freq"), int | float):
            given.pop("freq", None)
        _slots(self.FIELDS, self, given)
        if fields.get("type") == "worker-offline":
            self.heartbeats.clear()
        else:
            self.seen(fields.get("timestamp"), fields.get("local_received"))

    def seen(self, timestamp: float | None, local_received: float | None) -> None:
        """Note a sign of life: when it was sent, and when it came here."""
        if not timestamp or not local_received:
            return
        self._check_drift(timestamp, local_received)
        if len(self.heartbeats) >= HEARTBEATS:
            self.heartbeats.pop(0)
        insort(self.heartbeats, local_received)

    def _check_drift(self, timestamp: float, local_received: float) -> None:
        drift = abs(int(local_received) - int(timestamp))
        if drift > HEARTBEAT_DRIFT_MAX and not self.__dict__.get("drifted"):
            self.__dict__["drifted"] = True
            sent, received = datetime.fromtimestamp(timestamp), datetime.fromtimestamp(local_received)
            log.warning(
                "the clocks of %s and of this machine seem to differ by %s seconds (sent %s, received %s)",
                self.hostname, drift, sent, received,
            )  # fmt: skip

    @property
    def heartbeat_expires(self) -> float:
        """When it is taken for dead, in seconds since the epoch, unless another event comes; 0 where none came yet."""
        return self.heartbeats[-1] + self.freq * HEARTBEAT_EXPIRE_WINDOW / 100 if self.heartbeats else 0.0

    @property
    def alive(self) -> bool:
        """Whether its last event is no older than twice its heartbeat's interval."""
        return bool(self.heartbeats) and time.time() < self.heartbeat_expires

    @property
    def status_string(self) -> str:
        """ONLINE or OFFLINE."""
        return "ONLINE" if self.alive else "OFFLINE"

    @property
    def id(self) -> str:
        """Its name and process: ``celery@host.123``."""
        return f"{self.hostname}.{self.pid}"

    def as_dict(self) -> dict[str, Any]:
        """Return what is known, JSON-able."""
        known = {name: getattr(self, name) for name in sorted(self.FIELDS)}
        return {**self.extra, **known, "hostname": self.hostname, "alive": self.alive}

    def __getattr__(self, name: str) -> Any:
        return _extra(self, name)

    def __eq__(self, other: object) -> bool:
        return self.hostname == other.hostname if isinstance(other, Worker) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.hostname)

    def __repr__(self) -> str:
        return f"<Worker: {self.hostname} ({self.status_string} clock:{self.clock})>"


@attrs.define(eq=False, slots=False, repr=False)
class Task:
    """A task, as events tell of it. Two are equal where their ids are.

    `sent`, `received`, `started` and so on are when that happened, in seconds since the epoch, or None.
    """

    uuid: str
    name: str | None = None
    state: str = states.PENDING
    sent: float | None = None
    received: float | None = None
    started: float | None = None
    succeeded: float | None = None
    failed: float | None = None
    retried: float | None = None
    revoked: float | None = None
    rejected: float | None = None
    args: str | None = None
    kwargs: str | None = None
    eta: str | None = None
    expires: str | None = None
    retries: int | None = None
    result: str | None = None
    exception: str | None = None
    traceback: str | None = None
    runtime: float | None = None
    """Seconds."""
    timestamp: float | None = None
    """When the event happened that gave it its state."""
    exchange: str | None = None
    routing_key: str | None = None
    root_id: str | None = None
    parent_id: str | None = None
    clock: int = 0
    worker: Worker | None = None
    client: str | None = None
    """The name of the process that sent it."""
    children: WeakSet[Task] = attrs.field(factory=WeakSet)
    extra: dict[str, Any] = attrs.field(factory=dict)
    """Fields that only its sender or its worker's plugins know; they read as attributes too."""

    FIELDS: ClassVar[frozenset[str]] = frozenset(
        {
            "name", "args", "kwargs", "eta", "expires", "retries", "result", "exception", "traceback", "runtime",
            "exchange", "routing_key", "root_id", "parent_id", "clock",
        }
    )  # fmt: skip
    SHOWN: ClassVar[tuple[str, ...]] = (
        "args", "kwargs", "retries", "result", "eta", "runtime", "expires", "exception", "exchange", "routing_key",
        "root_id", "parent_id",
    )  # fmt: skip

    def event(self, subject: str, fields: Mapping[str, Any]) -> None:
        """Take the fields of an event ``task-<subject>`` of this task.

        Where its state happens before the one that is known, the event came late: the state stays.
        """
        timestamp = fields.get("timestamp")
        state = EVENT_STATES.get(subject)
        if state is not None:
            setattr(self, subject, timestamp)
        else:
            state = subject.upper()
        if states.RETRY not in (state, self.state) and precedence(state) > precedence(self.state):
            kept = MERGED.get(state)
            if kept is not None:
                fields = {name: value for name, value in fields.items() if name in kept}
        else:
            self.state, self.timestamp = state, timestamp
        _slots(self.FIELDS, self, {name: value for name, value in fields.items() if name not in ("uuid", "timestamp")})

    @property
    def id(self) -> str:
        """Its id, as `uuid`."""
        return self.uuid

    @property
    def ready(self) -> bool:
        """Whether its state is final."""
        return self.state in states.READY_STATES

    @property
    def origin(self) -> str | None:
        """The worker that has it, with its process; else who sent it."""
        return self.client if self.worker is None else self.worker.id

    def info(self, fields: Iterable[str] | None = None, extra: Iterable[str] = ()) -> dict[str, Any]:
        """Return what is known of `fields`, by default those worth showing, and of `extra`."""
        names = [*(self.SHOWN if fields is None else fields), *extra]
        return {name: value for name in names if (value := getattr(self, name, None)) is not None}

    def as_dict(self) -> dict[str, Any]:
        """Return all that is known, JSON-able."""
        values = {one.name: getattr(self, one.name) for one in attrs.fields(Task) if one.name != "extra"}
        values["worker"] = self.worker.hostname if self.worker is not None else None
        values["children"] = sorted(child.uuid for child in self.children)
        return {**self.extra, **values}

    def __getattr__(self, name: str) -> Any:
        return _extra(self, name)

    def __eq__(self, other: object) -> bool:
        return self.uuid == other.uuid if isinstance(other, Task) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.uuid)

    def __repr__(self) -> str:
        return f"<Task: {self.name}({self.uuid}) {self.state} clock:{self.clock}>"


def _extra(record: Any, name: str) -> Any:
    extra = record.__dict__.get("extra", {})
    if name in extra:
        return extra[name]
    raise AttributeError(f"no event of this {type(record).__name__.lower()} had a field {name!r}")
