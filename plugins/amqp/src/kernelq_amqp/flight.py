"""Messages in flight, and telling the broker which of them are done."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from struct import Struct
from typing import TYPE_CHECKING

from amqp import spec

if TYPE_CHECKING:
    from kernelq_amqp.link import Channel, Link
    from kernelq_amqp.wire import Came

_ACK = Struct(">BHIHHQBB")
_REQUEUE = 2
"""The second bit of basic.nack."""


class Flight:
    """A message that a lane has and has not settled."""

    __slots__ = ("came", "consumer", "mark", "queue", "tag")

    def __init__(self, tag: int, queue: str, consumer: str, came: Came) -> None:
        self.tag = tag
        self.queue = queue
        self.consumer = consumer
        self.came = came
        self.mark = ""
        """Not empty: it has begun, and what is to be settled is its copy in the estate."""

    @property
    def returns(self) -> int:
        """How often a quorum queue says that the message came back."""
        count = self.came.headers.get("x-delivery-count", 0)
        return count if isinstance(count, int) else 0


class Open:
    """The delivery tags of one channel that are not settled, in their order.

    An acknowledgement with `multiple` covers all tags up to its own, so it stands for those that are settled with no
    unsettled one before them; the others are acknowledged one by one.
    """

    def __init__(self, link: Link, channel: Channel) -> None:
        self._link = link
        self._channel: int = channel.channel_id
        self._tags: dict[int, None] = {}

    def __len__(self) -> int:
        return len(self._tags)

    def add(self, tag: int) -> None:
        """Note a delivery; tags come in ascending order."""
        self._tags[tag] = None

    def ack(self, tags: Sequence[int]) -> None:
        """Acknowledge `tags`, in as few words as that takes."""
        settled = set(tags)
        last = 0
        for tag in self._tags:
            if tag not in settled:
                break
            last = tag
        for tag in settled:
            self._tags.pop(tag, None)
        if last:
            self._say(spec.Basic.Ack, last, 1)
        for tag in tags:
            if tag > last:
                self._say(spec.Basic.Ack, tag, 0)

    def give_back(self, tags: Iterable[int]) -> None:
        """Return `tags` to their places in their queues."""
        for tag in tags:
            self._tags.pop(tag, None)
            self._say(spec.Basic.Nack, tag, _REQUEUE)

    def _say(self, method: tuple[int, int], tag: int, bits: int) -> None:
        self._link.write(_ACK.pack(1, self._channel, 13, *method, tag, bits, 206))
