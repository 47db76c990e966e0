"""What becomes of a task whose host is gone before it ended."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from kernelq import states
from kernelq.delivery import Settlement, Verdict
from kernelq.exceptions import TaskRevokedError, TimeLimitExceeded, WorkerLostError
from kernelq_worker import records
from kernelq_worker.hosts.loss import Loss, LossKind

if TYPE_CHECKING:
    from kernelq.app import KernelQ
    from kernelq.outcome import Record
    from kernelq.request import Request

log = logging.getLogger("kernelq.worker")

Fate = tuple[Settlement | None, "Record | None"]


class Losses:
    """The policy for lost jobs.

    Ended by command: REVOKED. Beyond its hard limit: FAILURE, and buried where the task's `acks_on_timeout` is off, as
    the executor does beyond a soft one. Its host died: the delivery goes back, counted, until
    `task_max_deliveries` hosts have been lost with it, then it is buried. Ended because of another task, or with the
    worker: the delivery goes back as if nothing had been.
    """

    def __init__(self, app: KernelQ, on_revoked: Callable[[Request, int | None, bool], None]) -> None:
        """`on_revoked` takes a request, the signal that ended it, and whether it had begun."""
        self.most: int = app.conf.task_max_deliveries
        """Deliveries that a task has before it is buried."""
        self._app = app
        self._on_revoked = on_revoked

    def settle(self, request: Request, loss: Loss) -> Fate:
        """Return how to settle the delivery, None where it is settled, and what to store."""
        kind = loss.kind
        if is_revoke(request, loss):
            log.info("Task %s[%s] ended: %s", request.task, request.id, loss.cause)
            self._on_revoked(request, loss.signum, True)
            return self._done(request, TaskRevokedError("terminated"), states.REVOKED)
        if kind is LossKind.HARD_LIMIT:
            log.error("Task %s[%s] ended: %s", request.task, request.id, loss.cause)
            return self._limited(request, loss.cause)
        if kind is LossKind.UNSENDABLE:
            return self._buried(request, loss.cause)
        if kind is LossKind.CRASH:
            return self._died(request, loss.cause)
        if request.acknowledged:
            return self._done(request, WorkerLostError(loss.cause))
        return Settlement(request.delivery, Verdict.REQUEUE), None

    def revoked(self, request: Request) -> Fate:
        """Return the same for a task that is revoked and has not begun."""
        log.info("Task %s[%s] not run: revoked", request.task, request.id)
        self._on_revoked(request, None, False)
        return self._done(request, TaskRevokedError("revoked"), states.REVOKED)

    def _limited(self, request: Request, cause: str) -> Fate:
        error = TimeLimitExceeded(request.job.hard)
        if getattr(self._app.tasks.get(request.task), "acks_on_timeout", True):
            return self._done(request, error)
        return self._buried(request, f"the task failed, and its acks_on_timeout is off: {cause}", error)

    def _died(self, request: Request, cause: str) -> Fate:
        delivery, most = request.delivery, self.most
        log.error("Task %s[%s] lost its host (%s), delivery %d of %d", request.task, request.id, cause,
                  delivery.deliveries, most)  # fmt: skip
        if request.acknowledged or not self._comes_again(request):
            return self._done(request, WorkerLostError(cause))
        if delivery.deliveries < most:
            return Settlement(delivery, Verdict.REQUEUE, counted=True), None
        return self._buried(request, f"it took {delivery.deliveries} hosts down with it; the last: {cause}")

    def _buried(self, request: Request, why: str, error: Exception | None = None) -> Fate:
        record = self._record(request, error or WorkerLostError(why))
        settlement = None if request.acknowledged else Settlement(request.delivery, Verdict.BURY, reason=why)
        return settlement, record

    def _record(self, request: Request, error: Exception, state: str = states.FAILURE) -> Record | None:
        return records.failure(self._app, request.job.headers, error, state, request.job.properties)

    def _comes_again(self, request: Request) -> bool:
        task = self._app.tasks.get(request.task)
        wanted = getattr(task, "reject_on_worker_lost", None)
        if wanted is None:
            wanted = self._app.conf.task_reject_on_worker_lost
        return request.acks_late if wanted is None else bool(wanted)

    def _done(self, request: Request, error: Exception, state: str = states.FAILURE) -> Fate:
        record = self._record(request, error, state)
        settlement = None if request.acknowledged else Settlement(request.delivery, Verdict.ACK)
        return settlement, record


def is_revoke(request: Request, loss: Loss) -> bool:
    """Tell whether the task was ended by command."""
    return loss.kind is LossKind.TERMINATED or bool(request.cause)


def error_of(request: Request, loss: Loss) -> Exception:
    """Return the loss as the exception that monitors are shown."""
    return TimeLimitExceeded(request.job.hard) if loss.hard_limit else WorkerLostError(loss.cause)
