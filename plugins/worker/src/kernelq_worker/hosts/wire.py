"""Frames between the supervisor and a host: four bytes of length, then MessagePack.

Both ends run the same release, so frames carry no version. What comes from a host is still checked: user code in it
may have written to the descriptor.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from enum import IntEnum
from typing import Any

import msgspec

from kernelq.delivery import Verdict
from kernelq.job import Job
from kernelq.message import Message
from kernelq.outcome import Outcome, Record

FRAME_LIMIT = 128 * 1024 * 1024
"""Bytes of a frame at most. A longer one, or a length that says so, breaks the connection."""

READ_SIZE = 1 << 18
"""Bytes of the buffer that each end reads into. New bytes of that size for each read would be mapped and unmapped."""

_length = struct.Struct(">I")
_encode = msgspec.msgpack.Encoder(enc_hook=str).encode

JobTuple = tuple[
    int, str, str, dict[str, Any], bytes, dict[str, Any], str, str, dict[str, Any], float | None, float | None, bool
]
RecordTuple = tuple[str, str, bytes, float | None, str | None]
MessageTuple = tuple[
    str, dict[str, Any], bytes, dict[str, Any], str, str, str, str, str, int, float | None, float | None
]
OutcomeTuple = tuple[int, float, str, int, float | None, str, float, str, str, RecordTuple | None, list[MessageTuple]]


class Order(IntEnum):
    """What the supervisor tells a host."""

    JOBS = 1
    INTERRUPT = 2
    """Ids of jobs beyond their soft limit."""
    RECALL = 3
    """Give back every job that has not begun."""
    END = 4
    """Give back what has not begun, run the rest, and end."""
    OVERDUE = 5
    """Ids of jobs beyond their hard limit, in a host that has other jobs too: raise in them what no task catches."""
    PING = 6
    """Answer with PONG, whatever the jobs do."""


class Report(IntEnum):
    """What a host tells the supervisor."""

    READY = 1
    FAILED = 2
    """It could not start; the text tells why."""
    WORK = 3
    RETURNED = 4
    """Ids of jobs that it gives back; the answer to RECALL and END, also when there are none."""
    PONG = 5
    """It hears."""


class FrameError(Exception):
    """Bytes that no well-meaning peer writes."""


class Unsendable(Exception):
    """A value that does not fit into a frame."""


_decode_order = msgspec.msgpack.Decoder(tuple[int, list[JobTuple], list[int]]).decode
_decode_report = msgspec.msgpack.Decoder(tuple[int, list[tuple[int, float]], list[OutcomeTuple], list[int], str]).decode


def _frame(value: object) -> bytes:
    try:
        body = _encode(value)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise Unsendable(f"{type(error).__name__}: {error}") from None
    if len(body) > FRAME_LIMIT:
        raise Unsendable(f"{len(body)} bytes are more than the {FRAME_LIMIT} of a frame")
    return _length.pack(len(body)) + body


def order(kind: Order, jobs: Sequence[Job] = (), ids: Sequence[int] = ()) -> bytes:
    """Return a frame for a host; raises `Unsendable`."""
    return _frame((int(kind), [_job_tuple(job) for job in jobs], ids))


def read_order(body: bytes | memoryview) -> tuple[Order, list[Job], list[int]]:
    """Return what `order` wrote; raises `FrameError`."""
    try:
        kind, jobs, ids = _decode_order(body)
        return Order(kind), [Job(*job) for job in jobs], ids
    except (msgspec.MsgspecError, ValueError) as error:
        raise FrameError(str(error)) from None


Ended = tuple[int, float, Outcome]
"""A job's id, the seconds from its start to its end as the host measured them, and how it ended."""


def report(
    kind: Report,
    started: Sequence[tuple[int, float]] = (),
    ended: Sequence[Ended] = (),
    ids: Sequence[int] = (),
    text: str = "",
) -> bytes:
    """Return a frame for the supervisor; raises `Unsendable`."""
    return _frame((int(kind), started, [_outcome_tuple(*end) for end in ended], ids, text))


def read_report(
    body: bytes | memoryview,
) -> tuple[Report, list[tuple[int, float]], list[Ended], list[int], str]:
    """Return what `report` wrote; raises `FrameError`."""
    try:
        kind, started, ended, ids, text = _decode_report(body)
        return Report(kind), started, [_ended(end) for end in ended], ids, text
    except (msgspec.MsgspecError, ValueError) as error:
        raise FrameError(str(error)) from None


class Splitter:
    """Cuts a stream of bytes into the bodies of frames."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes | memoryview) -> Iterator[memoryview]:
        """Yield the body of each frame that `data` completes, valid until the next; raises `FrameError`."""
        if self._rest:
            self._rest += data
            data = bytes(self._rest) if self._complete() else b""
            if not data:
                return
        at, end, view = 0, len(data), memoryview(data)
        while end - at >= 4:
            (size,) = _length.unpack_from(data, at)
            if size > FRAME_LIMIT:
                raise FrameError(f"a frame of {size} bytes; the limit is {FRAME_LIMIT}")
            if end - at - 4 < size:
                break
            yield view[at + 4 : at + 4 + size]
            at += 4 + size
        self._rest = bytearray(view[at:])

    def _complete(self) -> bool:
        # A large frame comes in many pieces: copy it once, when it is whole.
        if len(self._rest) < 4:
            return False
        (size,) = _length.unpack_from(self._rest)
        if size > FRAME_LIMIT:
            raise FrameError(f"a frame of {size} bytes; the limit is {FRAME_LIMIT}")
        return len(self._rest) >= int(size) + 4


def _job_tuple(job: Job) -> tuple[Any, ...]:
    return (
        job.id, job.task, job.task_id, job.headers, job.body, job.properties, job.content_type,
        job.content_encoding, job.delivery_info, job.soft, job.hard, job.alone,
    )  # fmt: skip


def _outcome_tuple(job_id: int, seconds: float, outcome: Outcome) -> tuple[Any, ...]:
    record = outcome.record
    return (
        job_id, seconds, outcome.state, int(outcome.verdict), outcome.eta, outcome.reason, outcome.runtime,
        outcome.detail, outcome.traceback,
        None if record is None else (record.task_id, record.state, record.payload, record.expires, record.reply_to),
        [_message_tuple(message) for message in outcome.messages] if outcome.messages else (),
    )  # fmt: skip


_VERDICTS = {int(verdict): verdict for verdict in Verdict}


def _ended(end: OutcomeTuple) -> Ended:
    job_id, seconds, state, verdict, eta, reason, runtime, detail, traceback, record, messages = end
    if verdict not in _VERDICTS:
        raise FrameError(f"{verdict} is no verdict")
    outcome = Outcome(
        state, _VERDICTS[verdict], eta, reason, runtime, detail, traceback,
        None if record is None else Record(*record),
        tuple([Message(*message) for message in messages]) if messages else (),
    )  # fmt: skip
    return job_id, seconds, outcome


def _message_tuple(message: Message) -> tuple[Any, ...]:
    return (
        message.id, message.headers, message.body, message.properties, message.queue, message.exchange,
        message.routing_key, message.content_type, message.content_encoding, message.priority, message.eta,
        message.expires,
    )  # fmt: skip
