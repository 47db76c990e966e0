"""GateConformance: who may start now."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from kernelq.delivery import Delivery
from kernelq.job import Job
from kernelq.kernel.contracts.gate import Admission, Defer
from kernelq.outcome import Outcome
from kernelq.request import Request

if TYPE_CHECKING:
    from kernelq.kernel.contracts.gate import Gate


class GateConformance:
    """Holds a gate to `kernelq.kernel.contracts.gate.Gate`.

    Subclass it with the fixtures `gate` and `request_headers`, and say in `admits` how many of these requests it lets
    run at once.
    """

    admits: int | None = None
    """How many requests of one key run at a time; None where the gate bounds something else."""

    longest = 100e-6
    """Seconds that `key`, `admit` and `release` together may take on average."""

    @pytest.fixture
    def gate(self) -> Gate:
        """Return a fresh gate. Override it."""
        raise NotImplementedError("give your subclass a fixture named gate")

    @pytest.fixture
    def request_headers(self) -> dict[str, Any]:
        """Return headers of requests that all have one key under this gate."""
        return {}

    def test_name_and_info(self, gate: Gate) -> None:
        """It has a name, and its info goes out as JSON."""
        assert isinstance(gate.name, str)
        assert gate.name
        json.dumps(gate.info())

    def test_key_is_hashable_and_stable(self, gate: Gate, request_headers: dict[str, Any]) -> None:
        """The same kind of request has the same key, each time."""
        first, second = request(1, request_headers), request(2, request_headers)
        keys = {gate.key(first), gate.key(first), gate.key(second)}
        assert len(keys) == 1

    def test_answers_are_of_the_contract(self, gate: Gate, request_headers: dict[str, Any]) -> None:
        """ADMIT, HOLD, or a Defer of at least 0 seconds."""
        for number in range(20):
            answer = gate.admit(request(number, request_headers))
            assert isinstance(answer, Admission | Defer)
            if isinstance(answer, Defer):
                assert answer.seconds >= 0

    def test_room_is_bounded_and_comes_back(self, gate: Gate, request_headers: dict[str, Any]) -> None:
        """`admits` requests run at once, the next one not before one of them is released."""
        if self.admits is None:
            return
        running = [request(number, request_headers) for number in range(self.admits)]
        assert [Admission.ADMIT] * self.admits == [gate.admit(each) for each in running]
        waiting = request(self.admits, request_headers)
        assert gate.admit(waiting) is not Admission.ADMIT
        gate.release(running[0], Outcome("SUCCESS"))
        assert gate.admit(waiting) is Admission.ADMIT

    def test_release_is_idempotent(self, gate: Gate, request_headers: dict[str, Any]) -> None:
        """Releasing twice frees once; releasing what was never admitted frees nothing; a lost one is freed too."""
        if self.admits is None:
            return
        running = [request(number, request_headers) for number in range(self.admits)]
        for each in running:
            gate.admit(each)
        gate.release(running[0], None)
        gate.release(running[0], None)
        gate.release(request(998, request_headers), Outcome("SUCCESS"))
        extra = [request(100 + number, request_headers) for number in range(3)]
        assert [gate.admit(each) for each in extra].count(Admission.ADMIT) == 1

    def test_info_stays_small(self, gate: Gate, request_headers: dict[str, Any]) -> None:
        """However many keys there are, `info` shows the hundred fullest at most."""
        for number in range(500):
            gate.admit(request(number, request_headers | {"kit_key": number}, task=f"kit.task{number}"))
        assert all(len(part) <= 100 for part in gate.info().values() if isinstance(part, dict | list))

    def test_nothing_is_left_behind(self, gate: Gate, request_headers: dict[str, Any]) -> None:
        """Ten thousand requests through it leave its info as it was, and cost microseconds in the best round."""
        before = json.dumps(gate.info())
        rounds = []
        for first in range(0, 10_000, 1000):
            start = time.perf_counter()
            for number in range(first, first + 1000):
                each = request(number, request_headers)
                gate.key(each)
                gate.admit(each)
                gate.release(each, Outcome("SUCCESS"))
            rounds.append((time.perf_counter() - start) / 1000)
        assert min(rounds) < self.longest + 20e-6
        if self.admits is not None:
            assert json.dumps(gate.info()) == before


def request(number: int, headers: dict[str, Any], task: str = "kit.task") -> Request:
    """Return an accepted request."""
    headers = {"task": task, "id": f"id-{number}", **headers}
    body = b"[[], {}, {}]"
    job = Job(number, task, f"id-{number}", headers, body, {}, "application/json", "utf-8", {})
    return Request(job, Delivery(number, "kit", headers, body, {}), time.monotonic())
