"""The strategy `default`: what becomes of a delivery, decided from its headers alone."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from kernelq.delivery import Delivery, Settlement, Verdict
from kernelq.job import Job
from kernelq.limits import LATEST, MAX_ID, is_id
from kernelq.rates import parse
from kernelq.request import Request
from kernelq_strategies import legacy, rate
from kernelq_strategies.unknown import Unknown
from kernelq_strategies.when import Clock, clock_of

if TYPE_CHECKING:
    from kernelq.handles import StrategyHost
    from kernelq.kernel.contracts.strategy import Decision, Handler
    from kernelq.task import Task


def default(task: Task[Any, Any] | None, host: StrategyHost) -> Handler:
    """Compile the handler for one task, or for the deliveries that name none."""
    return _unnamed(host) if task is None else _named(task, host)


def _named(task: Task[Any, Any], host: StrategyHost) -> Handler:
    name = task.name
    seconds = clock_of(host.app.timezone)
    revoked = host.revoked
    accept = _acceptance(task, host)
    per_second = parse(host.rate_limit(name))
    turns = rate.Turns(per_second) if per_second else None

    def handle(delivery: Delivery) -> Decision:
        headers = delivery.headers
        task_id = headers.get("id")
        if not is_id(task_id):
            return _bury(host, delivery, f"its id is no text of 1 to {MAX_ID} printable characters: {task_id!r:.99}")
        if revoked(task_id):
            return _drop(host, delivery, "revoked")
        expires = headers.get("expires")
        eta = headers.get("eta")
        if eta or expires:
            ended = _timed(host, delivery, seconds, eta, expires)
            if isinstance(ended, Settlement):
                return ended
            expires = ended
        if turns is not None:
            turn = turns.ask(task_id, time.time())
            if turn:
                return Settlement(delivery, Verdict.DEFER, eta=turn)
        return accept(delivery, task_id, expires)

    return handle


def _acceptance(task: Task[Any, Any], host: StrategyHost) -> Callable[[Delivery, str, float | None], Request]:
    """Return what makes the request, with everything read now that is the same for each delivery of the task."""
    name = task.name
    late = bool(task.acks_late)
    ours_soft, ours_hard = host.limits(name)
    monotonic = time.monotonic

    def accept(delivery: Delivery, task_id: str, expires: float | None) -> Request:
        headers, properties = delivery.headers, delivery.properties
        limits = headers.get("timelimit")
        soft, hard = ours_soft, ours_hard
        if limits and limits != _NO_LIMITS:
            soft, hard = _limits(limits, soft, hard)
        again = delivery.deliveries > 1
        info = properties.get("delivery_info")
        if not info:
            info = {"exchange": "", "routing_key": delivery.queue, "priority": properties.get("priority", 0)}
        job = Job(
            0,
            name,
            task_id,
            headers,
            delivery.body,
            properties,
            delivery.content_type,
            delivery.content_encoding,
            {**info, "redelivered": again},
            soft,
            hard,
            again,
        )
        return Request(job, delivery, monotonic(), expires, late)

    return accept


_NO_LIMITS = [None, None]
LONGEST_LIMIT = 1e9
"""Seconds; a longer time limit is none, and a timer could not count it."""


def _limits(sent: Any, soft: float | None, hard: float | None) -> tuple[float | None, float | None]:
    """Return (soft, hard): those sent, as [hard, soft], win over the task's own (celery/worker/request.py)."""
    if not isinstance(sent, list | tuple) or len(sent) != 2:
        return soft, hard
    sent_hard, sent_soft = (float(value) if _is_limit(value) else None for value in sent)
    return sent_soft or soft, sent_hard or hard


def _is_limit(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= LONGEST_LIMIT


def _timed(host: StrategyHost, delivery: Delivery, seconds: Clock, eta: Any, expires: Any) -> Settlement | float | None:
    """Return the end of a delivery that has expired or is not due yet, else when it expires."""
    now = time.time()
    try:
        due = seconds(eta) if eta else 0.0
        until = seconds(expires) if expires else None
    except (ValueError, OverflowError) as error:
        return _bury(host, delivery, f"eta or expires cannot be read: {error}")
    if not (abs(due) <= LATEST and (until is None or abs(until) <= LATEST)):
        return _bury(host, delivery, f"eta or expires is no time: {eta!r:.40}, {expires!r:.40}")
    if until is not None and until <= now:
        return _drop(host, delivery, "expired")
    if due > now:
        return Settlement(delivery, Verdict.DEFER, eta=due)
    return until


def _unnamed(host: StrategyHost) -> Handler:
    conf = host.app.conf
    unknown = Unknown(host, float(conf.task_unknown_ttl))
    handlers: dict[str, Handler] = {}

    def handle(delivery: Delivery) -> Decision:
        name = delivery.headers.get("task")
        if name is None:
            try:
                delivery = legacy.modernise(delivery, conf.accept_content)
            except ValueError as error:
                return _bury(host, delivery, str(error))
            name = delivery.headers["task"]
            task = host.app.tasks.get(name)
            if task is not None:
                if name not in handlers:
                    handlers[name] = _named(task, host)
                return handlers[name](delivery)
        if not isinstance(name, str) or not is_id(delivery.headers.get("id")):
            return _bury(host, delivery, "the message's task name is no text, or its id is none")
        return unknown(delivery)

    return handle


def _bury(host: StrategyHost, delivery: Delivery, why: str) -> Settlement:
    host.rejected(delivery, "REJECTED", why)
    return Settlement(delivery, Verdict.BURY, reason=why)


def _drop(host: StrategyHost, delivery: Delivery, why: str) -> Settlement:
    host.rejected(delivery, "REVOKED", why)
    return Settlement(delivery, Verdict.ACK)
