"""The step Notices: revokes that were made while this worker did not listen, and queues that are paused."""

from __future__ import annotations

import contextlib
from typing import Any

from kernelq.handles import Timer
from kernelq.kernel.keys import Context
from kernelq.kernel.step import Step
from kernelq.keys import APP, LOOP, QUEUES, SCREEN, STATE
from kernelq_control.keys import NOTES
from kernelq_control.notes import FRESH, Notes, StoreLost


class Notices(Step):
    """Provides what looks at deliveries before they are decided; it looks up paused queues every second."""

    requires = (APP, LOOP, STATE, QUEUES)
    provides = (NOTES, SCREEN)

    def __init__(self) -> None:
        self._notes: Notes | None = None
        self._timer: Timer | None = None

    def start(self, ctx: Context) -> None:
        """Begin to look. A broker that is away is for the consumer to find out."""
        ctx[NOTES] = ctx[SCREEN] = self._notes = Notes(ctx[APP], ctx[STATE], ctx[QUEUES])
        self._timer = ctx[LOOP].call_repeatedly(FRESH, self._look)
        self._look()

    def stop(self, ctx: Context) -> None:
        """Look no longer."""
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()

    def info(self, ctx: Context) -> dict[str, Any]:
        """Return whether notices are kept, how many deliveries they kept from running, and the paused queues."""
        notes = self._notes
        if notes is None:
            return {}
        return {"kept": notes.kept, "found": notes.found, "paused": list(notes.paused)}

    def _look(self) -> None:
        assert self._notes is not None
        with contextlib.suppress(StoreLost):  # its lane learns so too; before the next delivery, it is asked anew
            self._notes.look()
