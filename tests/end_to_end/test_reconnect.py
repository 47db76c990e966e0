"""A lost connection restarts the consumer; what runs goes on, and is not run again."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kernelq import KernelQ
from kernelq.kernel.errors import BrokerLost, BrokerUnreachable
from kernelq.keys import LOOP, REQUESTS
from kernelq_worker.worker import Worker


class InThread:
    """A worker with real host processes, in a thread of the test, so that its loop can be reached."""

    def __init__(self, folder: Path, pool: str = "threads", **settings: Any) -> None:
        url = f"sqlite:///{folder / 'k.db'}"
        self.app = KernelQ("reconnect", broker=url, backend=url, **settings)
        self.folder = folder

        @self.app.task(name="hold")
        def hold(key: str) -> str:
            with open(folder / "started", "a") as file:
                file.write(key + "\n")
            while not (folder / key).exists():
                threading.Event().wait(0.01)
            return key

        self.hold = hold
        self.worker = Worker(self.app, pool=pool, concurrency=4)
        self.error: BaseException | None = None
        self.thread = threading.Thread(target=self._run)

    def start(self) -> InThread:
        self.thread.start()
        assert self.worker.wait_ready(20)
        return self

    def lose_the_connection(self, error: Exception | None = None) -> None:
        """Raise in the loop, as a lane does that meets a lost broker."""

        def lost() -> None:
            raise error or BrokerLost("pulled out")

        self.worker.context[LOOP].call_soon(lost)

    def restarts(self) -> int:
        return int(self.worker.info().get("Consumer", {}).get("restarts", 0))

    def started(self) -> list[str]:
        path = self.folder / "started"
        return path.read_text().split() if path.exists() else []

    def let_go(self, key: str) -> None:
        (self.folder / key).touch()

    def close(self) -> None:
        if self.thread.is_alive():
            self.worker.shutdown("cold")
            self.thread.join(60)
        assert not self.thread.is_alive()
        self.app.close()

    def _run(self) -> None:
        try:
            self.worker.run()
        except BaseException as error:  # noqa: BLE001 - the test looks at it
            self.error = error


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Any]:
    made: list[InThread] = []

    def begin(**settings: Any) -> InThread:
        made.append(InThread(tmp_path, **settings))
        return made[-1]

    yield begin
    for one in made:
        one.close()


def test_what_runs_goes_on_and_settles_on_the_new_connection(make: Any, until: Any) -> None:
    one = make().start()
    results = [one.hold.delay(key) for key in "abc"]
    until(lambda: len(one.started()) == 3, "three tasks to run")

    one.lose_the_connection()
    until(lambda: one.restarts() == 1, "the consumer to start again")
    for key in "abc":
        one.let_go(key)

    assert ["a", "b", "c"] == [result.get(timeout=60) for result in results]
    until(lambda: not one.worker.context[REQUESTS].busy, "everything to be settled")
    late = one.hold.delay("a")
    assert "a" == late.get(timeout=60), "it consumes again"
    assert ["a", "a", "b", "c"] == sorted(one.started()), "nothing ran twice"
    until(lambda: _empty(one.app), "the queue to be empty")


def test_it_consumes_again_soon_after_many_losses(make: Any, until: Any) -> None:
    one = make().start()

    for n in range(5):
        one.lose_the_connection()
        until(lambda n=n: one.restarts() == n + 1, "a restart")

    one.let_go("x")
    began = time.monotonic()
    assert "x" == one.hold.delay("x").get(timeout=60)
    assert time.monotonic() - began < 15, "the pauses between the tries have grown"


def test_a_worker_that_may_not_connect_again_ends_with_the_error(make: Any) -> None:
    one = make(broker_connection_retry=False).start()

    one.lose_the_connection(BrokerUnreachable("gone for good"))
    one.thread.join(60)

    assert isinstance(one.error, BrokerUnreachable)
    assert 4 == one.error.exit_code


def test_a_bug_in_a_callback_ends_nothing(make: Any, until: Any) -> None:
    one = make().start()

    one.lose_the_connection(RuntimeError("a bug"))

    one.let_go("y")
    assert "y" == one.hold.delay("y").get(timeout=60)
    assert 0 == one.restarts()


def _empty(app: KernelQ) -> bool:
    return all((q.ready, q.in_flight, q.delayed) == (0, 0, 0) for q in app.transport.admin().queues())
