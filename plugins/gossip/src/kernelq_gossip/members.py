"""The members of a cluster, as one of them sees it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from kernelq.events.state import State
from kernelq_gossip.elections import Elections

if TYPE_CHECKING:
    from kernelq.app import KernelQ
    from kernelq.events.records import Worker
    from kernelq.handles import Loop, WorkerHandle

log = logging.getLogger("kernelq.gossip")

Told = Callable[["Worker"], Any]
Event = dict[str, Any]


class Members:
    """Everyone but this worker; see `kernelq_gossip.keys.Cluster`."""

    def __init__(self, app: KernelQ, worker: WorkerHandle, loop: Loop, send: Callable[..., None] | None) -> None:
        self._app, self._send = app, send
        self._hostname = worker.hostname
        self._state = State(on_node_join=self._joined, on_node_leave=self._left, max_tasks_in_memory=1)
        self._told: dict[str, list[Told]] = {"joined": [], "left": [], "lost": []}
        self._counts = dict.fromkeys(self._told, 0)
        self._elections = Elections(f"{worker.hostname}.{worker.pid}", self._say, self._others, loop.call_later)
        self._elections.on_won("task", self._send_task)

    # For steps

    def members(self) -> list[Worker]:
        """Return the others that are alive, by name."""
        return sorted(self._state.alive_workers(), key=lambda worker: worker.hostname)

    def on_join(self, function: Told) -> None:
        """Call `function` for each worker that joins."""
        self._told["joined"].append(function)

    def on_leave(self, function: Told) -> None:
        """Call `function` for each worker that says goodbye."""
        self._told["left"].append(function)

    def on_lost(self, function: Told) -> None:
        """Call `function` for each worker that has fallen silent."""
        self._told["lost"].append(function)

    def on_election_won(self, topic: str, function: Callable[[Any], Any]) -> None:
        """Call `function` with the action of each election of this topic that this worker has won."""
        self._elections.on_won(topic, function)

    def election(self, id: str, topic: str, action: Any = None) -> None:
        """Stand for an election. Raises ValueError where that is not possible."""
        if self._send is None:
            raise ValueError("this worker sends no events; type: pip install 'kernelq[events]'")
        self._elections.stand(id, topic, action)

    # For the step Gossip

    def on_event(self, event: Event) -> None:
        """Take an event of a worker, our own too."""
        kind, ours = event["type"], event["hostname"] == self._hostname
        clock = self._app.clock
        clock.forward() if ours else clock.adjust(event.get("clock"))
        if kind == "worker-elect":
            self._elections.on_elect(event)
        elif kind == "worker-elect-ack":
            self._elections.on_vote(event)
        elif not ours and kind.startswith("worker-"):
            self._state.event(event)

    def drop_silent(self) -> None:
        """Forget those that have been silent for too long, and tell of it."""
        workers = self._state.workers
        for worker in [worker for worker in workers.values() if not worker.alive]:
            del workers[worker.hostname]
            log.warning("gossip: missed heartbeat from %s", worker.hostname)
            self._tell("lost", worker)

    def close(self) -> None:
        """Say nothing more."""
        self._send = None

    def info(self) -> dict[str, Any]:
        """Return a JSON-able dict for `inspect stats`."""
        elections = self._elections
        return {
            "members": [worker.hostname for worker in self.members()],
            **self._counts,
            "elections": elections.held,
            "won": elections.won,
        }

    # Inside

    def _joined(self, worker: Worker) -> None:
        log.info("gossip: %s joined", worker.hostname)
        self._tell("joined", worker)

    def _left(self, worker: Worker) -> None:
        log.info("gossip: %s left", worker.hostname)
        self._tell("left", worker)

    def _tell(self, what: str, worker: Worker) -> None:
        self._counts[what] += 1
        for function in self._told[what]:
            try:
                function(worker)
            except Exception:
                log.exception("gossip: %r raised when %s %s", function, worker.hostname, what)

    def _others(self) -> int:
        return len(self._state.alive_workers())

    def _say(self, kind: str, **fields: Any) -> None:
        if self._send is not None:
            self._send(kind, **fields)

    def _send_task(self, action: Any) -> None:
        if not isinstance(action, Mapping) or not isinstance(action.get("task"), str):
            log.error("gossip: the action of an election of the topic task is a signature, not %.200r", action)
            return
        threading.Thread(target=self._apply, args=(action,), name="kernelq election", daemon=True).start()

    def _apply(self, action: Mapping[str, Any]) -> None:
        try:
            self._app.signature(dict(action)).apply_async()
        except Exception:
            log.exception("gossip: the task %s that was elected here could not be sent", action["task"])
