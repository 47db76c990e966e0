"""Settings that two imports of the same app have."""

from __future__ import annotations

import pytest

from kernelq.conf import Conf
from kernelq_autoreload import reported


@pytest.fixture
def conf() -> Conf:
    """The supervisor's settings, some of them from the command line."""
    conf = Conf()
    conf.update({"task_acks_late": True, "broker_url": "redis://:secret@host/0"}, source="the app's arguments")
    conf.update({"task_time_limit": 5.0, "worker_concurrency": 4}, source="command line")
    return conf


def test_what_an_import_would_not_set_is_handed_over(conf: Conf) -> None:
    """Else the new process would have other limits than the worker."""
    assert {"task_time_limit": 5.0, "worker_concurrency": 4} == reported.given(conf)


def test_a_report_holds_no_secret(conf: Conf) -> None:
    assert "secret" not in str(reported.report(conf))


def test_what_has_changed_is_told(conf: Conf) -> None:
    """By value where the worker takes it over; by a digest, which is another, where it does not."""
    new = Conf()
    new.update({"task_acks_late": False, "broker_url": "redis://:secret@host/1"}, source="the app's arguments")

    difference = reported.difference(conf, reported.report(new))

    assert {"task_acks_late", "broker_url"} == set(difference)
    assert difference["task_acks_late"] is False


def test_what_was_typed_is_no_difference(conf: Conf) -> None:
    """The app's own value of it may change as it likes."""
    new = Conf()
    new.update({"task_acks_late": True, "broker_url": "redis://:secret@host/0", "task_time_limit": 9.0}, source="code")

    assert {} == reported.difference(conf, reported.report(new))


def test_what_a_running_worker_can_take_over_is_set(conf: Conf) -> None:
    """The names of the rest are for the log."""
    left = reported.apply(conf, {"task_acks_late": False, "broker_url": "x", "timezone": "y"}, "autoreload")

    assert ["broker_url", "timezone"] == left
    assert not conf.task_acks_late
    assert "autoreload" == conf.source("task_acks_late")


def test_values_that_no_two_processes_can_compare_are_left_out(conf: Conf) -> None:
    conf.update({"task_routes": lambda *args: None}, source="code")

    assert "task_routes" not in reported.report(conf)
