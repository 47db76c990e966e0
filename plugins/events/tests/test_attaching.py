"""Events go out while the consumer stands."""

from __future__ import annotations

import pytest

from kernelq.keys import APP, CONNECTION, EVENTS, WORKER
from kernelq_events.attaching import Events
from kernelq_events.keys import COURIER
from kernelq_testkit.step import StepConformance
from kernelq_testkit.waiting import eventually


class TestStep(StepConformance):
    @pytest.fixture
    def step(self):
        return Events

    @pytest.fixture
    def settings(self, dispatching):
        return dispatching[APP].conf

    @pytest.fixture
    def values(self, dispatching):
        return {key: dispatching[key] for key in (WORKER, CONNECTION, EVENTS, COURIER)}


def test_what_is_sent_between_two_connections_is_kept(dispatching):
    events, backlog = dispatching[EVENTS], dispatching[EVENTS]._backlog
    step = Events()
    step.start(dispatching)
    events.send("x-a")
    eventually(lambda: not len(backlog), 30, wanted="an event that is gone")
    step.stop(dispatching)
    eventually(lambda: dispatching[COURIER]._outlet is None, 30, wanted="a connection that is closed")
    events.send("x-b")
    assert 1 == len(backlog)

    Events().start(dispatching)
    eventually(lambda: not len(backlog), 30, wanted="an event that is gone")


def test_the_last_events_of_a_worker_that_ends_still_go_out(dispatching):
    step = Events()
    step.start(dispatching)
    dispatching[WORKER].stopping = "warm"
    step.stop(dispatching)
    dispatching[EVENTS].send("x-a")

    eventually(lambda: not len(dispatching[EVENTS]._backlog), 30, wanted="an event that is gone")
