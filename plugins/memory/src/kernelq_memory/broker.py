"""The broker itself: queues in the memory of one process."""

from __future__ import annotations

import heapq
import os
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Sequence
from itertools import count
from typing import TYPE_CHECKING, Protocol

from kernelq.delivery import DeadLetter, Delivery, QueueInfo, Settlement, Verdict
from kernelq.kernel.errors import BrokerUnreachable

if TYPE_CHECKING:
    from kernelq.message import Message
    from kernelq.outcome import Record

MOST_URGENT = 9


class Listener(Protocol):
    """What the broker tells of news in a queue."""

    def wake(self) -> None:
        """Something came into one of your queues. Called from any thread; must not block."""


class Entry:
    """One stored message, with what the broker knows of it."""

    __slots__ = ("deliveries", "message", "priority")

    def __init__(self, message: Message) -> None:
        self.message = message
        self.priority = min(max(message.priority, 0), MOST_URGENT)
        self.deliveries = 1


class MemoryQueue:
    """The messages of one queue: ready ones by priority, delayed ones by time."""

    __slots__ = ("delayed", "listeners", "ready", "waiting")

    def __init__(self) -> None:
        self.ready: tuple[deque[Entry], ...] = tuple(deque() for _ in range(MOST_URGENT + 1))
        self.waiting = 0
        self.delayed: list[tuple[float, int, Entry]] = []
        self.listeners: tuple[Listener, ...] = ()  # replaced, never changed: read without the lock

    def append(self, entry: Entry) -> None:
        """Make `entry` the last of its priority."""
        self.ready[entry.priority].append(entry)
        self.waiting += 1

    def push_front(self, entry: Entry) -> None:
        """Make `entry` the next of its priority."""
        self.ready[entry.priority].appendleft(entry)
        self.waiting += 1

    def promote(self, now: float) -> None:
        """Make the delayed entries that are due ready."""
        delayed = self.delayed
        while delayed and delayed[0][0] <= now:
            self.append(heapq.heappop(delayed)[2])

    def take(self, n: int, now: float) -> list[Entry]:
        """Remove and return at most `n` entries, the most urgent first; `now` in seconds since the epoch."""
        self.promote(now)
        taken: list[Entry] = []
        if not self.waiting:
            return taken
        for entries in reversed(self.ready):
            while entries and len(taken) < n:
                taken.append(entries.popleft())
        self.waiting -= len(taken)
        return taken


