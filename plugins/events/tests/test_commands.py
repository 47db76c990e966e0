"""The commands answer in Celery's words."""

from __future__ import annotations

import pytest

from kernelq.keys import EVENTS, REQUESTS
from kernelq_events.commands import disable_events, enable_events, heartbeat
from kernelq_events.dispatching import EventDispatcher
from kernelq_testkit import ControlCommandConformance


class Commands(ControlCommandConformance):
    @pytest.fixture
    def values(self, dispatching):
        return dict(dispatching)


class TestEnable(Commands):
    @pytest.fixture
    def command(self):
        return enable_events


class TestDisable(Commands):
    @pytest.fixture
    def command(self):
        return disable_events


class TestHeartbeat(Commands):
    @pytest.fixture
    def command(self):
        return heartbeat


def test_events_of_tasks_are_switched(dispatching):
    answers = [command(dispatching)["ok"] for command in (enable_events, enable_events, disable_events, disable_events)]

    assert [
        "task events enabled", "task events already enabled", "task events disabled", "task events already disabled",
    ] == answers  # fmt: skip
    assert [] == dispatching[REQUESTS].watchers


def test_a_broker_that_nobody_can_listen_at_is_told(make_scene, make_context, monkeypatch):
    app = make_scene().app
    monkeypatch.setattr(app.transport, "capabilities", frozenset())
    context = make_context(app)
    EventDispatcher().start(context)

    assert "memory:// has no fan-out" in enable_events(context)["error"]
    assert False is context[EVENTS].enabled


def test_a_heartbeat_comes_at_once(dispatching, waiting):
    assert None is heartbeat(dispatching)

    [(key, (event,))] = waiting()
    assert ("worker.heartbeat", "worker-heartbeat", "w1@h", 2.0) == (
        key, event["type"], event["hostname"], event["freq"],
    )  # fmt: skip
