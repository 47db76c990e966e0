"""ResultBackend: where the outcomes of tasks are kept."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from kernelq.outcome import Record


class Placement(Enum):
    """Which process writes results."""

    HOST = "the process that ran the task, before it reports the outcome"
    SUPERVISOR = "the worker's main process, before it settles the delivery"


class ResultBackend(Protocol):
    """A result store: the object behind an entry point of the group ``kernelq.backends``.

    The entry point is a callable ``(url: str, settings: Settings) -> ResultBackend``; it connects to nothing. It is
    thread-safe and opens lazily, anew after a fork. A stored SUCCESS is never overwritten, whoever writes. A failing
    write raises `kernelq.kernel.errors.BackendUnreachable`; the worker retries it and settles nothing meanwhile.
    """

    url: str
    placement: Placement
    multiprocess: bool
    """False where only the storing process can read (memory)."""

    def store_many(self, records: Sequence[Record]) -> None:
        """Store all `records`, in one transaction or pipeline where possible, and wake their waiters."""

    def get(self, task_id: str) -> bytes | None:
        """Return the stored payload of a task, or None. Expired results are None."""

    def wait(self, task_ids: Sequence[str], timeout: float | None) -> dict[str, bytes]:
        """Sleep until one is in a ready state, or `timeout` seconds; return the payloads of those that are by then."""

    async def wait_async(self, task_ids: Sequence[str], timeout: float | None) -> dict[str, bytes]:
        """Do as `wait`, without blocking the running event loop; cancelling it leaves nothing behind."""

    def forget(self, task_ids: Sequence[str]) -> None:
        """Delete the results of `task_ids`."""

    def cleanup(self) -> int:
        """Delete what has expired; return how many, or 0 where the store does it by itself."""

    def close(self) -> None:
        """Free everything. May be called twice; a later call opens again."""

    def safe_url(self) -> str:
        """Return the URL as a log may show it: the password is replaced by ``**``."""
