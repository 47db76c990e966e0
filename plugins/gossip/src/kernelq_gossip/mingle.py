"""The step Mingle: what the others know, this worker knows too, before it takes its first task."""

from __future__ import annotations

import logging
import threading
from itertools import islice
from typing import Any

from kernelq.handles import WorkerState
from kernelq.kernel.contracts.transport import TransportCapability
from kernelq.kernel.errors import Unreachable
from kernelq.kernel.keys import Context
from kernelq.kernel.settings import Settings
from kernelq.kernel.step import Step
from kernelq.keys import APP, CONNECTION, LOOP, STATE, TRANSPORT, WORKER
from kernelq_gossip.settings import GossipSettings

log = logging.getLogger("kernelq.gossip")

TIMEOUT = 1.0
"""Seconds that the others are waited for, as Celery does; where all have answered, and where nobody is, no longer."""
MOST = 10_000
"""Revoked ids that are told to the others, the newest; a message must stay small."""


class Mingle(Step):
    """Greets the others when connected, and takes over their revoked ids and their clock.

    A worker that starts waits for their answers, before it takes its first task. One that connects again goes on at
    once, with what it knew, and takes the answers when they come. Who does not answer within a second is passed over.
    """

    requires = (APP, WORKER, TRANSPORT, STATE, LOOP)
    wants = (CONNECTION,)
    before = ("Tasks",)

    def __init__(self) -> None:
        self._nodes: list[str] = []

    @classmethod
    def enabled(cls, settings: Settings) -> bool | str:
        """Tell whether the settings want it."""
        return not settings.section(GossipSettings).worker_without_mingle or "off: --without-mingle"

    def start(self, ctx: Context) -> None:
        """Greet the others. Raises `kernelq.kernel.errors.BrokerUnreachable`."""
        if TransportCapability.FANOUT not in ctx[TRANSPORT].capabilities:
            log.info("mingle: messages do not reach all workers on this broker")
            return
        log.info("mingle: searching for neighbors")
        hostname, revoked = ctx[WORKER].hostname, ctx[STATE].revoked
        newest = list(islice(revoked, max(len(revoked) - MOST, 0), None))
        question = {"from_node": hostname, "revoked": newest}
        if getattr(ctx[WORKER], "ready", False):
            threading.Thread(target=self._take_later, args=(ctx, question), name="kernelq mingle", daemon=True).start()
        else:
            self._take(ctx, self._ask(ctx, question))

    def info(self, ctx: Context) -> dict[str, Any]:
        """Return who answered."""
        return {"nodes": list(self._nodes)}

    @staticmethod
    def _ask(ctx: Context, question: dict[str, Any]) -> dict[str, Any]:
        # Over a connection of its own: the worker's is read by the loop, which does not turn while this waits.
        replies = ctx[APP].control.broadcast("hello", question, reply=True, timeout=TIMEOUT) or []
        answers = {node: answer for reply in replies for node, answer in reply.items()}
        answers.pop(question["from_node"], None)
        return answers

    def _take_later(self, ctx: Context, question: dict[str, Any]) -> None:
        try:
            answers = self._ask(ctx, question)
        except Unreachable as error:
            log.warning("mingle: %s", error)  # the connection is lost again, which the others see too
        else:
            ctx[LOOP].call_soon(self._take, ctx, answers)

    def _take(self, ctx: Context, answers: dict[str, Any]) -> None:
        self._nodes = [node for node, answer in sorted(answers.items()) if self._merge(ctx, node, answer)]
        log.info("mingle: in step with %s", ", ".join(self._nodes)) if self._nodes else log.info("mingle: all alone")

    @staticmethod
    def _merge(ctx: Context, node: str, answer: Any) -> bool:
        if not isinstance(answer, dict) or "clock" not in answer:
            if answer is not None:  # which is how a worker of the same name answers
                log.warning("mingle: %s answered what cannot be used: %.200r", node, answer)
            return False
        ctx[APP].clock.adjust(answer["clock"])
        merge_revoked(ctx[STATE], answer.get("revoked"))
        return True


def merge_revoked(state: WorkerState, revoked: Any) -> int:
    """Remember the ids that others know as revoked, a list of them or a dict, oldest first; return how many are new."""
    if not isinstance(revoked, list | tuple | dict):
        return 0
    new = [task_id for task_id in revoked if isinstance(task_id, str) and task_id not in state.revoked]
    state.revoke(new)
    return len(new)
