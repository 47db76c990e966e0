"""What is sent is collected, and told apart."""

from __future__ import annotations

from typing import Any

import pytest

from kernelq.kernel.keys import Context
from kernelq.keys import APP, EVENTS, REQUESTS, TRANSPORT, WORKER
from kernelq_events.dispatching import EventDispatcher
from kernelq_events.records import Started
from kernelq_testkit.step import StepConformance


class TestStep(StepConformance):
    @pytest.fixture
    def step(self):
        return EventDispatcher

    @pytest.fixture
    def context(self, make_scene, make_context):
        return make_context(make_scene().app)

    @pytest.fixture
    def settings(self, context):
        return context[APP].conf

    @pytest.fixture
    def values(self, context):
        return {key: context[key] for key in (APP, WORKER, TRANSPORT, REQUESTS)}


def test_an_event_has_what_every_event_has(dispatching, waiting):
    dispatching[EVENTS].send("worker-elect", id="e1", cver=1)

    [(key, (event,))] = waiting()
    assert "worker.elect" == key
    assert ("worker-elect", "w1@h", 4711, "e1", 1) == tuple(
        event[name] for name in ("type", "hostname", "pid", "id", "cver")
    )
    assert dispatching[APP].clock.value == event["clock"]


def test_events_of_tasks_are_sent_once_they_are_enabled(dispatching, waiting):
    events = dispatching[EVENTS]
    events.send("task-progress", uuid="a")
    events.enable()
    events.send("task-progress", uuid="b")
    events.disable()
    events.send("task-progress", uuid="c")

    [(key, (event,))] = waiting()
    assert ("task.multi", "b") == (key, event["uuid"])


def test_to_be_told_of_tasks_is_asked_for_once(dispatching):
    events, requests = dispatching[EVENTS], dispatching[REQUESTS]

    assert [True, False] == [events.enable(), events.enable()]
    assert [events.announcer] == requests.watchers
    assert [True, False] == [events.disable(), events.disable()]
    assert [] == requests.watchers


def test_the_setting_enables_them_from_the_start(make_scene, make_context):
    context = make_context(make_scene(worker_send_task_events=True).app)
    step = EventDispatcher()
    step.start(context)

    assert context[EVENTS].enabled
    assert 1 == len(context[REQUESTS].watchers)
    step.stop(context)
    assert [] == context[REQUESTS].watchers


def test_other_serializers_are_given_plain_values(make_scene, make_context):
    context = make_context(make_scene(event_serializer="yaml").app)
    step = EventDispatcher()
    step.start(context)
    events: Any = context[EVENTS]
    events._emit([Started("w1@h", 0.0, 1, 2.0, 3, "a")])

    assert {
        "type": "task-started", "hostname": "w1@h", "utcoffset": 0.0, "pid": 1, "timestamp": 2.0, "clock": 3,
        "uuid": "a",
    } == events._backlog.take(1)[1][0]  # fmt: skip
    step.stop(context)


def test_where_nobody_can_listen_nothing_is_collected(make_scene, make_context, monkeypatch):
    app = make_scene(worker_send_task_events=True).app
    monkeypatch.setattr(app.transport, "capabilities", frozenset())
    context = make_context(app)
    step = EventDispatcher()
    step.start(context)
    context[EVENTS].send("worker-online")

    assert {"task_events": False, "audible": False, "sent": 0, "waiting": 0, "dropped": 0} == step.info(context)
    step.stop(context)


def test_the_step_tells_its_figures(make_scene, make_context):
    context = make_context(make_scene().app)
    step = EventDispatcher()
    assert {} == step.info(Context())
    step.start(context)
    context[EVENTS].send("x-a")

    assert {"task_events": False, "audible": True, "sent": 0, "waiting": 1, "dropped": 0} == step.info(context)
    step.stop(context)
    assert (0, 1) == (step.info(context)["waiting"], context[EVENTS].dropped), "it was never attached"
