"""ResultBackendConformance: a result store."""

from __future__ import annotations

import asyncio
import threading
import time
import uuid
from typing import TYPE_CHECKING, ClassVar

import pytest

from kernelq.kernel.contracts.backend import Placement
from kernelq.outcome import Record
from kernelq_testkit.child import run_in_child

if TYPE_CHECKING:
    from kernelq.kernel.contracts.backend import ResultBackend


class ResultBackendConformance:
    """Holds a result store to `kernelq.kernel.contracts.backend.ResultBackend`.

    Subclass it with a fixture `backend`.
    """

    soon: ClassVar[float] = 10.0
    """Seconds that a loaded machine may take for what comes at once; a wait that nobody ends takes thirty."""
    patience: ClassVar[float] = 60.0
    """Seconds within which a result that has expired is gone."""

    @pytest.fixture
    def backend(self) -> ResultBackend:
        """Return a fresh store. Override it."""
        raise NotImplementedError("give your subclass a fixture named backend")

    @pytest.fixture
    def task_id(self) -> str:
        """An id that nobody else uses."""
        return uuid.uuid4().hex

    def test_placement_is_declared(self, backend: ResultBackend) -> None:
        """The worker must know who writes, and a client whether it can read."""
        assert isinstance(backend.placement, Placement)
        assert isinstance(backend.multiprocess, bool)
        assert isinstance(backend.safe_url(), str)

    def test_unknown_is_none(self, backend: ResultBackend, task_id: str) -> None:
        """An unknown id has no payload, and waiting for it ends with the timeout."""
        assert backend.get(task_id) is None
        start = time.monotonic()
        assert backend.wait([task_id], 0.3) == {}
        assert 0.2 < time.monotonic() - start < 0.3 + self.soon

    def test_stored_payload_comes_back(self, backend: ResultBackend, task_id: str) -> None:
        """To the byte, for each of several records."""
        payloads = {task_id: '{"ü": 1}'.encode(), task_id + "-2": b"{}"}
        backend.store_many([record(each, payload=payload) for each, payload in payloads.items()])
        assert payloads == {each: backend.get(each) for each in payloads}
        assert payloads == backend.wait(list(payloads), 10)
        backend.store_many([])

    def test_success_is_never_overwritten(self, backend: ResultBackend, task_id: str) -> None:
        """Whatever comes after a SUCCESS, another one included, changes nothing."""
        backend.store_many([record(task_id, payload=b"first")])
        for state in ("FAILURE", "RETRY", "STARTED", "REVOKED", "SUCCESS"):
            backend.store_many([record(task_id, state, payload=b"later")])
        assert backend.get(task_id) == b"first"

    def test_other_states_give_way(self, backend: ResultBackend, task_id: str) -> None:
        """STARTED, RETRY and FAILURE are overwritten, within one batch too."""
        for state in ("STARTED", "RETRY", "FAILURE"):
            backend.store_many([record(task_id, state, payload=state.encode())])
            assert backend.get(task_id) == state.encode()
        backend.store_many([record(task_id, "STARTED", payload=b"x"), record(task_id, payload=b"done")])
        assert backend.get(task_id) == b"done"

    def test_unready_state_ends_no_wait(self, backend: ResultBackend, task_id: str) -> None:
        """A task that has started is not ready."""
        backend.store_many([record(task_id, "STARTED")])
        assert backend.wait([task_id], 0.2) == {}

    @pytest.mark.parametrize("state", ["SUCCESS", "FAILURE", "REVOKED"])
    def test_wait_is_woken(self, backend: ResultBackend, task_id: str, state: str) -> None:
        """A waiter in another thread learns of a ready state soon; the other ids do not hold it up."""
        waiting = threading.Event()

        def store() -> None:
            waiting.wait(30)
            backend.store_many([record(task_id, state, payload=b"p")])

        thread = threading.Thread(target=store)
        thread.start()
        waiting.set()
        start = time.monotonic()
        found = backend.wait(["never-" + task_id, task_id], 30)
        thread.join(30)
        assert found == {task_id: b"p"}
        assert time.monotonic() - start < self.soon

    def test_wait_async_is_woken(self, backend: ResultBackend, task_id: str) -> None:
        """The same for a coroutine, and its event loop runs on meanwhile."""

        async def scene() -> tuple[dict[str, bytes], int]:
            turns = 0
            waiter = asyncio.create_task(backend.wait_async([task_id], 30))
            for _ in range(20):
                await asyncio.sleep(0.005)
                turns += 1
            await asyncio.to_thread(backend.store_many, [record(task_id, payload=b"p")])
            return await asyncio.wait_for(waiter, self.soon), turns

        assert asyncio.run(scene()) == ({task_id: b"p"}, 20)

    def test_wait_async_times_out(self, backend: ResultBackend, task_id: str) -> None:
        """It ends with what there is."""
        assert asyncio.run(backend.wait_async([task_id], 0.2)) == {}

    def test_wait_async_is_cancelled(self, backend: ResultBackend, task_id: str) -> None:
        """A cancelled wait leaves no thread and no task behind, and the store works on."""

        async def scene() -> int:
            waiter = asyncio.create_task(backend.wait_async([task_id], 30))
            await asyncio.sleep(0.05)
            waiter.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiter
            return len(asyncio.all_tasks()) - 1

        start = time.monotonic()
        assert asyncio.run(scene()) == 0
        assert time.monotonic() - start < self.soon, "the event loop could not be closed: a thread still waits"
        backend.store_many([record(task_id)])
        assert backend.wait([task_id], 10) == {task_id: b"{}"}

    def test_forgotten_is_gone(self, backend: ResultBackend, task_id: str) -> None:
        """`forget` deletes, and what is forgotten may be stored anew."""
        backend.store_many([record(task_id)])
        backend.forget([task_id, "never-" + task_id])
        assert backend.get(task_id) is None
        backend.store_many([record(task_id, "FAILURE", payload=b"f")])
        assert backend.get(task_id) == b"f"

    def test_results_expire(self, backend: ResultBackend, task_id: str) -> None:
        """After `Record.expires` seconds, and not long before, a result is None; None keeps it."""
        began = time.monotonic()
        backend.store_many([record(task_id, expires=1.5), record(task_id + "-kept", expires=None)])
        deadline = began + self.patience
        while backend.get(task_id) is not None and time.monotonic() < deadline:
            backend.wait(["never-" + task_id], 0.1)
        assert backend.get(task_id) is None
        assert time.monotonic() - began > 0.4  # some stores count in whole seconds
        assert backend.cleanup() >= 0
        assert backend.get(task_id + "-kept") == b"{}"

    def test_close_is_no_end(self, backend: ResultBackend, task_id: str) -> None:
        """`close` may come first and twice; a later call opens again and finds what was stored."""
        backend.close()
        backend.store_many([record(task_id)])
        backend.close()
        backend.close()
        assert backend.get(task_id) == b"{}"

    def test_forked_child(self, backend: ResultBackend, task_id: str) -> None:
        """A child reads and writes with the store it inherited; one that is not `multiprocess` says that it cannot."""
        backend.store_many([record(task_id)])

        def child() -> None:
            assert backend.get(task_id) == b"{}"
            backend.store_many([record(task_id + "-child")])

        failure = run_in_child(child)
        if backend.multiprocess:
            assert failure == ""
            assert backend.get(task_id + "-child") == b"{}"
        else:
            assert "BackendUnreachable" in failure
        assert backend.get(task_id) == b"{}"


def record(task_id: str, state: str = "SUCCESS", payload: bytes = b"{}", expires: float | None = 60) -> Record:
    """Return a record to store."""
    return Record(task_id, state, payload, expires)
