"""The ledger: every task that this worker has accepted, from its delivery to its settlement."""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from kernelq import states
from kernelq.delivery import Delivery, Settlement, Verdict
from kernelq.failpoint import around
from kernelq.handles import EarlyLane
from kernelq.message import Message
from kernelq.request import Request
from kernelq_worker.losses import Losses, error_of, is_revoke
from kernelq_worker.quarantine import Quarantine
from kernelq_worker.strays import Strays

if TYPE_CHECKING:
    from kernelq.handles import PoolHandle, Watcher
    from kernelq.job import Job
    from kernelq.kernel.contracts.transport import Lane
    from kernelq.outcome import Outcome
    from kernelq_worker.hosts.loss import Loss
    from kernelq_worker.settling import Settler

log = logging.getLogger("kernelq.worker")
log = logging.getLogger("kernelq.worker")
task_log = logging.getLogger("kernelq.task")


class Ledger:
    """Accepts requests, hands them to the pool, and brings their outcomes to the settler.

    Everything is called in the loop's thread and in batches. A second delivery of a task that still runs here is held,
    and ends as the first does.
    """

    def __init__(self, settler: Settler, losses: Losses) -> None:
        self.settler = settler
        self.pool: PoolHandle | None = None
        self._losses = losses
        self._ids = itertools.count(1)
        self._jobs: dict[int, Request] = {}
        self._tasks: dict[str, Request] = {}
        self.taken = 0
        """Deliveries that have come since the worker started."""
        self._held: dict[int, list[Delivery]] = {}
        self._handing: list[Request] = []
        self._asked: dict[int, Request] = {}
        """Those that the broker is asked for before they begin, by the identity of their delivery."""
        self._strays = Strays()
        self._quarantine = Quarantine(losses.most)
        self._lane: Lane | None = None
        self._begin: Callable[[Sequence[Delivery]], None] | None = None
        self._ask: Callable[..., None] | None = None
        self._watchers: tuple[Watcher, ...] = ()
        self._resumes = False  # whether the pool is to look again at what waits for a lane
        self._fenced = False

    # what others see

    def reserved(self) -> list[Request]:
        """Return those that wait for a slot, oldest first."""
        return [request for request in self._jobs.values() if request.started_at is None]

    def active(self) -> list[Request]:
        """Return those that run, oldest first."""
        return [request for request in self._jobs.values() if request.started_at is not None]

    def find(self, task_id: str) -> Request | None:
        """Return the request of a task id, or None."""
        return self._tasks.get(task_id)

    def watch(self, watcher: Watcher) -> None:
        """Tell `watcher` from now on."""
        self._watchers += (watcher,)

    def unwatch(self, watcher: Watcher) -> None:
        """Tell it no longer; one that is not told is passed over."""
        self._watchers = tuple(one for one in self._watchers if one is not watcher)

    @property
    def busy(self) -> bool:
        """Whether anything is accepted and not settled."""
        return bool(self._jobs) or bool(self.settler.waiting)

    @property
    def running(self) -> bool:
        """Whether the pool has anything of ours."""
        return bool(self._jobs)

    @property
    def credit(self) -> int:
        """How many further deliveries can be taken now."""
        if self.pool is None or self.settler.overfull:
            return 0
        return max(self.pool.free - len(self._handing) - len(self._asked), 0)

    # the lane comes and goes

    def attach(self, lane: Lane) -> None:
        """Settle on `lane` from now on."""
        self._lane = lane
        self._begin = around(lane.begin, "before_begin", "after_begin")
        self._resumes = True
        self._ask = lane.acknowledge if isinstance(lane, EarlyLane) else None
        self.settler.attach(lane)

    def detach(self) -> None:
        """The lane is gone: what ends from now on waits for the next, and for its own second delivery."""
        self._lane = None
        for settlement in self.settler.detach():
            self._strays.unsettled(settlement)
        self._strays.lost_lane(self._jobs)

    def fenced(self) -> None:
        """Note that deliveries belong to other workers now; what has not begun here is theirs to run."""
        self._fenced = True
        if self._lane is None:  # the lane was lost with them: no turn of the loop flushes until there is another
            self._withdraw()

    # deliveries become requests

    def accept(self, requests: Iterable[Request]) -> None:
        """Take requests, and hand to the pool what is not here already."""
        jobs: list[Job] = []
        taken: list[Request] = []
        for request in requests:
            self.taken += 1
            job = request.job
            if self._is_here(request):
                continue
            taken.append(request)
            job.id = next(self._ids)
            self._jobs[job.id] = request
            self._tasks[job.task_id] = request
            if request.acks_late:
                jobs.append(job)
            else:
                self._handing.append(request)
                if self._ask is None:
                    self.settler.add(Settlement(request.delivery, Verdict.ACK))
        self._tell("received", taken)
        if jobs:
            assert self.pool is not None
            self.pool.submit(jobs)

    def end(self, settlement: Settlement, record: Any = None) -> None:
        """End a delivery of which no request was made."""
        self.taken += 1
        self.settler.add(settlement, (), record)
        if settlement.verdict is Verdict.BURY:
            self._tell("buried", [settlement])

    def _is_here(self, request: Request) -> bool:
        """Tell whether the task of `request` is accepted already, or has ended here.

        The second delivery of one that runs does not begin: that this worker loses connections is not the task's doing.
        """
        running = self._tasks.get(request.job.task_id)
        if running is not None and _retries(running.delivery) == _retries(request.delivery):
            self._held.setdefault(running.job.id, []).append(request.delivery)
            return True
        if self._strays:
            settlement = self._strays.answer(request.delivery)
            if settlement is not None:
                self.settler.also([settlement])
                return True
        return False

    def flush(self) -> None:
        """Bring everything on at the end of a loop's turn; raises `BrokerLost`."""
        self.settler.flush()
        if self._fenced:
            self._withdraw()
        if self._quarantine and not self.settler.waiting and self._quarantine.settled():
            self._resumes = True
        if self._resumes or self._quarantine.until:
            self._resume()
        if self._handing and self._lane is not None:
            self._acknowledge()

    def _acknowledge(self) -> None:
        """Have what is acknowledged early begin, once the broker has said that it is ours, where it can say so."""
        handed, self._handing = self._handing, []
        self._asked.update((id(request.delivery), request) for request in handed)
        deliveries = [request.delivery for request in handed]
        if self._ask is None:
            self._acknowledged(deliveries, True)
            return
        try:
            self._ask(deliveries, self._acknowledged)
        except BaseException:
            self._handing = [one for one in handed if self._asked.pop(id(one.delivery), None)] + self._handing
            raise

    def _acknowledged(self, deliveries: Sequence[Delivery], ours: bool) -> None:
        asked = [self._asked.pop(id(delivery), None) for delivery in deliveries]
        requests = [request for request in asked if request is not None]
        if ours:
            for request in requests:
                request.acknowledged = True
                if request.job.id not in self._jobs:  # the worker has ended meanwhile
                    self.settler.add(None, (_message(request.delivery),))
            assert self.pool is not None
            self.pool.submit([request.job for request in requests if request.job.id in self._jobs])
            return
        log.warning("%d tasks that had not begun here are left to the other workers", len(requests))
        for request in requests:
            self._forget(request.job.id)
            for held in self._held.pop(request.job.id, ()):  # it has come here again
                self.settler.also([Settlement(held, Verdict.REQUEUE)])

    def _withdraw(self) -> None:
        """Drop what has not begun. It is given back, which changes nothing where it is not this worker's any more."""
        self._fenced = False
        waiting = [job_id for job_id, one in self._jobs.items() if one.started_at is None and one.acks_late]
        if waiting and self.pool is not None:
            log.warning("up to %d tasks that had not begun here are left to the other workers", len(waiting))
            self.pool.withdraw(waiting)

    def _resume(self) -> None:
        """Let the pool look again at what was not to begin, once that may have changed."""
        if not self._resumes and time.monotonic() < self._quarantine.until:
            return
        if self._lane is not None and self.pool is not None:
            self._resumes, self._quarantine.until = False, 0.0
            self.pool.submit(())

    # the pool reports

    def beginning(self, job_id: int) -> bool:
        """Let the broker know that a redelivered job runs from now on. Raises `BrokerLost`.

        Return whether it may run: not while there is no lane, since the death of this worker would not be counted, and
        not beside what it is to be kept apart from.
        """
        request = self._jobs.get(job_id)
        if request is None or request.acknowledged:
            return True
        deliveries = request.delivery.deliveries
        if self._lane is None or self._begin is None or not self._quarantine.may_begin(job_id, deliveries):
            return False
        self._begin([request.delivery, *self._held.get(job_id, ())])
        self._quarantine.begin(job_id, deliveries)
        return True

    def started(self, batch: Iterable[tuple[int, int]]) -> None:
        """Note jobs that run now, by id, and the process that runs them."""
        now = time.time()
        begun = []
        for job_id, pid in batch:
            request = self._jobs.get(job_id)
            if request is not None:
                request.started_at = now
                request.worker_pid = pid
                begun.append(request)
        self._tell("started", begun)

    def finished(self, batch: Iterable[tuple[int, Outcome]]) -> None:
        """Take the outcomes of jobs, by id."""
        log_end = _log_end if task_log.isEnabledFor(logging.INFO) else None
        add = self.settler.add
        ended = []
        for job_id, outcome in batch:
            request = self._forget(job_id)
            if request is None:
                continue
            ended.append((request, outcome))
            if log_end is not None:
                log_end(request, outcome)
            if request.acknowledged:
                settlement = None
            else:
                settlement = Settlement(request.delivery, outcome.verdict, outcome.eta, outcome.reason)
                self._end_others(job_id, request, settlement)
            if settlement is not None or outcome.messages or outcome.record is not None:
                add(settlement, outcome.messages, outcome.record)
        self._tell("finished", ended)

    def lost(self, batch: Iterable[tuple[int, Loss]]) -> None:
        """Settle jobs whose host is gone, by policy."""
        over = []
        for job_id, loss in batch:
            request = self._forget(job_id)
            if request is None:
                continue
            settlement, record = self._losses.settle(request, loss)
            goes_back = record is None and settlement is not None and settlement.verdict is Verdict.REQUEUE
            if not goes_back and not is_revoke(request, loss):
                over.append((request, error_of(request, loss)))
            if settlement is not None:
                self._end_others(job_id, request, settlement)
            if settlement is not None or record is not None:
                self.settler.add(settlement, (), record)
        self._tell("lost", over)

    def returned(self, jobs: Sequence[Job]) -> None:
        """Give back, uncounted and in order, the deliveries of jobs that never started; those that are revoked end."""
        for job in reversed(jobs):
            request = self._forget(job.id)
            if request is None:
                continue
            if request.revoked:
                settlement, record = self._losses.revoked(request)
                if settlement is not None:
                    self._end_others(job.id, request, settlement)
                if settlement is not None or record is not None:
                    self.settler.add(settlement, (), record)
            elif request.acknowledged:  # it is nowhere but here: it is sent anew
                self.settler.add(None, (_message(request.delivery),))
            else:
                returned = Settlement(request.delivery, Verdict.REQUEUE)
                self._end_others(job.id, request, returned)
                self.settler.add(returned)

    def release(self) -> list[Delivery]:
        """Forget every request; return the deliveries that are to go back, oldest first."""
        requests = list(self._jobs.values())
        held = [delivery for several in self._held.values() for delivery in several]
        self._jobs.clear()
        self._tasks.clear()
        self._held.clear()
        self._handing.clear()
        kept = [one for one in requests if not one.acknowledged and id(one.delivery) not in self._asked]
        return [request.delivery for request in kept] + held

    def _tell(self, what: str, batch: Sequence[Any]) -> None:
        """Tell the watchers; one that raises is logged, and keeps no task from going on."""
        if not batch:
            return
        for watcher in self._watchers:
            try:
                getattr(watcher, what)(batch)
            except Exception:
                log.exception("the watcher %r raised at %s; the others are still told", watcher, what)

    def _forget(self, job_id: int) -> Request | None:
        request = self._jobs.pop(job_id, None)
        if self._quarantine:
            self._quarantine.end(job_id)
        if request is not None and self._tasks.get(request.job.task_id) is request:
            del self._tasks[request.job.task_id]
        return request

    def _end_others(self, job_id: int, request: Request, settlement: Settlement) -> None:
        """End the held deliveries of the same task; what goes back to the queue goes back once, as the newest."""
        others = self._held.pop(job_id, None) if self._held else None
        if others:
            self.settler.also([Settlement(one, Verdict.ACK) for one in (request.delivery, *others[:-1])])
            settlement.delivery = others[-1]
        elif self._strays:
            self._strays.ended(job_id, settlement)


def _message(delivery: Delivery) -> Message:
    """Return what a delivery was made of."""
    properties = dict(delivery.properties)
    return Message(
        str(delivery.headers.get("id")),
        dict(delivery.headers),
        delivery.body,
        properties,
        delivery.queue,
        content_type=delivery.content_type,
        content_encoding=delivery.content_encoding,
        priority=properties.get("priority") or 0,
    )


def _retries(delivery: Delivery) -> Any:
    return delivery.headers.get("retries") or 0


def _log_end(request: Request, outcome: Outcome) -> None:
    name, task_id = request.job.task, request.job.task_id
    if outcome.state == states.SUCCESS:
        task_log.info("Task %s[%s] succeeded in %.6fs: %s", name, task_id, outcome.runtime, outcome.detail)
    elif outcome.state == states.FAILURE:
        task_log.error("Task %s[%s] raised: %s\n%s", name, task_id, outcome.detail, outcome.traceback)
    else:
        task_log.info("Task %s[%s] %s: %s", name, task_id, outcome.state.lower(), outcome.detail)
