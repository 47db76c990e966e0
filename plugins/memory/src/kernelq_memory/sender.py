"""The publishing side of the broker in memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kernelq.message import Message
    from kernelq_memory.broker import MemoryBroker


class MemorySender:
    """Publishes into a `MemoryBroker`. There is nothing to open, so nothing to close."""

    def __init__(self, broker: MemoryBroker) -> None:
        self._broker = broker

    def publish(self, message: Message) -> None:
        """Publish one message; raises BrokerUnreachable in a forked child."""
        self._broker.publish(message)

    def publish_many(self, messages: Sequence[Message]) -> None:
        """Publish all of `messages`, in order; raises BrokerUnreachable in a forked child."""
        self._broker.publish_many(messages)

    def close(self) -> None:
        """Do nothing."""
