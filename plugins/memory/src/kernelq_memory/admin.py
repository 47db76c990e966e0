"""Looking at queues in memory, and mending them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kernelq.delivery import DeadLetter, QueueInfo
    from kernelq_memory.broker import MemoryBroker


class MemoryAdmin:
    """The queue administration; see `kernelq.kernel.contracts.transport.QueueAdmin`."""

    def __init__(self, broker: MemoryBroker) -> None:
        self._broker = broker

    def queues(self) -> list[QueueInfo]:
        """Return every queue, sorted by name."""
        return self._broker.infos()

    def purge(self, queue: str) -> int:
        """Drop the ready and delayed messages of `queue`."""
        return self._broker.purge(queue)

    def dead(self, queue: str | None = None, limit: int = 100) -> list[DeadLetter]:
        """Return the newest buried messages first."""
        letters = self._broker.letters()
        return [letter for letter in letters if queue is None or letter.queue == queue][:limit]

    def dead_letter(self, letter_id: str) -> DeadLetter | None:
        """Return one buried message, or None."""
        return next((letter for letter in self._broker.letters() if letter.id == letter_id), None)

    def replay(self, letter_ids: Iterable[str]) -> int:
        """Put buried messages back to the end of their queues."""
        return self._broker.exhume(letter_ids, replay=True)

    def drop(self, letter_ids: Iterable[str]) -> int:
        """Delete buried messages for ever."""
        return self._broker.exhume(letter_ids, replay=False)
