"""What a worker sees of the others."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kernelq.keys import EVENTS
from kernelq_gossip.gossip import Gossip
from kernelq_gossip.keys import GOSSIP
from kernelq_testkit import eventually


def test_others_join_and_leave(scene: Any, gossip: Gossip) -> None:
    cluster, seen = scene.context[GOSSIP], []
    cluster.on_join(lambda worker: seen.append(f"{worker.hostname} joined"))
    cluster.on_leave(lambda worker: seen.append(f"{worker.hostname} left"))

    scene.say("worker-heartbeat")
    scene.say("worker-online", "w3@test")
    assert ["w2@test", "w3@test"] == [worker.hostname for worker in cluster.members()]
    scene.say("worker-offline")

    assert ["w2@test joined", "w3@test joined", "w2@test left"] == seen
    info = gossip.info(scene.context)
    assert {"members": ["w3@test"], "joined": 2, "left": 1, "lost": 0}.items() <= info.items()
    json.dumps(info)


def test_who_is_silent_is_lost_and_forgotten(scene: Any, gossip: Gossip) -> None:
    cluster, lost = scene.context[GOSSIP], []
    cluster.on_lost(lambda worker: lost.append(worker.hostname))
    scene.say("worker-heartbeat")
    scene.say("worker-heartbeat", "w3@test")
    scene.silence(cluster.members()[0])

    cluster.drop_silent()
    cluster.drop_silent()

    assert ["w2@test"] == lost
    assert ["w3@test"] == [worker.hostname for worker in cluster.members()]


def test_a_function_that_raises_keeps_nobody_from_being_told(scene: Any, gossip: Gossip, caplog: Any) -> None:
    cluster, seen = scene.context[GOSSIP], []
    cluster.on_join(lambda worker: 1 / 0)
    cluster.on_join(lambda worker: seen.append(worker.hostname))

    scene.say("worker-online")

    assert ["w2@test"] == seen
    assert "ZeroDivisionError" in caplog.text


def test_the_clock_moves_beyond_that_of_others_and_by_one_for_our_own(scene: Any, gossip: Gossip) -> None:
    scene.say("worker-heartbeat", clock=500)
    assert 501 == scene.app.clock.value

    scene.say("worker-heartbeat", "w1@test", clock=900)
    assert 502 == scene.app.clock.value
    assert ["w2@test"] == [worker.hostname for worker in scene.context[GOSSIP].members()]


@pytest.mark.parametrize(
    "fields",
    [{"timestamp": float("inf")}, {"timestamp": float("nan")}, {"timestamp": None}, {"freq": "often"}, {"pid": {}},
     {"clock": "late"}, {"clock": -1}, {"alive": True, "heartbeats": 5, "hostname": "w3@test"}],
)  # fmt: skip
def test_fields_of_any_kind_end_nothing(scene: Any, gossip: Gossip, fields: dict[str, Any]) -> None:
    scene.say("worker-heartbeat", **{"hostname": "w2@test", "clock": 5, **fields})
    scene.say("worker-online", "w9@test")
    scene.context[GOSSIP].drop_silent()
    json.dumps(gossip.info(scene.context))

    assert "w9@test" in [worker.hostname for worker in scene.context[GOSSIP].members()]


def test_an_election_that_only_we_stand_for_is_ours(scene: Any, gossip: Gossip, counting_loop: Any) -> None:
    cluster, won = scene.context[GOSSIP], []
    cluster.on_election_won("report", won.append)

    cluster.election("e1", "report", {"day": 1})
    ((kind, fields),) = scene.sent
    assert ("worker-elect", {"id": "e1", "topic": "report", "action": {"day": 1}, "cver": 1}) == (kind, fields)
    scene.publish({**fields, "type": kind, "hostname": "w1@test", "pid": 1, "clock": 9}, "worker.elect")
    (timer,) = [one for one in counting_loop.timers if one.fun.__name__ == "_vote"]
    timer()
    assert ("worker-elect-ack", {"id": "e1"}) == scene.sent[-1]
    scene.say("worker-elect-ack", "w1@test", id="e1")

    assert [{"day": 1}] == won
    assert {"elections": 1, "won": 1}.items() <= gossip.info(scene.context).items()


def test_an_elected_task_is_sent(scene: Any, gossip: Gossip) -> None:
    scene.context[GOSSIP]._send_task({"task": "t.add", "args": [1], "kwargs": {}, "options": {}})

    assert eventually(lambda: [queue.ready for queue in scene.app.transport.admin().queues() if queue.ready])


@pytest.mark.parametrize("action", [None, "t.add", {"args": []}, {"task": 5}])
def test_what_is_no_signature_is_refused(scene: Any, gossip: Gossip, action: Any, caplog: Any) -> None:
    scene.context[GOSSIP]._send_task(action)

    assert "is a signature, not" in caplog.text


def test_without_events_nobody_can_be_elected(scene: Any) -> None:
    scene.context.discard(EVENTS)
    step = Gossip()
    step.start(scene.context)

    with pytest.raises(ValueError, match="pip install 'kernelq\\[events\\]'"):
        scene.context[GOSSIP].election("e1", "task", None)

    step.stop(scene.context)
