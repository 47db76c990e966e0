"""The step StateDB: what the worker remembers across connections, and over restarts where it has a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kernelq import nodenames
from kernelq.clock import GREATEST
from kernelq.handles import Timer
from kernelq.kernel.keys import Context
from kernelq.kernel.step import Step
from kernelq.keys import APP, LOOP, STATE, WORKER
from kernelq_worker.options import WorkerSettings
from kernelq_worker.state import State

if TYPE_CHECKING:
    from kernelq_worker.statefile import StateFile

EVERY = 1.0
"""Seconds between two looks at the clock and at revokes that are too old. Revokes are written when they come."""
AHEAD = 1_000_000
"""How far the kept clock is ahead while the worker runs, so that after a kill it does not go back: more than the
events, commands and replies of one second."""


class StateDB(Step):
    """Provides the worker's memory: totals, revokes, and the limits set by command.

    With ``worker_state_db`` revoked ids and the logical clock are kept in that file.
    """

    requires = (APP, WORKER, LOOP)
    provides = (STATE,)

    def __init__(self) -> None:
        self._file: StateFile | None = None
        self._timer: Timer | None = None
        self._state: State | None = None
        self._clock: Any = None
        self._kept = 0

    def start(self, ctx: Context) -> None:
        """Begin with what the file has. Raises `ConfigurationError` where it cannot be used."""
        app = ctx[APP]
        wanted = app.conf.section(WorkerSettings)
        if wanted.worker_state_db:
            from kernelq_worker.statefile import StateFile  # with SQLite, which most workers do without

            self._clock = app.clock
            self._file = StateFile(nodenames.node_format(wanted.worker_state_db, ctx[WORKER].hostname))
        most, expires = wanted.worker_revokes_max, wanted.worker_revoke_expires
        ctx[STATE] = self._state = state = State(most, expires or None, self._file)
        if self._file is not None:
            state.recall(self._file.revoked())
            self._clock.adjust(self._file.clock())
        self._timer = ctx[LOOP].call_repeatedly(EVERY, self._look)
        self._look()

    def stop(self, ctx: Context) -> None:
        """Write the clock down, and let go of the file."""
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
        file, self._file = self._file, None
        if file is not None:
            file.write({}, clock=min(self._clock.value, GREATEST))
            file.close()

    def info(self, ctx: Context) -> dict[str, Any]:
        """Return how many revoked ids are remembered, and the file they are kept in."""
        revoked = len(self._state.revoked) if self._state is not None else 0
        return {"revoked": revoked, "file": self._file.path if self._file is not None else None}

    def _look(self) -> None:
        assert self._state is not None
        self._state.expire()
        if self._file is not None and self._clock.value > self._kept - AHEAD // 2:
            self._kept = self._clock.value + AHEAD
            self._file.write({}, clock=min(self._kept, GREATEST))
