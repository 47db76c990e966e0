"""What is known of a cluster, from the events of its workers and senders (celery/events/state.py)."""

from __future__ import annotations

import threading
from bisect import insort
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any, TypeVar
from weakref import WeakSet, ref

from kombu.clocks import timetuple

from kernelq.events.records import Task, Worker

R = TypeVar("R")

_EACH: dict[str, Any] = {"hostname": str, "timestamp": int | float, "local_received": int | float}
NEEDED: dict[str, dict[str, Any]] = {"worker": _EACH, "task": {**_EACH, "uuid": str, "clock": int}}
"""The fields without which an event of a group says nothing, with their types."""
EVENTS_PER_TASK = 4
"""So many events are remembered in order, times the tasks: those of a task that is sent, received, started, done."""


class Index(dict[str, "WeakSet[Task]"]):
    """Tasks by a name: a mapping to sets; called with a name, pairs (id, task) by time."""

    def __init__(self, by_time: Callable[[str, int | None, bool], Iterator[tuple[str, Task]]]) -> None:
        super().__init__()
        self._by_time = by_time

    def __missing__(self, name: str) -> WeakSet[Task]:
        return self.setdefault(name, WeakSet())

    def __call__(self, name: str, limit: int | None = None, reverse: bool = True) -> Iterator[tuple[str, Task]]:
        """Return at most `limit` pairs (id, task) of `name`, the newest first, or the oldest where not `reverse`."""
        return self._by_time(name, limit, reverse)

    def prune(self) -> None:
        """Forget the names that no task has any more."""
        for name in [name for name, tasks in self.items() if not tasks]:
            del self[name]


