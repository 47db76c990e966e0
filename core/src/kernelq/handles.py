"""Handles: what a worker offers to its steps and commands, behind the keys of `kernelq.keys`, and to its plugins."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

if TYPE_CHECKING:
    from kernelq.app import KernelQ
    from kernelq.delivery import Delivery, Settlement
    from kernelq.job import Job
    from kernelq.kernel.keys import Context
    from kernelq.outcome import Outcome
    from kernelq.request import Request

Shutdown = Literal["warm", "cold"]


class WorkerHandle(Protocol):
    """The worker as a whole."""

    hostname: str
    """The node name: ``celery@host``."""
    pid: int
    started_at: float
    """Seconds of the monotonic clock."""
    stopping: Shutdown | None

    @property
    def restarting(self) -> bool:
        """Whether it stops to begin anew."""

    @property
    def load(self) -> str:
        """What `kernelq.loading.load_app` takes to import the app in a new interpreter; "" where nobody knows."""

    @property
    def context(self) -> Context:
        """Every key of both blueprints, for commands."""

    def shutdown(self, how: Shutdown = "warm", exit_code: int = 0) -> None:
        """Ask for the end; returns at once. Safe from any thread and from a signal handler."""

    def info(self) -> dict[str, Any]:
        """Return the `info` of every started step of both blueprints, by step name."""


class WorkerState(Protocol):
    """What the worker remembers across connections."""

    totals: dict[str, int]
    """Accepted tasks by name."""
    revoked: dict[str, float]
    """Revoked task ids, with the time (epoch seconds) of the revoke; bounded, oldest out."""
    rate_limits: dict[str, str]
    """Rate limits set by command, by task name: ``"10/m"``; ``"0"`` lifts the task's own."""
    time_limits: dict[str, tuple[float | None, float | None]]
    """(soft, hard) limits in seconds set by command, by task name."""

    def revoke(self, task_ids: Iterable[str]) -> None:
        """Remember ids as revoked."""

    def recompile(self) -> None:
        """Have strategies compiled anew, since tasks or settings that they were compiled from have changed."""


class QueueSet(Protocol):
    """The queues that this worker consumes from."""

    def names(self) -> Sequence[str]:
        """Return them in the order they were selected."""

    def add(self, name: str, **options: Any) -> None:
        """Consume from one more, now and after every reconnect."""

    def cancel(self, name: str) -> None:
        """Consume from it no longer. Raises KeyError where it is not consumed."""

    def pause(self, names: Collection[str]) -> None:
        """Take nothing from these for now, and from all others that are consumed; unknown names are passed over."""

    def as_dicts(self) -> list[dict[str, Any]]:
        """Return them as kombu's ``Queue.as_dict`` does, for `inspect active_queues`."""


class Screen(Protocol):
    """Looks at deliveries before they are decided: what was revoked while this worker did not listen is noted then."""

    def __call__(self, deliveries: Sequence[Delivery]) -> None:
        """Add those that are revoked to `WorkerState.revoked`. Raises `BrokerLost` where nobody can tell."""


class Requests(Protocol):
    """The requests that this worker has accepted and not yet settled."""

    taken: int
    """Deliveries that have come since the worker started."""

    @property
    def credit(self) -> int:
        """How many further deliveries can be taken now."""

    def reserved(self) -> list[Request]:
        """Return those that wait for a slot, oldest first."""

    def active(self) -> list[Request]:
        """Return those that run, oldest first."""

    def find(self, task_id: str) -> Request | None:
        """Return the request of a task id, or None."""

    def watch(self, watcher: Watcher) -> None:
        """Tell `watcher` from now on."""

    def unwatch(self, watcher: Watcher) -> None:
        """Tell it no longer; one that is not told is passed over."""


class Timer(Protocol):
    """A handle of a scheduled call."""

    def cancel(self) -> None:
        """Drop the call, if it has not happened."""


