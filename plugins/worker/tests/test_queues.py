"""The queues that are consumed."""

from __future__ import annotations

import pytest

from kernelq.conf import Conf
from kernelq.kernel.errors import ConfigurationError
from kernelq_worker.queues import Queues, select

WANTED_BY_FLOWER = {
    "name", "exchange", "exclusive", "durable", "routing_key", "no_ack", "alias", "queue_arguments",
    "binding_arguments", "auto_delete",
}  # fmt: skip


def test_the_default_queue_alone() -> None:
    assert ["celery"] == select(Conf()).names()


def test_selection_keeps_the_order_that_was_typed() -> None:
    conf = Conf(task_queues=["a", "b", "c"])

    assert ["c", "a"] == select(conf, ["c", "a"]).names()
    assert ["a", "c"] == select(conf, without=["b"]).names()


def test_a_missing_queue_is_refused_where_none_may_be_made() -> None:
    conf = Conf(task_queues=["emails"], task_create_missing_queues=False)

    with pytest.raises(ConfigurationError, match="Did you mean 'emails'"):
        select(conf, ["email"])


def test_no_queue_left_is_told() -> None:
    with pytest.raises(ConfigurationError, match="-X"):
        select(Conf(), without=["celery"])


def test_queues_come_and_go() -> None:
    queues = select(Conf())

    queues.add("more")
    queues.add("more")
    queues.cancel("celery")

    assert ["more"] == queues.names()
    with pytest.raises(KeyError):
        queues.cancel("celery")


def test_they_are_shown_as_flower_reads_them() -> None:
    shown = select(Conf()).as_dicts()[0]

    assert set(shown) >= WANTED_BY_FLOWER
    assert "celery" == shown["name"]


class Lane:
    """A lane that notes what it was told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def add_queue(self, name: str) -> None:
        self.told.append(f"+{name}")

    def cancel_queue(self, name: str) -> None:
        self.told.append(f"-{name}")


def test_paused_queues_are_left_alone_on_every_lane_until_they_are_resumed() -> None:
    queues, lane, next_lane = Queues({"a": {}, "b": {}}), Lane(), Lane()
    queues.pause(["b", "elsewhere"])
    queues.attach(lane)  # type: ignore[arg-type]  # all that it is told
    assert ["-b"] == lane.told

    queues.pause(["a", "b"])
    queues.pause(["a", "b"])
    assert ["-b", "-a"] == lane.told

    queues.attach(next_lane)  # type: ignore[arg-type]  # as above
    queues.pause([])
    assert {"-a", "-b", "+a", "+b"} == set(next_lane.told)
    assert ["a", "b"] == queues.names()


def test_a_paused_queue_can_be_added_and_is_consumed_when_it_is_resumed() -> None:
    queues, lane = Queues({"a": {}}), Lane()
    queues.attach(lane)  # type: ignore[arg-type]  # all that it is told
    queues.pause(["mail"])

    queues.add("mail")
    assert [] == lane.told
    queues.pause([])
    assert ["+mail"] == lane.told
