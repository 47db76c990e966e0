"""Transport: how messages reach a broker and come from it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:  # the values that plugins share live above the kernel, which never imports them
    from kombu.connection import Connection

    from kernelq.delivery import DeadLetter, Delivery, QueueInfo, Settlement
    from kernelq.handles import Loop
    from kernelq.kernel.contracts.backend import ResultBackend
    from kernelq.message import Message


class TransportCapability(Enum):
    """What a transport says it can do; the test kit holds it to that, both ways."""

    PRIORITY = "more urgent messages are delivered first (9 is the most urgent)"
    DELAY = "`Message.eta` and DEFER wait in the broker, not in a worker"
    FANOUT = "control commands and events reach every consumer"
    DEAD_SET = "buried messages are kept, and can be listed, replayed and dropped"
    COUNTER = "`Delivery.deliveries` counts the first lost owner, and those that had begun it (`Lane.begin`)"
    LEASE = "a dead consumer's messages are delivered again to others"
    PURGE = "queues can be measured and emptied"
    MULTIPROCESS = "other processes see the same queues; without it, tasks run in the sender's process only"
    ATOMIC_RESULTS = "a result may be stored in the transaction that settles its delivery (`Lane.commits`)"


class Lane(Protocol):
    """The consuming side for tasks: deliveries in batches, credit, and settlement.

    A lane is opened once, used from the loop's thread only, and closed once. Whatever it does that meets a lost
    broker raises `kernelq.kernel.errors.BrokerLost`, from the method or from its own loop callback; the worker then
    closes it and opens a new one. A message is never only in the lane's memory: it is in the queue, or in flight under
    this lane's lease, or settled.
    """

    def open(self, loop: Loop, queues: Sequence[str], on_deliveries: Callable[[list[Delivery]], None]) -> None:
        """Connect, declare and start to consume `queues`. Deliveries come only against credit (`want`)."""

    def want(self, n: int) -> None:
        """Set the credit, replacing the last: how many more to hand over now. Each delivery lowers it; 0 stops."""

    def begin(self, batch: Sequence[Delivery]) -> None:
        """Note, before it returns, that redelivered messages start now; only then the owner's death counts again."""

    def settle(self, batch: Sequence[Settlement]) -> None:
        """Settle deliveries, all in one go where the broker allows. Called at most once per loop tick.

        A settlement of a delivery that this lane no longer owns changes nothing. Results carried by a settlement
        (`Settlement.record`) are stored in the same transaction; they are present only where `commits` said yes.
        """

    def commits(self, backend: ResultBackend) -> bool:
        """Tell whether `settle` can store results of `backend` in its own transaction."""

    def add_queue(self, queue: str) -> None:
        """Consume from one queue more; consuming it already is no error."""

    def cancel_queue(self, queue: str) -> None:
        """Consume from `queue` no longer; what is in flight stays this lane's."""

    def depth(self, most: int = 1000) -> int | None:
        """Return how many messages wait in the consumed queues, at most `most`; None when closed, or asking is slow."""

    def close(self, release: Sequence[Delivery] = ()) -> None:
        """Give `release` back at once, in order and uncounted; end the lease of the rest; free all. Twice is once."""

    def info(self) -> dict[str, Any]:
        """Return a JSON-able dict for `inspect stats`; no password in it."""


class Sender(Protocol):
    """The publishing side. Thread-safe; connects lazily; after a fork the child opens its own connection.

    It raises `kernelq.kernel.errors.BrokerUnreachable` within ``broker_connection_timeout`` seconds.
    """

    def publish(self, message: Message) -> None:
        """Publish one message and return when the broker has it."""

    def publish_many(self, messages: Sequence[Message]) -> None:
        """Publish all of them or, where the broker can, none; in order. An error's `taken` has the ids sent anyway."""

    def close(self) -> None:
        """Free everything. May be called twice; a later publish opens again."""


class QueueAdmin(Protocol):
    """Looks at queues and mends them; every call stands alone, opening and closing what it needs."""

    def queues(self) -> list[QueueInfo]:
        """Return every queue that exists, sorted by name, with its counts."""

    def purge(self, queue: str) -> int:
        """Drop the ready and delayed messages of `queue`; return how many."""

    def dead(self, queue: str | None = None, limit: int = 100) -> list[DeadLetter]:
        """Return the newest buried messages first, of one queue or of all."""

    def dead_letter(self, letter_id: str) -> DeadLetter | None:
        """Return one buried message with its body, or None."""

    def replay(self, letter_ids: Iterable[str]) -> int:
        """Put buried messages back to the end of their queues, counter at zero; return how many."""

    def drop(self, letter_ids: Iterable[str]) -> int:
        """Delete buried messages for ever; return how many."""


class Transport(Protocol):
    """A broker, by URL scheme: the object behind an entry point of the group ``kernelq.transports``.

    The entry point is a callable ``(url: str, settings: Settings) -> Transport``; it connects to nothing. Every URL
    scheme has an entry point of its own; the one named ``fallback`` takes schemes that no other names.
    """

    url: str
    capabilities: frozenset[TransportCapability]

    def connection(self) -> Connection:
        """Return a new kombu connection for control commands and events; asynchronous, or polled by the worker."""

    def lane(self) -> Lane:
        """Return a new lane, not yet open."""

    def sender(self) -> Sender:
        """Return a new sender, not yet connected."""

    def admin(self) -> QueueAdmin:
        """Return the queue administration."""

    def safe_url(self) -> str:
        """Return the URL as a log may show it: the password is replaced by ``**``."""
