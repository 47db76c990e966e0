"""What a change does to the running worker: new hosts in its pool, then new tasks in its registry."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import attrs

from kernelq.registry import replace_tasks
from kernelq_autoreload import project, reported
from kernelq_autoreload.description import Description, describe, stand_in
from kernelq_autoreload.inquiry import forget_bytecode

if TYPE_CHECKING:
    from kernelq.app import KernelQ
    from kernelq.handles import Loop, PoolHandle, Timer, WorkerState
    from kernelq_autoreload.inquiry import Answer

log = logging.getLogger("kernelq.autoreload")

SOURCE = "autoreload"
LOOK = 0.05
"""Seconds between looks whether the new hosts have taken over."""


@attrs.frozen
class Pending:
    """A reload whose new hosts are starting; the old ones work until those are ready."""

    changed: frozenset[str]
    answer: Answer
    old: frozenset[int]
    """Process ids of the hosts that are to go."""


class Reload:
    """Takes the files that changed with what a new interpreter said of them; everything is for the loop's thread.

    Tasks become known, and their options change, when the last old host takes no more jobs: so a job of a new task
    never reaches a host that does not have it, and where no new host can start, everything stays as it was.
    """

    def __init__(self, app: KernelQ, loop: Loop, pool: PoolHandle, state: WorkerState) -> None:
        self._app = app
        self._loop = loop
        self._pool = pool
        self._state = state
        self._known: dict[str, Description] = {name: describe(task) for name, task in app.tasks.items()}
        self._pending: Pending | None = None
        self._timer: Timer | None = None
        self._count = 0
        self._error: str | None = None

    def __call__(self, changed: Sequence[str], answer: Answer) -> None:
        """Have new hosts load what changed; or tell why it cannot be, and leave everything as it is."""
        if "error" in answer:
            self._refuse(changed, answer)
            return
        before = self._pending.changed if self._pending is not None else frozenset()
        forget_bytecode(changed)  # a host of the last reload may have written some since
        left = reported.apply(self._app.conf, reported.difference(self._app.conf, answer["settings"]), SOURCE)
        if left:
            log.warning("changed settings that a running worker keeps: %s; start it anew for them", ", ".join(left))
        self._pending = Pending(before | frozenset(changed), answer, self._hosts())
        self._pool.restart()
        if self._timer is None:
            self._timer = self._loop.call_repeatedly(LOOK, self._look)

    def stop(self) -> None:
        """Wait for no new hosts any more. May be called twice."""
        timer, self._timer, self._pending = self._timer, None, None
        if timer is not None:
            timer.cancel()

    def info(self) -> dict[str, Any]:
        """Return how often code was loaded, whether it is being, and the error of the last change if it had one."""
        return {"reloads": self._count, "reloading": self._pending is not None, "last_error": self._error}

    def _hosts(self) -> frozenset[int]:
        return frozenset(self._pool.info().get("processes", ()))

    def _look(self) -> None:
        pending = self._pending
        if pending is None or pending.old & self._hosts():
            return
        self.stop()
        told = self._renew_tasks(pending.answer["tasks"])
        self._state.recompile()
        self._count += 1
        self._error = None
        told.append(f"{_some(len(self._hosts()), 'host')} replaced")
        log.info("reloaded %s: %s", project.short_all(pending.changed), ", ".join(told))

    def _refuse(self, changed: Sequence[str], answer: Answer) -> None:
        self._error = answer["error"]
        log.error(
            "%s %s changed and cannot be imported; the old code runs on: %s\n%s", project.short_all(changed),
            "was" if len(changed) == 1 else "were", self._error, answer.get("traceback", ""),
        )  # fmt: skip

    def _renew_tasks(self, descriptions: Sequence[Description]) -> list[str]:
        """Bring the registry up to date; return in words what is new, gone, and has other options."""
        before, tasks = self._known, self._app.tasks
        known: dict[str, Description] = {one["name"]: one for one in descriptions}
        same = {name for name, one in known.items() if before.get(name) == one}
        new = {
            name: tasks[name] if name in same else stand_in(self._app, one, tasks.get(name))
            for name, one in known.items()
        }
        replace_tasks(self._app, new)
        self._known = known
        counts = {
            "new": len(known.keys() - before.keys()),
            "removed": len(before.keys() - known.keys()),
            "changed": len(known.keys() & before.keys() - same),
        }
        return [_some(count, f"{what} task") for what, count in counts.items() if count]


def _some(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' * (count != 1)}"
