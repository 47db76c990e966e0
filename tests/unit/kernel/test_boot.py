"""Booting: start forward, stop backward, leave nothing behind."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from kernel_steps import a_key, a_step, resolve

from kernelq.kernel.boot import Boot
from kernelq.kernel.errors import KeyNotProvided, StepFault, UndeclaredKey
from kernelq.kernel.keys import Context
from kernelq.kernel.step import Step

POOL, LOOP = a_key("pool"), a_key("loop")


class Diary:
    """Steps that write down what is done to them."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def step(self, name: str, fail: str = "", **declared: Any) -> type[Step]:
        def note(what: str) -> Any:
            def method(step: Step, ctx: Context) -> None:
                self.lines.append(f"{what} {name}")
                if what == fail:
                    raise RuntimeError(f"{name} fails")
                for key in declared.get("provides", ()) if what == "start" else ():
                    ctx[key] = name

            return method

        return a_step(name, **declared, start=note("start"), stop=note("stop"), terminate=note("terminate"))


def test_steps_start_in_order_and_stop_in_reverse() -> None:
    diary = Diary()
    boot = Boot(resolve(diary.step("A", requires=[POOL]), diary.step("B", provides=[POOL])), Context())
    boot.start()
    assert boot.started == ["B", "A"]
    boot.stop()
    assert diary.lines == ["start B", "start A", "stop A", "stop B"]
    assert boot.started == []


def test_terminate_ends_in_reverse_without_waiting() -> None:
    diary = Diary()
    boot = Boot(resolve(diary.step("A"), diary.step("B")), Context())
    boot.start()
    boot.terminate()
    assert diary.lines[2:] == ["terminate B", "terminate A"]


def test_start_and_stop_are_idempotent_and_stop_may_come_first() -> None:
    diary = Diary()
    boot = Boot(resolve(diary.step("A")), Context())
    boot.stop()
    boot.start()
    boot.start()
    boot.stop()
    boot.stop()
    assert diary.lines == ["start A", "stop A"]


def test_a_failing_start_unwinds_what_had_started_and_itself() -> None:
    diary = Diary()
    boot = Boot(resolve(diary.step("A"), diary.step("B", fail="start"), diary.step("C")), Context())
    with pytest.raises(RuntimeError, match="B fails") as caught:
        boot.start()
    assert diary.lines == ["start A", "start B", "stop B", "stop A"]
    assert caught.value.__notes__ == ["while starting the step B (app)"]
    assert boot.started == []


def test_a_failing_stop_is_kept_and_the_rest_are_stopped() -> None:
    diary = Diary()
    boot = Boot(resolve(diary.step("A"), diary.step("B", fail="stop")), Context())
    boot.start()
    boot.stop()
    assert diary.lines[2:] == ["stop B", "stop A"]
    assert [(name, str(error)) for name, error in boot.failures] == [("B", "B fails")]


def test_each_start_makes_new_instances_and_provided_keys_end_with_them() -> None:
    seen: list[Step] = []
    plan = resolve(a_step("A", provides=[POOL], stop=lambda self, ctx: seen.append(self)))
    ctx = Context()
    boot = Boot(plan, ctx)
    for _ in range(2):
        boot.start()
        assert ctx[POOL] == "A"
        boot.stop()
        assert POOL not in ctx
    assert seen[0] is not seen[1]


def test_writing_an_undeclared_key_is_an_error_that_says_what_to_add() -> None:
    def start(self: Step, ctx: Context) -> None:
        ctx[LOOP] = 1

    with pytest.raises(UndeclaredKey, match="step A writes the key 'loop' .* add it to the step's `provides`"):
        Boot(resolve(a_step("A", start=start)), Context()).start()


def test_reading_an_undeclared_key_is_an_error_too() -> None:
    with pytest.raises(UndeclaredKey, match="step A reads the key 'loop'"):
        Boot(resolve(a_step("A", start=lambda self, ctx: ctx[LOOP])), Context({LOOP: 1})).start()


def test_a_promised_key_that_is_not_set_is_an_error() -> None:
    with pytest.raises(StepFault, match="declares that it provides 'pool'"):
        Boot(resolve(a_step("A", provides=[POOL], start=lambda self, ctx: None)), Context()).start()


def test_a_key_that_nobody_set_says_what_is_there() -> None:
    with pytest.raises(KeyNotProvided, match="nothing has provided the key 'pool'.*provided so far: loop"):
        Context({LOOP: 1})[POOL]


def test_a_child_context_reads_its_parent_and_writes_its_own() -> None:
    parent = Context({LOOP: 1})
    child = parent.child()
    child[POOL] = 2
    assert (child[LOOP], child[POOL]) == (1, 2)
    assert POOL not in parent
    assert parent.get(POOL) is None


def test_the_runner_runs_after_all_have_started() -> None:
    diary = Diary()
    runner = a_step("A", run=lambda self, ctx: diary.lines.append("run"))
    boot = Boot(resolve(runner, diary.step("Z")), Context())
    boot.start()
    boot.run()
    assert diary.lines == ["start Z", "run"]


def test_info_gathers_what_steps_tell_and_timings_are_kept() -> None:
    boot = Boot(resolve(a_step("A", info=lambda self, ctx: {"n": 1}), a_step("B")), Context())
    boot.start()
    assert boot.info() == {"A": {"n": 1}}
    boot.stop()
    assert {"start", "stop"} == set(boot.timings["A"])


def test_the_listener_hears_each_phase() -> None:
    heard: list[tuple[str, str]] = []
    boot = Boot(resolve(a_step("A")), Context(), lambda what, name: heard.append((what, name)))
    boot.start()
    boot.stop()
    assert [what for what, _ in heard] == ["starting", "started", "stopping", "stopped"]


def test_ten_threads_of_fifty_starts_and_stops_leave_nothing_behind() -> None:
    live, most, ctx = [0], [0], Context()

    def start(self: Step, ctx: Context) -> None:
        live[0] += 1
        most[0] = max(most[0], live[0])
        ctx[POOL] = self

    def stop(self: Step, ctx: Context) -> None:
        live[0] -= 1

    boot = Boot(resolve(a_step("A", provides=[POOL], start=start, stop=stop)), ctx)
    before = threading.active_count()

    def stress() -> None:
        for _ in range(50):
            boot.start()
            boot.stop()

    threads = [threading.Thread(target=stress) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (live[0], most[0]) == (0, 1)
    assert before >= threading.active_count()
    assert ctx.keys() == frozenset()
    assert boot.failures == []
