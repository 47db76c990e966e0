"""What a claim brought: deliveries, and what is none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs

from kernelq.delivery import Delivery, Settlement, Verdict
from kernelq_redis.envelope import Malformed, decode


@attrs.define(eq=False)
class Claim:
    """The messages of one answer, in the order in which they are to be handed over."""

    fresh: list[Delivery] = attrs.field(factory=list)
    """Those that nobody lost before."""
    lost_before: list[Delivery] = attrs.field(factory=list)
    """Those that go alone."""
    burials: list[Settlement] = attrs.field(factory=list)
    """The ends of what cannot be read."""

    def add(self, raw: bytes, queue: str, tag: int, lost: int) -> None:
        """Take one message, which so many owners have lost."""
        try:
            delivery = decode(raw, queue, tag, lost + 1)
        except Malformed as problem:
            unread = Delivery(tag, queue, {}, raw, {}, deliveries=lost + 1)
            reason = f"the message cannot be read: {problem}"
            self.burials.append(Settlement(unread, Verdict.BURY, reason=reason))
        else:
            (self.lost_before if lost else self.fresh).append(delivery)

    def add_groups(self, groups: Sequence[Any], queues: Sequence[str]) -> int:
        """Take the groups of the script ``claim``, asked for `queues`; return their size in bytes."""
        size = 0
        for index, step, first, counts, raws in groups:
            queue = queues[index]
            size += sum(map(len, raws))
            lost = dict(zip(counts[::2], counts[1::2], strict=True))
            for number, raw in enumerate(raws):
                self.add(raw, queue, 4 * (first + number) + step, lost.get(number + 1, 0))
        return size

    def __len__(self) -> int:
        return len(self.fresh) + len(self.lost_before) + len(self.burials)

    def tags(self) -> list[int]:
        """Return all tags, of what is to be buried too."""
        found = [delivery.tag for delivery in self.fresh]
        found += [delivery.tag for delivery in self.lost_before]
        return found + [burial.delivery.tag for burial in self.burials]

    def cut(self, most: int) -> list[Delivery]:
        """Keep at most `most` deliveries; return the others."""
        fresh, lost = self.fresh, self.lost_before
        kept = max(0, most - len(fresh))
        back = lost[kept:] + fresh[max(0, most) :]
        del lost[kept:], fresh[max(0, most) :]
        return back