class Timers(Protocol):
    """What is to be called later. `Loop.call_later` is the way to it; it outlives the connections of the consumer."""

    def call_after(self, secs: float, fun: Callable[..., Any], args: tuple[Any, ...] = ()) -> Timer:
        """Call `fun` once, after `secs` of the monotonic clock."""

    def call_repeatedly(self, secs: float, fun: Callable[..., Any], args: tuple[Any, ...] = ()) -> Timer:
        """Call `fun` every `secs` until cancelled."""

    def clear(self) -> None:
        """Drop everything that is scheduled."""


class Loop(Protocol):
    """What a lane may ask of the worker's event loop. All of it, but `call_soon`, is for the loop's own thread."""

    def add_reader(self, fd: int, callback: Callable[..., Any], *args: Any) -> None:
        """Call back whenever `fd` can be read."""

    def remove_reader(self, fd: int) -> None:
        """Undo `add_reader`; unknown descriptors are passed over."""

    def add_writer(self, fd: int, callback: Callable[..., Any], *args: Any) -> None:
        """Call back whenever `fd` can be written."""

    def remove_writer(self, fd: int) -> None:
        """Undo `add_writer`; unknown descriptors are passed over."""

    def call_soon(self, callback: Callable[..., Any], *args: Any) -> None:
        """Call back at the next turn, in the order of the calls. Safe from any thread; wakes the loop."""

    def call_later(self, seconds: float, callback: Callable[..., Any], *args: Any) -> Timer:
        """Call back once after `seconds` of the monotonic clock."""

    def call_repeatedly(self, seconds: float, callback: Callable[..., Any], *args: Any) -> Timer:
        """Call back every `seconds` until cancelled."""


class Events(Protocol):
    """What a worker tells the cluster: Celery's events (celery/events/dispatcher.py). The value of the key ``EVENTS``.

    It outlives connections: what is sent while there is none is kept, up to a bound, and goes out with the next.
    """

    enabled: bool
    """Whether task events are sent: `-E`, `worker_send_task_events`, or the command `enable_events`."""

    @property
    def dropped(self) -> int:
        """Events that were given up, since too many waited for a connection."""

    def send(self, type: str, **fields: Any) -> None:
        """Send an event, with the fields that every event has. Collected, and published in the loop; never raises."""

    def enable(self) -> bool:
        """Send task events from now on; return whether that is a change."""

    def disable(self) -> bool:
        """Send no task events from now on; return whether that is a change."""


class Watcher(Protocol):
    """Who is told, in the supervisor and in batches, how tasks go on; see `Requests.watch`. It must not block."""

    def received(self, requests: Sequence[Request]) -> None:
        """Take requests that were accepted."""

    def started(self, requests: Sequence[Request]) -> None:
        """Take requests that run now."""

    def finished(self, ended: Sequence[tuple[Request, Outcome]]) -> None:
        """Take requests that have ended, with what came of them."""

    def lost(self, ended: Sequence[tuple[Request, Exception]]) -> None:
        """Take requests that have failed since their host is gone. Of revokes the hook `task_revoked` tells."""

    def buried(self, ended: Sequence[Settlement]) -> None:
        """Take the ends of deliveries that were buried without having become requests."""


