"""What is left to do for a task that has ended, and what becomes of one for which it cannot be done."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import attrs

from kernelq.delivery import Settlement, Verdict
from kernelq.exceptions import TaskError
from kernelq.texts import said

if TYPE_CHECKING:
    from kernelq.message import Message
    from kernelq.outcome import Record

log = logging.getLogger("kernelq.worker")

MakeFailure = Callable[..., "Record | None"]
"""`kernelq_worker.records.failure` for an app: takes headers, the error, and ``properties``."""


@attrs.define(eq=False)
class Ending:
    """The end of one task on its way; each stage that is done is emptied."""

    settlement: Settlement | None
    """None for a delivery that was settled when it was handed over."""
    messages: tuple[Message, ...] = ()
    record: Record | None = None
    since: float = 0.0
    """Monotonic seconds of the end."""
    spoilt: bool = False
    """Whether a stage could not be done, for a reason of its own; then its message is buried."""

    def sent_but(self, error: Exception) -> None:
        """Keep those messages that are not sent yet, where `error` tells which the broker has taken all the same."""
        taken = getattr(error, "taken", ())
        self.messages = tuple(one for one in self.messages if one.id not in taken)


class Spoiler:
    """Turns what can never be done as it was meant into what can: a burial with the reason, and a FAILURE.

    Nothing waits for ever for a message that no broker takes or for a result that no store keeps, neither the other
    endings nor who asked for the result.
    """

    def __init__(self, failure: MakeFailure) -> None:
        self._failure = failure

    def unsent(self, ending: Ending, error: Exception) -> list[Ending]:
        """Spoil an ending whose messages cannot be published; return the ends of the tasks that they were to start."""
        why = self._why(ending.settlement, ending.record, "what the task has sent cannot be published", error)
        _bury(ending, why)
        others = []
        for message in ending.messages:
            record = self._told(message.headers, message.properties, why)
            if ending.record is not None and ending.record.task_id == message.id:  # its own retry
                ending.record = record
            elif record is not None:
                others.append(Ending(None, (), record, ending.since))
        ending.messages = ()
        return others

    def unstored(self, ending: Ending, error: Exception) -> None:
        """Spoil an ending whose record cannot be stored: a FAILURE takes its place, and then nothing does."""
        why = self._why(ending.settlement, ending.record, "the result cannot be stored", error)
        known, ending.record = ending.record, None
        if not ending.spoilt and known is not None:
            ending.record = self._instead(ending.settlement, known, why)
        _bury(ending, why)

    def unsettled(self, settlement: Settlement, error: Exception) -> list[Settlement]:
        """Return what to try instead, one after the other: a burial with a FAILURE, and one without any result."""
        record = settlement.record
        why = self._why(settlement, record, "the task's end cannot be settled", error)
        records = [None] if record is None else [self._instead(settlement, record, why), None]
        return [Settlement(settlement.delivery, Verdict.BURY, reason=why, record=each) for each in records]

    def _instead(self, settlement: Settlement | None, record: Record, why: str) -> Record | None:
        delivery = None if settlement is None else settlement.delivery
        headers = {"id": record.task_id} if delivery is None else delivery.headers
        properties = {"reply_to": record.reply_to} if delivery is None else delivery.properties
        return self._told(headers, properties, why)

    def _told(self, headers: Mapping[str, Any], properties: Mapping[str, Any], why: str) -> Record | None:
        """Return the record of a FAILURE; None where its headers are what cannot be written."""
        try:
            return self._failure(headers, TaskError(why), properties=properties)
        except Exception as error:  # noqa: BLE001 - nothing that a message holds may hold up the others
            log.error("task %s: its failure cannot be written either: %s", said(headers.get("id")), said(error))
            return None

    @staticmethod
    def _why(settlement: Settlement | None, record: Record | None, what: str, error: Exception) -> str:
        why = f"{what}: {type(error).__name__}: {said(error)}"
        task_id = settlement.delivery.headers.get("id") if settlement is not None else getattr(record, "task_id", None)
        log.error("task %s: %s", said(task_id), why, exc_info=error)
        return why


def _bury(ending: Ending, why: str) -> None:
    ending.spoilt = True
    if ending.settlement is not None:
        ending.settlement = Settlement(ending.settlement.delivery, Verdict.BURY, reason=why)
