"""A task as the supervisor has to know it."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import pytest

from kernelq import KernelQ, Task
from kernelq_autoreload.description import describe, stand_in


@pytest.fixture
def app() -> KernelQ:
    """An app without a broker."""
    return KernelQ("t", broker="memory://", backend="disabled://")


def test_a_stand_in_has_the_options_of_its_task(app: KernelQ) -> None:
    """What the worker reads of a task when it decides on a delivery."""
    task = app.task(
        name="pack", acks_late=False, rate_limit="3/m", time_limit=9, soft_time_limit=5.5, ignore_result=True,
        acks_on_timeout=False, reject_on_worker_lost=False, strategy="mine",
    )(lambda: None)  # fmt: skip

    twin = stand_in(KernelQ("other"), describe(task))

    names = ("name", "acks_late", "rate_limit", "time_limit", "soft_time_limit", "ignore_result", "acks_on_timeout",
             "reject_on_worker_lost", "strategy")  # fmt: skip
    assert [getattr(task, name) for name in names] == [getattr(twin, name) for name in names]


def test_an_option_that_is_left_to_the_settings_stays_left_to_them(app: KernelQ) -> None:
    task = app.task(name="pack")(lambda: None)
    other = KernelQ("other", task_acks_late=False)

    assert task.acks_late
    assert not stand_in(other, describe(task)).acks_late


def test_options_of_a_base_class_come_along(app: KernelQ) -> None:
    class Base(Task[..., Any]):
        lane = "fast"
        time_limit = 7

    task = app.task(name="pack", base=Base)(lambda: None)

    twin = stand_in(app, describe(task))

    assert ("fast", 7) == (twin.lane, twin.time_limit)


def test_no_code_of_the_task_is_run(app: KernelQ) -> None:
    """Properties of a base class open connections."""

    class Base(Task[..., Any]):
        @property
        def database(self) -> Any:
            raise AssertionError("it was read")

        @cached_property
        def cache(self) -> Any:
            raise AssertionError("it was read")

    described = describe(app.task(name="pack", base=Base)(lambda: None))

    assert not {"database", "cache"} & {*described["options"], *described["kept"]}


def test_what_json_cannot_carry_is_kept_from_the_task_that_was_there(app: KernelQ) -> None:
    before = app.task(name="pack", throws=(KeyError,))(lambda: None)

    twin = stand_in(app, describe(before), before)

    assert (KeyError,) == twin.throws


def test_the_same_task_has_the_same_description(app: KernelQ) -> None:
    """So what did not change is known for that, and its object stays."""
    first = app.task(name="pack", rate_limit="3/m")(lambda: None)
    second = KernelQ("second").task(name="pack", rate_limit="3/m")(lambda: None)
    other = KernelQ("third").task(name="pack", rate_limit="4/m")(lambda: None)

    assert describe(first) == describe(second)
    assert describe(first) != describe(other)
    assert describe(first) == describe(stand_in(app, describe(first), first))


def test_a_stand_in_cannot_be_run(app: KernelQ) -> None:
    twin = stand_in(app, describe(app.task(name="pack")(lambda: None)))

    with pytest.raises(RuntimeError, match="pack was loaded by the worker's hosts"):
        twin()