class PoolHandle(Protocol):
    """What the rest of the worker sees of its pool, whatever kind it is: the value of the key ``POOL``."""

    concurrency: int

    @property
    def free(self) -> int:
        """How many jobs can be submitted now without waiting in the supervisor."""

    @property
    def wedged(self) -> bool:
        """Whether no host shows a sign of life: each was asked, and has neither answered nor used the processor."""

    def submit(self, jobs: Sequence[Job]) -> None:
        """Hand jobs over to hosts. Never blocks; never refuses while `free` allows.

        With none it looks again at those that wait for the broker. Raises `BrokerLost`; no job is forgotten then.
        """

    def recall(self) -> Sequence[Job]:
        """Start no further job; return those that have not left the supervisor.

        Those that hosts give back are reported as returned, as they come. Running jobs go on.
        """

    def withdraw(self, job_ids: Iterable[int]) -> None:
        """Do not begin these jobs; those that have not begun are reported as returned, as hosts give them back."""

    def grow(self, n: int = 1) -> int:
        """Add `n` slots; return the new concurrency."""

    def shrink(self, n: int = 1) -> int:
        """Take away `n` slots as they become free, down to 1; return the new concurrency."""

    def restart(self) -> None:
        """Replace every host by a new one; running jobs finish first."""

    def terminate(self, job_id: int, signal: int) -> bool:
        """End a running job by `signal`; return whether it was there. Its outcome is a loss with that cause."""

    def set_limits(self, job_id: int, soft: float | None, hard: float | None) -> bool:
        """Change the limits, in seconds from its start, of a job that has been submitted."""

    def stop(self, deadline: float) -> None:
        """Let running jobs end until `deadline` (monotonic seconds), then end the hosts."""

    def info(self) -> dict[str, Any]:
        """Return a JSON-able dict for `inspect stats`, with Celery's keys."""


@runtime_checkable
class LeasedLane(Protocol):
    """A lane whose lease may end while its worker goes on: since that was stopped for long, or cut off."""

    on_fenced: Callable[[], None]
    """Set before the lane is opened; it calls this when deliveries that it has handed over belong to others."""


@runtime_checkable
class EarlyLane(Protocol):
    """A lane that knows of an acknowledgement whether it was in time: what is acknowledged early begins only then."""

    def acknowledge(self, batch: Sequence[Delivery], on_answer: Callable[[Sequence[Delivery], bool], None]) -> None:
        """Acknowledge deliveries that have not begun. Each is told of once, now or later, by this lane or the next.

        `on_answer` gets some of them, and whether they were this worker's until then: those that were are nobody
        else's now, and those that were not, since the lease has ended, are left to the other workers.
        """


class StrategyHost(Protocol):
    """What a strategy may know of the worker it decides for."""

    app: KernelQ
    hostname: str

    def revoked(self, task_id: str) -> bool:
        """Tell whether a revoke for this id is known here."""

    def limits(self, task: str) -> tuple[float | None, float | None]:
        """Return the (soft, hard) limits in seconds that a `time_limit` command set for this task."""

    def rate_limit(self, task: str) -> str | None:
        """Return the rate limit, ``"10/m"``, that a `rate_limit` command or the task itself sets, or None."""

    def rejected(self, delivery: Delivery, state: str, detail: str) -> None:
        """Note a decision that runs nothing (revoked, expired, unknown): hooks, log and result are made from it."""


class HostLink(Protocol):
    """A host's end of its connection to the supervisor. All methods are safe from any thread of the host."""

    def fileno(self) -> int:
        """Return the descriptor that is readable when jobs, or the end, have come."""

    def receive(self, timeout: float | None = None, limit: int | None = None) -> Sequence[Job] | None:
        """Return the jobs that have come, at most `limit`; none after `timeout` seconds; None when the host is to end.

        Several threads may wait in it; each job goes to one. Take only what can start now: what has not been taken
        can be called back by the supervisor, what has been taken is run, also when the end has come. It flushes
        before it waits.
        """

    def on_interrupt(self, function: Callable[[int, type[BaseException]], bool]) -> None:
        """Set what raises an exception in the running job with this id; it returns whether the job was found.

        It is called in a thread of the link's own, so also while every slot is busy.
        """

    def started(self, job: Job) -> None:
        """Report that `job` runs now. Reports are collected; `flush`, or the next tick, sends them."""

    def finished(self, job: Job, outcome: Outcome) -> None:
        """Report how `job` ended."""

    def flush(self) -> None:
        """Send what was collected. Call it when no further job is at hand; the link does it every 10 ms otherwise."""
