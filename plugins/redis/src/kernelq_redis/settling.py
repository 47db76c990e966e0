"""From settlements to the commands that carry them out: one script for each queue and kind, in one write."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from kernelq.delivery import Settlement, Verdict
from kernelq_redis.scripts import ACK, ACK_AND_STORE, SETTLE, Argument, call

if TYPE_CHECKING:
    from kernelq_redis.keys import Keys
    from kernelq_redis.results import Layout

_LARGEST = 250
"""Messages in one call of a script; the server serves nobody else meanwhile."""
_BYTES = 4 * 1024 * 1024
"""About how many bytes of results one call stores at most."""
_LETTERS = {Verdict.ACK: "A", Verdict.REQUEUE: "R", Verdict.DEFER: "D", Verdict.BURY: "B"}

Command = tuple[bytes, list[int]]
"""A packed command, and the tags that it settles."""


def commands(keys: Keys, layout: Layout | None, consumer: str, batch: Sequence[Settlement]) -> Iterator[Command]:
    """Yield what settles `batch`, all of it in flight for `consumer`. Raises what its values raise when encoded."""
    queue = batch[0].delivery.queue
    if all(one.delivery.queue == queue for one in batch):
        yield from _of_queue(keys, layout, consumer, queue, batch)
        return
    queues: dict[str, list[Settlement]] = {}
    for one in batch:
        queues.setdefault(one.delivery.queue, []).append(one)
    for queue, some in queues.items():
        yield from _of_queue(keys, layout, consumer, queue, some)


def _of_queue(
    keys: Keys, layout: Layout | None, consumer: str, queue: str, batch: Sequence[Settlement]
) -> Iterator[Command]:
    plain: list[int] = []
    stored: list[Settlement] = []
    others: list[Settlement] = []
    for one in batch:
        if one.verdict is not Verdict.ACK or one.delivery.deliveries > 1:
            others.append(one)
        elif one.record is not None and layout is not None:
            stored.append(one)
        else:
            plain.append(one.delivery.tag)
    pair = [keys.alive(queue), keys.unacked(queue, consumer)]
    for start in range(0, len(plain), _LARGEST):
        some = plain[start : start + _LARGEST]
        yield call(ACK.of(consumer), [*pair, *keys.rescues(consumer)], [consumer, *some]), some
    if stored and layout is not None:
        for part in _bounded(stored):
            yield _ack_and_store(pair, keys.rescues(consumer), layout, consumer, part)
    if others:
        # What goes back is put before what waits, the newest first: so the oldest is the next to be taken.
        others.sort(key=lambda one: -one.delivery.tag)
        of_queue = keys.of(queue, consumer)
        for part in _bounded(others):
            yield _settle(of_queue, keys.rescues(consumer), layout, consumer, part)


def _bounded(batch: Sequence[Settlement]) -> Iterator[list[Settlement]]:
    """Yield the batch in parts that are neither many nor large."""
    part: list[Settlement] = []
    size = 0
    for one in batch:
        part.append(one)
        size += 0 if one.record is None else len(one.record.payload)
        if len(part) >= _LARGEST or size >= _BYTES:
            yield part
            part, size = [], 0
    if part:
        yield part


def _ack_and_store(
    pair: list[str], rescues: list[str], layout: Layout, consumer: str, batch: Sequence[Settlement]
) -> Command:
    names = list(pair)
    arguments: list[Argument] = [consumer]
    tags: list[int] = []
    fields = layout.fields
    for one in batch:
        name, payload, ms, state = fields(one.record)  # type: ignore[arg-type]  # the caller has looked
        tag = one.delivery.tag
        names.append(name)
        arguments += (tag, payload, ms, state)
        tags.append(tag)
    return call(ACK_AND_STORE.of(consumer), names + rescues, arguments), tags


def _settle(
    of_queue: list[str], rescues: list[str], layout: Layout | None, consumer: str, batch: Sequence[Settlement]
) -> Command:
    names: list[str] = []
    arguments: list[Argument] = [consumer]
    for one in batch:
        payload, ms, state = b"", "0", ""
        key = 0
        if one.record is not None and layout is not None:
            name, payload, ms, state = layout.fields(one.record)
            names.append(name)
            key = len(names)
        reason = one.reason or "buried without a reason"
        arguments += (_LETTERS[one.verdict], one.delivery.tag, one.eta or 0.0, reason, "1" if one.counted else "0")
        arguments += (key, payload, ms, state)
    return call(SETTLE.of(consumer), [*of_queue, *names, *rescues], arguments), [one.delivery.tag for one in batch]
