"""A slot: the greenlet that runs a job, and then the next."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import Context
from sys import getrefcount
from typing import TYPE_CHECKING

import gevent

if TYPE_CHECKING:
    from kernelq.job import Job

UNSHARED = 3
"""References to a greenlet that only its slot knows: the slot's, its own while it lives, and that of the question."""


class Slot:
    """Runs jobs one after another, each in its own copy of `context`. Called from the hub only.

    A new greenlet for each job costs ten times the switch to one that waits (15 µs and 1.4 µs): Python allocates pages
    for its frames, and gives them back.
    """

    def __init__(self, context: Context, run: Callable[[Slot, Job], None], job: Job) -> None:
        self._hub = gevent.get_hub()
        self._context = context
        self._run = run
        self._job: Job | None = job
        self.greenlet = gevent.spawn(self._serve)

    @property
    def reusable(self) -> bool:
        """Whether nobody else knows the greenlet.

        A task may leave a `gevent.Timeout` behind that has not been closed, or hand out `gevent.getcurrent()`; what
        they raise later must not hit the next task.
        """
        return not self.greenlet.dead and getrefcount(self.greenlet) <= UNSHARED

    def give(self, job: Job | None) -> None:
        """Run one more job, behind what is ready to run now; None: end."""
        self._job = job
        self._hub.loop.run_callback(self.greenlet.switch)

    def _serve(self) -> None:
        while self._job is not None:
            job, self._job = self._job, None
            self._context.copy().run(self._run, self, job)
            del job
            self._hub.switch()
