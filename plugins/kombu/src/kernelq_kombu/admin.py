"""Looking at queues through kombu, and mending them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from kernelq.delivery import DeadLetter, QueueInfo
from kernelq_kombu import queues, wire
from kernelq_kombu.flow import Flow
from kernelq_kombu.sender import KombuSender

if TYPE_CHECKING:
    from kombu.connection import Connection

    from kernelq_kombu.connector import Connector

SCANNED = 10_000
"""Buried messages of one queue that are looked through; what lies deeper is not found."""


class KombuAdmin:
    """The queue administration, as far as kombu goes.

    kombu cannot list the queues of a broker, so `queues` knows those of the settings and those used through this
    transport; it cannot count what others have in flight either, so that figure is 0.
    """

    def __init__(self, connector: Connector, known: set[str]) -> None:
        self._connector = connector
        self._known = known

    def queues(self) -> list[QueueInfo]:
        """Return the known queues that exist, sorted by name."""
        with self._open() as connection:
            infos = []
            for name in sorted(self._names()):
                ready = _count(connection, name)
                if ready is not None:
                    dead = _count(connection, queues.dead_name(name)) or 0
                    infos.append(QueueInfo(name, ready=ready, in_flight=0, delayed=0, dead=dead))
            return infos

    def purge(self, queue: str) -> int:
        """Drop the ready messages of `queue`."""
        with self._open() as connection:
            if _count(connection, queue) is None:
                return 0
            with connection.channel() as channel:
                return int(channel.queue_purge(queue) or 0)

    def dead(self, queue: str | None = None, limit: int = 100) -> list[DeadLetter]:
        """Return the newest buried messages first, of one queue or of the known ones."""
        letters: list[DeadLetter] = []
        for name in sorted(self._names()) if queue is None else [queue]:
            letters += self._each_dead(name, lambda letter, message: False)
        return sorted(letters, key=lambda letter: letter.buried_at, reverse=True)[:limit]

    def dead_letter(self, letter_id: str) -> DeadLetter | None:
        """Return one buried message, or None."""
        return next((letter for letter in self.dead(limit=SCANNED) if letter.id == letter_id), None)

    def replay(self, letter_ids: Iterable[str]) -> int:
        """Publish buried messages to their queues again, each confirmed before it leaves the dead set."""
        sender = KombuSender(self._connector, self._known)

        def publish(letter: DeadLetter, message: Any) -> None:
            arguments = wire.copied(message, letter.queue, {})
            arguments["headers"] = {k: v for k, v in arguments["headers"].items() if k not in wire.OWN}
            sender.post(letter.queue, arguments)

        try:
            return self._take(letter_ids, publish)
        finally:
            sender.close()

    def drop(self, letter_ids: Iterable[str]) -> int:
        """Delete buried messages for ever."""
        return self._take(letter_ids, lambda letter, message: None)

    def _take(self, letter_ids: Iterable[str], with_each: Callable[[DeadLetter, Any], None]) -> int:
        wanted = set(letter_ids)
        taken: list[str] = []

        def decide(letter: DeadLetter, message: Any) -> bool:
            if letter.id not in wanted:
                return False
            with_each(letter, message)
            taken.append(letter.id)
            return True

        for name in sorted(self._names()):
            self._each_dead(name, decide)
        return len(taken)

    def _each_dead(self, name: str, done: Callable[[DeadLetter, Any], bool]) -> list[DeadLetter]:
        """Take every buried message of `name` in hand; delete those `done` is true for, give back the others."""
        letters: list[DeadLetter] = []
        kept: list[Any] = []
        with self._open() as connection:
            if not _count(connection, queues.dead_name(name)):
                return letters
            channel = connection.channel()
            flow = Flow(connection, channel, self._connector.virtual)
            try:
                for _ in range(SCANNED):
                    got = channel.basic_get(queues.dead_name(name), no_ack=False)
                    if got is None:
                        break
                    message = channel.message_to_python(got)
                    kept.append(message)
                    letter = wire.letter(message, name, self._connector.driver)
                    letters.append(letter)
                    if done(letter, message):
                        channel.basic_ack(message.delivery_tag)
                        kept.pop()
            finally:
                for message in flow.order_of_return(kept):
                    flow.give_back(message)
                channel.close()
        return letters

    def _names(self) -> set[str]:
        named = {*queues.configured(self._connector), *self._known}
        named.add(self._connector.option("task_default_queue", "celery"))
        return {name for name in named if not name.endswith(queues.DEAD)}

    @contextmanager
    def _open(self) -> Iterator[Connection]:
        connection = self._connector.connected()
        with self._connector.reaching():
            try:
                yield connection
            finally:
                connection.release()


def _count(connection: Connection, queue: str) -> int | None:
    """Return how many messages are ready in `queue`; None where there is surely no such queue."""
    channel = connection.channel()
    if hasattr(channel, "_size"):  # virtual: on Redis a passive declare forgets the key prefix (kombu 5.7)
        with channel:
            return int(channel._size(queue))
    try:
        declared = channel.queue_declare(queue, passive=True)
    except connection.channel_errors:  # the broker closes the channel with its "not found"
        return None
    channel.close()
    return int(declared.message_count)
