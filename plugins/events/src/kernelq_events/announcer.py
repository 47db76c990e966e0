"""What the events of tasks are made of: how the worker's requests go on."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from kernelq import states
from kernelq.delivery import Verdict
from kernelq.events.event import event, utcoffset
from kernelq.events.sent import SENT, fields
from kernelq_events.records import Failed, Received, Rejected, Retried, Revoked, Started, Succeeded

if TYPE_CHECKING:
    from kernelq.app import KernelQ
    from kernelq.delivery import Settlement
    from kernelq.outcome import Outcome
    from kernelq.request import Request

Emit = Callable[[list[Any]], None]


class Announcer:
    """Makes events of what a watcher is told (`kernelq.handles.Watcher`), and emits them in batches.

    Of a task whose `send_events` is off nothing is told.
    """

    def __init__(self, app: KernelQ, hostname: str, pid: int, emit: Emit) -> None:
        self._app = app
        self._hostname = hostname
        self._pid = pid
        self._emit = emit
        self._forward = app.clock.forward
        self._sent: bool = app.conf.task_send_sent_event
        self._silent: frozenset[str] = frozenset()
        self._offset, self._asked = utcoffset(), time.time()
        self.refresh()

    def refresh(self) -> None:
        """Look again which tasks send no events."""
        tasks = self._app.tasks.items()
        self._silent = frozenset(name for name, task in tasks if not getattr(task, "send_events", True))

    def received(self, requests: Sequence[Request]) -> None:
        """Tell of requests that were accepted."""
        hostname, pid, forward, (offset, now) = self._hostname, self._pid, self._forward, self._when()
        events = []
        for request in self._told(requests):
            job = request.job
            get = job.headers.get
            eta, expires = get("eta"), get("expires")
            events.append(
                Received(
                    hostname, offset, pid, now, forward(), job.task_id, get("shadow") or job.task,
                    get("argsrepr") or "", get("kwargsrepr") or "", get("root_id"), get("parent_id"),
                    get("retries") or 0, eta and self._moment(eta), expires and self._moment(expires),
                )
            )  # fmt: skip
        self._emit(events)

    def started(self, requests: Sequence[Request]) -> None:
        """Tell of requests that run now."""
        hostname, pid, forward, (offset, now) = self._hostname, self._pid, self._forward, self._when()
        told = self._told(requests)
        self._emit([Started(hostname, offset, pid, now, forward(), request.job.task_id) for request in told])

    def finished(self, ended: Sequence[tuple[Request, Outcome]]) -> None:
        """Tell of requests that have ended."""
        hostname, pid, forward, (offset, now) = self._hostname, self._pid, self._forward, self._when()
        silent = self._silent
        events: list[Any] = []
        for request, outcome in ended:
            if outcome.messages and self._sent:
                events += [event(SENT, hostname, pid, forward(), **fields(one)) for one in outcome.messages]
            if silent and request.job.task in silent:
                continue
            if outcome.state == states.SUCCESS:
                events.append(
                    Succeeded(
                        hostname, offset, pid, now, forward(), request.job.task_id, outcome.detail, outcome.runtime
                    )
                )
            else:
                events += self._ended_otherwise(request.job.task_id, outcome, offset, now)
        self._emit(events)

    def lost(self, ended: Sequence[tuple[Request, Exception]]) -> None:
        """Tell of requests that have failed since their host is gone."""
        offset, now = self._when()
        ids = [(request.job.task_id, error) for request, error in ended if request.job.task not in self._silent]
        self._emit([Failed(*self._common(offset, now), task_id, repr(error), "") for task_id, error in ids])

    def buried(self, ended: Sequence[Settlement]) -> None:
        """Tell of deliveries that nobody could run."""
        offset, now = self._when()
        events = []
        for one in ended:
            task_id = one.delivery.headers.get("id")
            if isinstance(task_id, str) and task_id:
                events.append(Failed(*self._common(offset, now), task_id, one.reason, ""))
        self._emit(events)

    def revoked(self, headers: Mapping[str, Any], terminated: bool, signum: int | None, expired: bool) -> None:
        """Tell of a task that was ended by command, or is not run for one; or since it has expired."""
        task_id = headers.get("id")
        if isinstance(task_id, str) and headers.get("task") not in self._silent:
            common = self._common(*self._when())
            self._emit([Revoked(*common, task_id, terminated, signum, expired)])

    def _ended_otherwise(self, task_id: str, outcome: Outcome, offset: float, now: float) -> list[Any]:
        state, detail, traceback = outcome.state, outcome.detail, outcome.traceback
        if state == states.RETRY:
            return [Retried(*self._common(offset, now), task_id, outcome.reason or detail, traceback)]
        if state == states.IGNORED:
            return []
        comes_again = outcome.verdict in (Verdict.REQUEUE, Verdict.DEFER)
        events: list[Any] = []
        if not comes_again:
            events.append(Failed(*self._common(offset, now), task_id, detail, traceback))
        if comes_again or state == states.REJECTED:
            events.append(Rejected(*self._common(offset, now), task_id, comes_again))
        return events

    def _when(self) -> tuple[float, float]:
        """Return the offset to UTC, which is asked for once a second, and the time."""
        now = time.time()
        if abs(now - self._asked) > 1.0:
            self._offset, self._asked = utcoffset(), now
        return self._offset, now

    def _common(self, offset: float, now: float) -> tuple[str, float, int, float, int]:
        return self._hostname, offset, self._pid, now, self._forward()

    def _told(self, requests: Sequence[Request]) -> Iterable[Request]:
        silent = self._silent
        return [one for one in requests if one.job.task not in silent] if silent else requests

    def _moment(self, text: Any) -> Any:
        """Return a time as Celery sends it on: one without a zone has got the app's."""
        try:
            when = datetime.fromisoformat(text)
        except (TypeError, ValueError):
            return text
        return (when if when.tzinfo is not None else when.replace(tzinfo=self._app.timezone)).isoformat()