class MemoryBroker:
    """Every queue of one `memory://` transport. All methods are safe from any thread.

    It lives in the process that made it. A forked child has a copy that nobody else sees, so using it there
    raises `kernelq.kernel.errors.BrokerUnreachable` rather than losing what is published. A message that was
    published belongs to the broker: nobody changes it any more.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pid = os.getpid()
        self._queues: dict[str, MemoryQueue] = {}
        self._flying: dict[int, tuple[Entry, str, object]] = {}
        self._begun: set[int] = set()
        self._dead: OrderedDict[str, tuple[Entry, DeadLetter]] = OrderedDict()
        self._numbers = count(1)

    def declare(self, queue: str) -> None:
        """Make `queue` if there is none."""
        with self._here():
            self._queue(queue)

    def publish(self, message: Message) -> None:
        """Enter one message, and wake who waits for it."""
        if message.eta is not None:
            self.publish_many((message,))
            return
        entry = Entry(message)
        with self._here():
            queue = self._queues.get(message.queue) or self._queue(message.queue)
            queue.ready[entry.priority].append(entry)
            queue.waiting += 1
            listeners = queue.listeners
        for listener in listeners:
            listener.wake()

    def publish_many(self, messages: Sequence[Message]) -> None:
        """Enter all of `messages` in their order, and wake who waits for them."""
        now = time.time()
        woken: list[Listener] = []
        with self._here():
            for message in messages:
                queue = self._queues.get(message.queue) or self._queue(message.queue)
                entry = Entry(message)
                if message.eta is not None and message.eta > now:
                    heapq.heappush(queue.delayed, (message.eta, next(self._numbers), entry))
                else:
                    queue.append(entry)
                woken += queue.listeners
        _wake(woken)

    def claim(self, owner: object, names: Sequence[str], n: int) -> list[Delivery]:
        """Move at most `n` messages of the queues `names` into flight under `owner`.

        More urgent ones come first within a queue; queues are asked in the order of `names`.
        """
        now = time.time()
        deliveries: list[Delivery] = []
        with self._here():
            flying, numbers = self._flying, self._numbers
            for name in names:
                for entry in self._queues[name].take(n - len(deliveries), now):
                    tag = next(numbers)
                    flying[tag] = (entry, name, owner)
                    deliveries.append(_delivery(tag, name, entry))
                if len(deliveries) >= n:
                    break
        return deliveries

    def begin(self, owner: object, batch: Sequence[Delivery]) -> None:
        """Note of what `owner` has in flight that it starts now, so that the loss of the owner counts for it."""
        with self._here():
            for delivery in batch:
                found = self._flying.get(delivery.tag)
                if found is not None and found[2] is owner:
                    self._begun.add(delivery.tag)

    def settle(
        self,
        owner: object,
        batch: Sequence[Settlement],
        store: Callable[[list[Record]], None] | None = None,
    ) -> None:
        """Settle what `owner` has in flight, passing over what is not its own.

        The results that come with it are given to `store` first: if that raises, nothing is settled.
        """
        woken: list[Listener] = []
        back: list[tuple[Entry, str]] = []
        with self._here():
            flying = self._flying
            if store is not None:
                store([each.record for each in batch if each.record is not None and self._owns(owner, each)])
            for settlement in batch:
                if not self._owns(owner, settlement):
                    continue
                entry, name, _ = flying.pop(settlement.delivery.tag)
                if settlement.verdict is not Verdict.ACK:
                    self._return(settlement, entry, name, back)
                    woken += self._queues[name].listeners
            self._put_back(back)
            if self._begun:
                self._begun.intersection_update(flying)
        _wake(woken)

    def _owns(self, owner: object, settlement: Settlement) -> bool:
        found = self._flying.get(settlement.delivery.tag)
        return found is not None and found[2] is owner

    def _return(self, settlement: Settlement, entry: Entry, name: str, back: list[tuple[Entry, str]]) -> None:
        if settlement.verdict is Verdict.BURY:
            self._bury(entry, name, settlement.reason)
            return
        entry.deliveries += settlement.counted
        if settlement.verdict is Verdict.DEFER and settlement.eta is not None:
            delayed = (settlement.eta, next(self._numbers), entry)
            heapq.heappush(self._queues[name].delayed, delayed)
        else:
            back.append((entry, name))

    def _put_back(self, entries: list[tuple[Entry, str]]) -> None:
        for entry, name in reversed(entries):  # the first of the batch is the next to be taken
            self._queues[name].push_front(entry)

    def leave(self, owner: object, released: Iterable[Delivery]) -> None:
        """End the lease of `owner`: `released` go back uncounted and in order, the rest as its loss counts for them."""
        with self._here():
            tags = [delivery.tag for delivery in released]
            chosen = set(tags)
            lost = [tag for tag, (_, _, who) in self._flying.items() if who is owner and tag not in chosen]
            back: list[tuple[Entry, str]] = []
            for tag in lost:
                entry, name, _ = self._flying.pop(tag)
                entry.deliveries += entry.deliveries == 1 or tag in self._begun
                back.append((entry, name))
            for tag in tags:
                found = self._flying.get(tag)
                if found is not None and found[2] is owner:
                    del self._flying[tag]
                    back.append(found[:2])
            self._put_back(back)
            self._begun.intersection_update(self._flying)
            woken = [listener for _, name in back for listener in self._queues[name].listeners]
        _wake(woken)

    def listen(self, name: str, listener: Listener) -> None:
        """Wake `listener` whenever something comes into the queue `name`, which is made if there is none."""
        with self._here():
            queue = self._queue(name)
            if listener not in queue.listeners:
                queue.listeners += (listener,)

    def ignore(self, name: str, listener: Listener) -> None:
        """Undo `listen`."""
        with self._here():
            queue = self._queue(name)
            queue.listeners = tuple(other for other in queue.listeners if other is not listener)

    def next_due(self, names: Sequence[str]) -> float | None:
        """Return when the first delayed message of `names` is due, in seconds since the epoch, or None."""
        with self._here():
            due = [self._queues[name].delayed[0][0] for name in names if self._queues[name].delayed]
        return min(due, default=None)

    def waiting(self, names: Sequence[str]) -> int:
        """Return how many messages of `names` are ready."""
        now = time.time()
        with self._here():
            for name in names:
                self._queues[name].promote(now)
            return sum(self._queues[name].waiting for name in names)

    def infos(self) -> list[QueueInfo]:
        """Return the counts of every queue, sorted by name."""
        with self._here():
            flying = [name for _, name, _ in self._flying.values()]
            dead = [letter.queue for _, letter in self._dead.values()]
            return [
                QueueInfo(name, queue.waiting, flying.count(name), len(queue.delayed), dead.count(name))
                for name, queue in sorted(self._queues.items())
            ]

    def purge(self, name: str) -> int:
        """Drop the ready and delayed messages of the queue `name`; return how many."""
        with self._here():
            queue = self._queues.get(name)
            if queue is None:
                return 0
            dropped = queue.waiting + len(queue.delayed)
            for entries in queue.ready:
                entries.clear()
            queue.delayed.clear()
            queue.waiting = 0
            return dropped

    def letters(self) -> list[DeadLetter]:
        """Return what is buried, the newest first."""
        with self._here():
            return [letter for _, letter in reversed(self._dead.values())]

    def exhume(self, letter_ids: Iterable[str], replay: bool) -> int:
        """Take letters out of the dead set, back to their queues where `replay`; return how many."""
        woken: list[Listener] = []
        found = 0
        with self._here():
            for letter_id in letter_ids:
                entry, letter = self._dead.pop(letter_id, (None, None))
                if entry is None or letter is None:
                    continue
                found += 1
                if replay:
                    entry.deliveries = 1
                    self._queue(letter.queue).append(entry)
                    woken += self._queues[letter.queue].listeners
        _wake(woken)
        return found

    def _here(self) -> threading.Lock:
        if os.getpid() != self._pid:
            raise BrokerUnreachable(
                f"the memory:// broker lives in process {self._pid}, not in {os.getpid()}: "
                "use the pool solo, or a broker_url that other processes see"
            )
        return self._lock

    def _queue(self, name: str) -> MemoryQueue:
        return self._queues.setdefault(name, MemoryQueue())

    def _bury(self, entry: Entry, name: str, reason: str) -> None:
        message = entry.message
        letter = DeadLetter(
            id=str(next(self._numbers)),
            task_id=message.id,
            task=str(message.headers.get("task", "")),
            queue=name,
            reason=reason,
            buried_at=time.time(),
            deliveries=entry.deliveries,
            headers=message.headers,
            properties=message.properties,
            body=message.body,
            content_type=message.content_type,
            content_encoding=message.content_encoding,
        )
        self._dead[letter.id] = (entry, letter)


def _delivery(tag: int, queue: str, entry: Entry) -> Delivery:
    message = entry.message
    return Delivery(
        tag,
        queue,
        message.headers,
        message.body,
        message.properties,
        message.content_type,
        message.content_encoding,
        entry.deliveries,
    )


def _wake(listeners: Iterable[Listener]) -> None:
    for listener in listeners:
        listener.wake()
