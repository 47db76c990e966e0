"""How a job ended, and the record of it for the result store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from kernelq.delivery import Verdict

if TYPE_CHECKING:
    from kernelq.message import Message


@attrs.define(eq=False)
class Record:
    """A result as it is stored: Celery's JSON (celery/backends/base.py), made by the executor."""

    task_id: str
    state: str
    """One of `kernelq.states`, or a custom state."""
    payload: bytes
    """The encoded meta: status, result, traceback, children, date_done, task_id, …"""
    expires: float | None
    """Seconds to keep it, or None for ever."""
    reply_to: str | None = None
    """Where the caller takes results that are sent, not kept: the backend rpc (celery/backends/rpc.py)."""


@attrs.define(eq=False)
class Outcome:
    """How one job ended. It crosses from a host to the supervisor."""

    state: str
    """SUCCESS, FAILURE, RETRY, IGNORED, REJECTED or REVOKED."""
    verdict: Verdict = Verdict.ACK
    """What the supervisor does with the delivery."""
    eta: float | None = None
    """With DEFER: seconds since the epoch."""
    reason: str = ""
    """With BURY: why. With RETRY: repr of the exception that asks for it, for events."""
    runtime: float = 0.0
    """Seconds that the task's own code took."""
    detail: str = ""
    """repr of the result or the exception, at most 1,024 characters; for logs and events."""
    traceback: str = ""
    record: Record | None = None
    """The result, where the backend's placement is SUPERVISOR; None where it has been stored, or is ignored."""
    messages: tuple[Message, ...] = ()
    """What is to be published before the delivery is settled: retries, links, the rest of a chain."""
