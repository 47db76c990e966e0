"""The step EventDispatcher: collects the worker's events, across the connections of its consumer."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from kernelq.events.backlog import Backlog
from kernelq.events.event import event, group, list_key, routing_key
from kernelq.kernel.contracts.transport import TransportCapability
from kernelq.kernel.keys import Context
from kernelq.kernel.step import Step
from kernelq.keys import APP, EVENTS, REQUESTS, TRANSPORT, WORKER
from kernelq_events.announcer import Announcer
from kernelq_events.courier import Courier
from kernelq_events.keys import COURIER
from kernelq_events.records import encode
from kernelq_events.settings import EventsSettings

if TYPE_CHECKING:
    from kernelq.app import KernelQ
    from kernelq.handles import Requests

TASKS = "task"
"""The group that can be switched."""


class WorkerEvents:
    """The value of the key ``EVENTS``; see `kernelq.handles.Events`. `send` is safe from any thread."""

    def __init__(self, app: KernelQ, hostname: str, pid: int, requests: Requests, backlog: Backlog) -> None:
        self.enabled = False
        self._clock = app.clock
        self._hostname = hostname
        self._pid = pid
        self._requests = requests
        self._backlog = backlog
        self._wake: Callable[[], None] | None = None
        self._plain = app.conf.event_serializer != "json"  # others know nothing of records
        self.announcer = Announcer(app, hostname, pid, self._emit)

    @property
    def dropped(self) -> int:
        """Events that were given up, since too many waited for a connection."""
        return self._backlog.dropped

    @property
    def audible(self) -> bool:
        """Whether there is a way to those who watch."""
        return self._wake is not None

    def open(self, wake: Callable[[], None]) -> None:
        """Collect from now on; `wake` is called when there is something to publish."""
        self._wake = wake

    def send(self, type: str, **fields: Any) -> None:
        """Send an event, with the fields that every event has. Collected, and published soon; never raises."""
        of = group(type)
        if self._wake is None or (of == TASKS and not self.enabled):
            return
        made = event(type, self._hostname, self._pid, self._clock.forward(), **fields)
        self._backlog.add(list_key(TASKS) if of == TASKS else routing_key(type), [made])
        self._wake()

    def enable(self) -> bool:
        """Send task events from now on; return whether that is a change."""
        if self.enabled or self._wake is None:
            return False
        self.announcer.refresh()
        self._requests.watch(self.announcer)
        self.enabled = True
        return True

    def disable(self) -> bool:
        """Send no task events from now on; return whether that is a change."""
        if not self.enabled:
            return False
        self._requests.unwatch(self.announcer)
        self.enabled = False
        return True

    def _emit(self, records: list[Any]) -> None:
        if records and self._wake is not None:
            self._backlog.add(list_key(TASKS), msgspec.to_builtins(records) if self._plain else records)
            self._wake()


class EventDispatcher(Step):
    """Provides the way to those who watch; it outlives the consumer, which attaches it to the broker.

    On a broker without fan-out nobody can hear, and nothing is collected.
    """

    requires = (APP, WORKER, TRANSPORT, REQUESTS)
    provides = (EVENTS, COURIER)

    def __init__(self) -> None:
        self._events: WorkerEvents | None = None
        self._backlog = Backlog()
        self._courier: Courier | None = None

    def start(self, ctx: Context) -> None:
        """Begin to collect."""
        app, worker, transport = ctx[APP], ctx[WORKER], ctx[TRANSPORT]
        self._events = events = WorkerEvents(app, worker.hostname, worker.pid, ctx[REQUESTS], self._backlog)
        if TransportCapability.FANOUT in transport.capabilities:
            writes = encode if app.conf.event_serializer == "json" else None
            self._courier = courier = Courier(transport, app.conf, worker.hostname, self._backlog, writes)
            courier.start()
            events.open(courier.wake)
            if app.conf.section(EventsSettings).worker_send_task_events:
                events.enable()
        ctx[EVENTS] = events
        ctx[COURIER] = self._courier

    def stop(self, ctx: Context) -> None:
        """Publish what is left."""
        if self._events is not None:
            self._events.disable()
        courier, self._courier = self._courier, None
        if courier is not None:
            courier.stop()

    def info(self, ctx: Context) -> dict[str, Any]:
        """Return whether task events are sent, and how many events were sent, wait, or were dropped."""
        if self._events is None:
            return {}
        backlog = self._backlog
        return {
            "task_events": self._events.enabled,
            "audible": self._events.audible,
            "sent": backlog.added - len(backlog) - backlog.dropped,
            "waiting": len(backlog),
            "dropped": backlog.dropped,
        }
