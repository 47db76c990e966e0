"""Events go into the state."""

from __future__ import annotations

import pytest

from kernelq import KernelQ
from kernelq.kernel.errors import BrokerUnreachable
from kernelq_monitor.summary import summary
from kernelq_monitor.view import live
from kernelq_monitor.watch import Watch
from kernelq_testkit.waiting import eventually


def test_it_asks_workers_for_a_heartbeat_and_follows_their_events(scene, watch):
    assert ("heartbeat", {}) in scene.commands
    assert {"aaa": "SUCCESS", "bbb": "FAILURE", "ccc": "STARTED"} == {
        uuid: task.state for uuid, task in watch.state.tasks.items()
    }
    assert (3, 1) == (watch.counts["task-received"], watch.counts["worker-online"])


def test_it_can_be_stopped_twice_and_before_it_began(cluster):
    watch = Watch(cluster.app)
    watch.stop()
    watch.stop()
    assert not watch.connected


def test_the_summary_tells_how_many_and_what_is_amiss(scene, watch):
    assert "1/1 workers   3 tasks received" in summary(watch).plain
    watch.stop()
    assert summary(watch).plain.endswith("the broker is away")


def test_a_worker_that_tells_nothing_of_its_tasks_is_noticed(cluster, watch):
    cluster.send("worker-online", freq=1000.0)
    eventually(lambda: watch.state.workers, 30, wanted="a worker")

    assert summary(watch).plain.endswith("e asks workers for them")


def test_without_a_broker_the_view_does_not_open():
    with (
        KernelQ("t", broker="redis://127.0.0.1:1/0", broker_connection_timeout=0.5) as app,
        pytest.raises(BrokerUnreachable),
    ):
        live(app)
