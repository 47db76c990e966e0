"""The keys of the worker's standard steps; what stands behind each is in `kernelq.handles`.

A step, a control command or a hook of yours reads them as ``ctx[KEY]``; a step declares them in `requires`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernelq.kernel.keys import Key

if TYPE_CHECKING:
    from kombu.connection import Connection

    from kernelq.app import KernelQ
    from kernelq.handles import Events, Loop, PoolHandle, QueueSet, Requests, Screen, Timers, WorkerHandle, WorkerState
    from kernelq.kernel.contracts.backend import ResultBackend
    from kernelq.kernel.contracts.transport import Lane, Transport

APP: Key[KernelQ] = Key("app", "the application whose tasks the worker runs")
WORKER: Key[WorkerHandle] = Key("worker", "the worker as a whole: its name, its shutdown")
TIMER: Key[Timers] = Key("timer", "the timers that the loop fires, by the monotonic clock")
LOOP: Key[Loop] = Key("loop", "the event loop of the supervisor")
STATE: Key[WorkerState] = Key("state", "what the worker remembers across connections")
QUEUES: Key[QueueSet] = Key("queues", "the queues that are consumed")
SCREEN: Key[Screen] = Key("screen", "what looks at deliveries before they are decided", extra="control")
POOL: Key[PoolHandle] = Key("pool", "where jobs are run")
REQUESTS: Key[Requests] = Key("requests", "the accepted and unsettled requests")
TRANSPORT: Key[Transport] = Key("transport", "the broker")
BACKEND: Key[ResultBackend | None] = Key("backend", "the result store, None where disabled")
CONNECTION: Key[Connection] = Key("connection", "a kombu connection for control and events; consumer blueprint")
LANE: Key[Lane] = Key("lane", "the open lane; consumer blueprint")
EVENTS: Key[Events] = Key("events", "what this worker tells the cluster", extra="events")
