"""Looking at queues, and mending them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import amqp

from kernelq.delivery import DeadLetter, QueueInfo
from kernelq_amqp import queues, wire
from kernelq_amqp.publisher import Publisher

if TYPE_CHECKING:
    from kernelq_amqp.connector import Connector
    from kernelq_amqp.link import Link
    from kernelq_amqp.queues import Queues

SCANNED = 10_000
"""Buried messages of one queue that are looked through; what lies deeper is not found."""


class AmqpAdmin:
    """The queue administration, as far as AMQP goes.

    AMQP cannot list queues, so `queues` knows those of the settings and those used through this transport. It tells
    neither what others have in flight nor what is delayed: both figures are 0.
    """

    def __init__(self, connector: Connector, known: Queues) -> None:
        self._connector = connector
        self._queues = known

    def queues(self) -> list[QueueInfo]:
        """Return the known queues that exist, sorted by name."""
        infos = []
        with self._open() as link:
            for name in self._queues.names():
                ready = queues.count(link, name)
                if ready is not None:
                    dead = queues.count(link, queues.dead_name(name)) or 0
                    infos.append(QueueInfo(name, ready=ready, in_flight=0, delayed=0, dead=dead))
        return infos

    def purge(self, queue: str) -> int:
        """Drop the ready messages of `queue`; delayed ones stay with the broker, which has no way to find them."""
        with self._open() as link:
            if queues.count(link, queue) is None:
                return 0
            return int(link.channel().queue_purge(queue) or 0)

    def dead(self, queue: str | None = None, limit: int = 100) -> list[DeadLetter]:
        """Return the newest buried messages first, of one queue or of the known ones."""
        letters: list[DeadLetter] = []
        with self._open() as link:
            for name in self._queues.names() if queue is None else [queue]:
                letters += self._each_dead(link, name, lambda letter, came: False)
        return sorted(letters, key=lambda letter: letter.buried_at, reverse=True)[:limit]

    def dead_letter(self, letter_id: str) -> DeadLetter | None:
        """Return one buried message, or None."""
        return next((letter for letter in self.dead(limit=SCANNED) if letter.id == letter_id), None)

    def replay(self, letter_ids: Iterable[str]) -> int:
        """Publish buried messages to their queues again, each confirmed before it leaves the dead set."""
        with self._open() as posts:
            publisher = Publisher(posts, lambda _: None)

            def publish(letter: DeadLetter, came: wire.Came) -> None:
                queues.ensure(posts, self._queues[letter.queue])
                again = wire.copied(came, dict.fromkeys(wire.OWN))
                publisher.publish("", letter.queue, again, came.body, None)
                while publisher.waiting:
                    posts.drain_events()
                publisher.check()

            return self._take(letter_ids, publish)

    def drop(self, letter_ids: Iterable[str]) -> int:
        """Delete buried messages for ever."""
        return self._take(letter_ids, lambda letter, came: None)

    def _take(self, letter_ids: Iterable[str], with_each: Callable[[DeadLetter, wire.Came], None]) -> int:
        wanted = set(letter_ids)
        taken: list[str] = []

        def decide(letter: DeadLetter, came: wire.Came) -> bool:
            if letter.id not in wanted:
                return False
            with_each(letter, came)
            taken.append(letter.id)
            return True

        with self._open() as link:
            for name in self._queues.names():
                self._each_dead(link, name, decide)
        return len(taken)

    def _each_dead(self, link: Link, name: str, done: Callable[[DeadLetter, wire.Came], bool]) -> list[DeadLetter]:
        """Take every buried message of `name` in hand; delete those `done` is true for.

        The others go back to their places when the channel is closed.
        """
        letters: list[DeadLetter] = []
        dead = queues.dead_name(name)
        if not queues.count(link, dead):
            return letters
        channel = link.channel()
        try:
            for _ in range(SCANNED):
                got = channel.basic_get(dead)
                if got is None:
                    break
                came = _came(got)
                letter = wire.letter(came, name, str(got.delivery_info["delivery_tag"]))
                letters.append(letter)
                if done(letter, came):
                    channel.basic_ack(got.delivery_info["delivery_tag"])
        finally:
            channel.close()
        return letters

    @contextmanager
    def _open(self) -> Iterator[Link]:
        with self._connector.reaching():
            link = self._connector.link("admin", idle=True)
            try:
                yield link
            except BaseException:
                link.abort()
                raise
            link.part(self._connector.timeout)


def _came(got: amqp.Message) -> wire.Came:
    info, body = got.delivery_info, got.body
    content = body.encode() if isinstance(body, str) else bytes(body)
    return wire.Came(got.properties, content, info["redelivered"], info["exchange"], info["routing_key"])