class State:
    """The workers and tasks of a cluster. Give its `event` to a receiver: ``Receiver(handlers={"*": state.event})``.

    Of more workers than `max_workers_in_memory` and tasks than `max_tasks_in_memory` the oldest are forgotten.
    `callback` is called with the state and each event, before it is merged; `on_node_join` and `on_node_leave` with
    the `Worker`. `handlers` maps a group of events (``task`` of ``task-sent``) to a function of subject and event that
    takes the place of the merging. Thread-safe; what must not change meanwhile is read in `freeze_while`.
    """

    def __init__(
        self,
        callback: Callable[[State, dict[str, Any]], Any] | None = None,
        *,
        max_workers_in_memory: int = 5_000,
        max_tasks_in_memory: int = 10_000,
        on_node_join: Callable[[Worker], Any] | None = None,
        on_node_leave: Callable[[Worker], Any] | None = None,
    ) -> None:
        self.event_callback = callback
        self.max_workers_in_memory = max_workers_in_memory
        self.max_tasks_in_memory = max_tasks_in_memory
        self.on_node_join = on_node_join
        self.on_node_leave = on_node_leave
        self.workers: OrderedDict[str, Worker] = OrderedDict()
        """Workers by name, oldest first."""
        self.tasks: OrderedDict[str, Task] = OrderedDict()
        """Tasks by id, oldest first."""
        self.handlers: dict[str, Callable[[str, dict[str, Any]], Any]] = {}
        self.event_count = self.task_count = self.malformed = 0
        """How many events came, how many tasks were received, and how many events lacked what they need."""
        self.tasks_by_type = Index(self._of_type)
        self.tasks_by_worker = Index(self._of_worker)
        self._mutex = threading.RLock()
        self._heap: list[timetuple] = []
        self._types: set[str] = set()
        self._orphans: OrderedDict[str, WeakSet[Task]] = OrderedDict()
        """Tasks whose parent is not known yet, by its id."""

    # Taking events

    def event(self, event: dict[str, Any]) -> Any:
        """Merge one event.

        Return ``((worker or task, whether it is new), subject)``, what a handler of `handlers` made of it, or None for
        an event that says nothing of a worker or a task.
        """
        with self._mutex:
            self.event_count += 1
            if self.event_callback is not None:
                self.event_callback(self, event)
            group, _, subject = event["type"].partition("-")
            if group in self.handlers:
                return self.handlers[group](subject, event), subject
            if group not in NEEDED:
                return None
            if not all(isinstance(event.get(name), kind) for name, kind in NEEDED[group].items()):
                self.malformed += 1  # a sender's mistake is no reason to see nothing more
                return None
            return self._worker_event(subject, event) if group == "worker" else self._task_event(subject, event)

    def _worker_event(self, subject: str, event: dict[str, Any]) -> Any:
        hostname, left = event["hostname"], subject == "offline"
        worker, created = self._worker(hostname, keep=not left)
        created = created and not left
        worker.event(event)
        if self.on_node_join is not None and (created or subject == "online"):
            self.on_node_join(worker)
        if left:
            self.workers.pop(hostname, None)
            self.tasks_by_worker.prune()
            if self.on_node_leave is not None:
                self.on_node_leave(worker)
        return (worker, created), subject

    def _task_event(self, subject: str, event: dict[str, Any]) -> Any:
        uuid, hostname, clock = event["uuid"], event["hostname"], event["clock"]
        timestamp, local_received = event["timestamp"], event["local_received"]
        task, created = self._task(uuid)
        if subject == "sent":
            task.client = hostname
            origin = hostname
        else:
            worker, _ = self._worker(hostname)
            task.worker = worker
            worker.seen(timestamp, local_received)
            origin = worker.id
        self._order(timetuple(clock, timestamp, origin, ref(task)))
        self.task_count += subject == "received"
        task.event(subject, event)
        self._index(task)
        return (task, created), subject

    def _worker(self, hostname: str, keep: bool = True) -> tuple[Worker, bool]:
        worker = self.workers.get(hostname)
        if worker is not None:
            return worker, False
        worker = Worker(hostname)
        if keep:
            _put(self.workers, hostname, worker, self.max_workers_in_memory)
        return worker, True

    def _task(self, uuid: str) -> tuple[Task, bool]:
        task = self.tasks.get(uuid)
        if task is not None:
            return task, False
        task = Task(uuid)
        _put(self.tasks, uuid, task, self.max_tasks_in_memory)
        children = self._orphans.pop(uuid, None)
        if children is not None:
            task.children = children
        return task, True

    def _order(self, entry: timetuple) -> None:
        heap = self._heap
        if len(heap) >= self.max_tasks_in_memory * EVENTS_PER_TASK * 5 // 4:
            del heap[: len(heap) // 5]  # one by one, each would move all the others
        if heap and entry > heap[-1]:
            heap.append(entry)  # nearly every event is later than the last
        else:
            insort(heap, entry)

    def _index(self, task: Task) -> None:
        if task.name is not None:
            self._types.add(task.name)
            self.tasks_by_type[task.name].add(task)
        if task.worker is not None:
            self.tasks_by_worker[task.worker.hostname].add(task)
        if task.parent_id:
            parent = self.tasks.get(task.parent_id)
            if parent is not None:
                parent.children.add(task)
            elif task.parent_id in self._orphans:
                self._orphans[task.parent_id].add(task)
            else:
                _put(self._orphans, task.parent_id, WeakSet([task]), self.max_tasks_in_memory)

    # Reading

    def freeze_while(self, function: Callable[..., R], *args: Any, clear_after: bool = False, **kwargs: Any) -> R:
        """Call `function` while no event is merged; return what it returns. `clear_after` forgets what was seen."""
        with self._mutex:
            try:
                return function(*args, **kwargs)
            finally:
                if clear_after:
                    self.clear()

    def alive_workers(self) -> list[Worker]:
        """Return the workers that seem to live."""
        with self._mutex:
            return [worker for worker in self.workers.values() if worker.alive]

    def itertasks(self, limit: int | None = None) -> Iterator[tuple[str, Task]]:
        """Yield at most `limit` pairs (id, task), oldest first."""
        with self._mutex:
            return iter(list(islice(self.tasks.items(), limit)))

    def tasks_by_time(self, limit: int | None = None, reverse: bool = True) -> Iterator[tuple[str, Task]]:
        """Yield at most `limit` pairs (id, task) by the logical clock, the newest first."""
        return islice(self._by_time(reverse), limit)

    tasks_by_timestamp = tasks_by_time

    def _by_time(self, reverse: bool) -> Iterator[tuple[str, Task]]:
        with self._mutex:
            heap = list(self._heap)
        seen: set[str] = set()
        for entry in reversed(heap) if reverse else heap:
            task: Task | None = entry[3]()
            if task is not None and task.uuid not in seen:
                seen.add(task.uuid)
                yield task.uuid, task

    def _of_type(self, name: str, limit: int | None, reverse: bool) -> Iterator[tuple[str, Task]]:
        return islice((pair for pair in self._by_time(reverse) if pair[1].name == name), limit)

    def _of_worker(self, name: str, limit: int | None, reverse: bool) -> Iterator[tuple[str, Task]]:
        pairs = self._by_time(reverse)
        return islice((pair for pair in pairs if pair[1].worker is not None and pair[1].worker.hostname == name), limit)

    def task_types(self) -> list[str]:
        """Return the names of all tasks that were seen, sorted."""
        with self._mutex:
            return sorted(self._types)

    def get_or_create_worker(self, hostname: str, **fields: Any) -> tuple[Worker, bool]:
        """Return the worker of a name, with `fields` set, and whether it is new."""
        with self._mutex:
            worker, created = self._worker(hostname)
            for name, value in fields.items():
                setattr(worker, name, value)
            return worker, created

    def get_or_create_task(self, uuid: str) -> tuple[Task, bool]:
        """Return the task of an id, and whether it is new."""
        with self._mutex:
            return self._task(uuid)

    def as_dict(self) -> Mapping[str, Any]:
        """Return all that is known, JSON-able: ``workers`` and ``tasks`` by name and id, and the counts."""
        with self._mutex:
            return {
                "workers": {name: worker.as_dict() for name, worker in self.workers.items()},
                "tasks": {uuid: task.as_dict() for uuid, task in self.tasks.items()},
                "event_count": self.event_count,
                "task_count": self.task_count,
            }

    # Forgetting

    def clear_tasks(self, ready: bool = True) -> None:
        """Forget the tasks that are done; all of them where not `ready`."""
        with self._mutex:
            kept = {uuid: task for uuid, task in self.tasks.items() if ready and not task.ready}
            self.tasks.clear()
            self.tasks.update(kept)
            self._heap.clear()
            for task in kept.values():
                self._order(timetuple(task.clock, task.timestamp or 0.0, task.origin or "", ref(task)))
            self.tasks_by_type.prune()
            self.tasks_by_worker.prune()

    def clear(self, ready: bool = True) -> None:
        """Forget the workers, the counts, and tasks as `clear_tasks` does."""
        with self._mutex:
            self.workers.clear()
            self.clear_tasks(ready)
            self.event_count = self.task_count = self.malformed = 0

    def __repr__(self) -> str:
        return f"<State: events={self.event_count} tasks={self.task_count}>"


def _put(known: OrderedDict[str, Any], name: str, value: Any, limit: int) -> None:
    while len(known) >= limit:
        known.popitem(last=False)
    known[name] = value
