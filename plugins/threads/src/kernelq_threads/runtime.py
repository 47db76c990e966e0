"""What runs inside a host of the threads pool."""

from __future__ import annotations

import ctypes
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kernelq.handles import HostLink
    from kernelq.job import Job
    from kernelq.kernel.contracts.pool import Execute
    from kernelq.outcome import Outcome


class ThreadsRuntime:
    """Runs jobs in threads; each thread takes its next job from the link itself."""

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._lock = threading.Lock()
        self._running: dict[int, int] = {}
        self._interrupted: dict[int, type[BaseException]] = {}
        """What was last raised in which running job."""

    def serve(self, link: HostLink, execute: Execute) -> None:
        """Run jobs until the link says the end, and all have ended."""
        link.on_interrupt(self._interrupt)
        threads = [
            threading.Thread(target=self._work, args=(link, execute), name=f"kernelq-slot-{number}")
            for number in range(1, self._slots + 1)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _work(self, link: HostLink, execute: Execute) -> None:
        ident = threading.get_ident()
        while (jobs := link.receive(limit=1)) is not None:
            for job in jobs:
                link.started(job)
                link.finished(job, self._run(job, execute, ident))

    def _run(self, job: Job, execute: Execute, ident: int) -> Outcome:
        """Run one job. An interrupt may come at any line until the job has left `_running`; none may leave this."""
        call = execute.__call__  # bound, so that no interrupt falls between its return and the assignment
        outcome: Outcome | None = None
        raised: BaseException | None = None
        begun = False
        while True:
            try:
                if not begun:
                    begun = True
                    self._running[job.id] = ident
                    outcome = call(job)
                elif outcome is None and raised is not None:
                    outcome = execute.interrupted(job, raised)
                with self._lock:
                    self._running.pop(job.id, None)
                    if self._interrupted.pop(job.id, None) is not None:
                        _raise_in(ident, None)  # it may still be on its way, and must not hit the thread's next job
                if outcome is not None:
                    return outcome
            except BaseException as error:  # noqa: BLE001  # it came before the task began, or after it ended
                raised = error

    def _interrupt(self, job_id: int, error: type[BaseException]) -> bool:
        with self._lock:
            ident = self._running.get(job_id)
            if ident is None or self._interrupted.get(job_id) is error:
                return False
            self._interrupted[job_id] = error
            return _raise_in(ident, error)


def _raise_in(ident: int, error: type[BaseException] | None) -> bool:
    """Raise `error` in a thread when it next runs Python, in the place of one that is not raised yet; None: nothing."""
    wanted = None if error is None else ctypes.py_object(error)
    return bool(ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(ident), wanted) == 1)
