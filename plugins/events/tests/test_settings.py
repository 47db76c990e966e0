"""The plugin's settings and the options that set them."""

from __future__ import annotations

import pytest

from kernelq import KernelQ
from kernelq.kernel.errors import BadSetting
from kernelq_events.settings import EventsSettings
from kernelq_worker.flags import FlaggedCommand


def test_the_defaults_are_those_of_celery():
    with KernelQ("t") as app:
        wanted = app.conf.section(EventsSettings)

    assert (False, False, 2.0) == (
        wanted.worker_send_task_events, wanted.worker_without_heartbeat, wanted.worker_heartbeat_interval,
    )  # fmt: skip


@pytest.mark.parametrize("interval", [0.0, -1.0])
def test_an_interval_is_above_zero(interval):
    with pytest.raises(BadSetting, match="above 0"):
        KernelQ("t", worker_heartbeat_interval=interval).conf  # noqa: B018 - reading it checks


def test_the_options_are_celerys():
    known = {name: option.name for option in FlaggedCommand("worker")._declared for name in option.opts}

    assert {
        "-E": "worker_send_task_events", "--task-events": "worker_send_task_events",
        "--without-heartbeat": "worker_without_heartbeat", "--heartbeat-interval": "worker_heartbeat_interval",
    }.items() <= known.items()  # fmt: skip
