"""The state of a cluster: Celery's rules, held side by side with Celery's own."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from celery.events.state import State as CelerysState
from hypothesis import given
from hypothesis import strategies as st

from kernelq.events.state import EVENTS_PER_TASK, State

NOW = time.time()


@pytest.fixture(autouse=True)
def at_present() -> None:
    """Let each test begin now, though it was collected long ago."""
    global NOW  # noqa: PLW0603 - what `event` makes has one time in each test
    NOW = time.time()


def event(type: str, clock: int = 1, hostname: str = "w1@h", **fields: Any) -> dict[str, Any]:
    at = fields.pop("timestamp", NOW + clock / 1000)
    return {
        "type": type, "hostname": hostname, "pid": 7, "clock": clock, "utcoffset": 0, "timestamp": at,
        "local_received": at, **fields,
    }  # fmt: skip


def life(uuid: str = "t1", **more: Any) -> list[dict[str, Any]]:
    """The events of a task that goes well, in order."""
    return [
        event("task-sent", 1, "gen9@c", uuid=uuid, name="add", args="(1,)", kwargs="{}", queue="celery", **more),
        event("task-received", 2, uuid=uuid, name="add", args="(1,)", kwargs="{}", retries=0, **more),
        event("task-started", 3, uuid=uuid),
        event("task-succeeded", 4, uuid=uuid, result="3", runtime=0.25),
    ]


def test_a_task_goes_through_its_states():
    state = State()
    seen = []
    for one in life():
        state.event(one)
        seen.append(state.tasks["t1"].state)

    task = state.tasks["t1"]
    assert ["PENDING", "RECEIVED", "STARTED", "SUCCESS"] == seen
    assert ("add", "3", 0.25, "gen9@c", "w1@h") == (
        task.name, task.result, task.runtime, task.client, task.worker.hostname,
    )  # fmt: skip
    assert [NOW + n / 1000 for n in (1, 2, 3, 4)] == [task.sent, task.received, task.started, task.succeeded]
    assert "celery" == task.queue
    assert task.ready
    assert (4, 1) == (state.event_count, state.task_count)


def test_a_late_received_adds_what_only_it_knows_and_takes_nothing_back():
    state = State()
    *_, received, started, succeeded = life()
    for one in (started, succeeded, {**received, "clock": 1}):
        state.event(one)

    task = state.tasks["t1"]
    assert ("SUCCESS", "add", "(1,)", "3") == (task.state, task.name, task.args, task.result)
    assert {task} == set(state.tasks_by_type["add"])


KINDS = ("sent", "received", "started", "succeeded", "failed", "retried", "revoked", "rejected", "progress")
SAME = ("state", "name", "args", "result", "exception", "received", "started", "succeeded", "failed", "retries")


@given(st.lists(st.tuples(st.sampled_from(KINDS), st.sampled_from("ab"), st.integers(1, 30)), max_size=12))
def test_it_says_what_celerys_says_of_any_events_in_any_order(drawn):
    """Every field that an event may set, the order by clock, and who has which task."""
    ours, theirs = State(), CelerysState()
    for number, (kind, uuid, clock) in enumerate(drawn):
        fields = {
            "received": {"name": f"n{number}", "args": f"({number},)", "retries": number},
            "sent": {"name": f"n{number}", "args": f"({number},)"},
            "succeeded": {"result": str(number)},
            "failed": {"exception": str(number)},
        }.get(kind, {})
        for each in (ours, theirs):
            each.event(event(f"task-{kind}", clock, uuid=uuid, **fields))

    for uuid, expected in theirs.tasks.items():
        task = ours.tasks[uuid]
        assert {name: getattr(expected, name) for name in SAME} == {name: getattr(task, name) for name in SAME}
        assert getattr(expected.worker, "hostname", None) == getattr(task.worker, "hostname", None)
    assert [uuid for uuid, _ in theirs.tasks_by_time()] == [uuid for uuid, _ in ours.tasks_by_time()]
    assert theirs.task_count == ours.task_count


def test_a_worker_lives_for_twice_its_interval():
    state = State()
    state.event(event("worker-heartbeat", timestamp=NOW, freq=1000.0, active=2, processed=9, loadavg=[1, 2, 3]))
    state.event(event("worker-heartbeat", hostname="old@h", timestamp=NOW - 100, freq=2.0))

    worker = state.workers["w1@h"]
    assert [worker] == state.alive_workers()
    assert (NOW + 2000, 2, 9, "ONLINE") == (
        worker.heartbeat_expires, worker.active, worker.processed, worker.status_string,
    )  # fmt: skip
    assert "OFFLINE" == state.workers["old@h"].status_string


def test_a_task_event_is_a_sign_of_life_of_its_worker():
    state = State()
    state.event(event("task-started", uuid="t1"))

    assert ["w1@h"] == [worker.hostname for worker in state.alive_workers()]


def test_nodes_join_and_leave():
    told: list[tuple[str, str]] = []
    state = State(
        on_node_join=lambda worker: told.append(("join", worker.hostname)),
        on_node_leave=lambda worker: told.append(("leave", worker.hostname)),
    )
    for kind in ("online", "heartbeat", "offline", "offline"):
        state.event(event(f"worker-{kind}", freq=2.0))

    assert [("join", "w1@h"), ("leave", "w1@h"), ("leave", "w1@h")] == told
    assert {} == state.workers


def test_what_an_event_may_not_touch_is_kept_apart():
    """A field is data, whatever it is called."""
    state = State()
    state.event(event("worker-online", event="x", heartbeats="x", freq="soon", colour="blue"))
    state.event(event("task-received", uuid="t1", name="add", state="x", worker="x", children="x", info="x"))

    worker, task = state.workers["w1@h"], state.tasks["t1"]
    assert ("blue", 60, True) == (worker.colour, worker.freq, worker.alive)
    assert ("RECEIVED", "w1@h", {"name": "add"}) == (task.state, task.worker.hostname, task.info(["name"]))
    with pytest.raises(AttributeError, match="no event of this task had a field 'size'"):
        task.size  # noqa: B018 - the reading is what is tried


@pytest.mark.parametrize("lacking", ["uuid", "hostname", "timestamp", "clock", "local_received"])
def test_an_event_that_lacks_something_is_counted_and_passed_over(lacking):
    state = State()
    state.event({name: value for name, value in life()[1].items() if name != lacking})

    assert (1, 1, 0) == (state.event_count, state.malformed, len(state.tasks))


def test_children_find_their_parent_in_either_order():
    state = State()
    state.event(event("task-received", 1, uuid="early", name="c", parent_id="p"))
    state.event(event("task-received", 2, uuid="p", name="p"))
    state.event(event("task-received", 3, uuid="late", name="c", parent_id="p"))

    assert ["early", "late"] == sorted(child.uuid for child in state.tasks["p"].children)


def test_memory_is_bounded():
    state = State(max_tasks_in_memory=10, max_workers_in_memory=3)
    for number in range(200):
        for one in life(f"t{number}", parent_id=f"p{number}"):
            state.event({**one, "clock": number + 1})
        state.event(event("worker-heartbeat", number, f"w{number}@h", freq=2.0))

    assert [f"t{number}" for number in range(190, 200)] == list(state.tasks)
    assert 3 == len(state.workers)
    assert 10 == len(state.tasks_by_type["add"]) == len(state._orphans)
    assert 10 * EVENTS_PER_TASK * 5 // 4 >= len(state._heap)
    assert "t199" == next(state.tasks_by_timestamp())[0]


def test_indexes_are_mappings_and_functions():
    state = State()
    for number, name in enumerate(("add", "mul", "add"), 1):
        state.event(event("task-received", number, f"w{number}@h", uuid=f"t{number}", name=name))

    assert ["t3", "t1"] == [uuid for uuid, _ in state.tasks_by_type("add")]
    assert ["t1"] == [uuid for uuid, _ in state.tasks_by_type("add", limit=1, reverse=False)]
    assert ["t2"] == [uuid for uuid, _ in state.tasks_by_worker("w2@h")]
    assert ["add", "mul"] == state.task_types()
    assert set() == set(state.tasks_by_worker["nobody"])


def test_handlers_take_the_place_of_merging_and_the_callback_sees_all():
    seen: list[str] = []
    state = State(callback=lambda state, event: seen.append(event["type"]))
    state.handlers["task"] = lambda subject, event: f"mine: {subject}"

    assert ("mine: sent", "sent") == state.event(life()[0])
    assert state.event({"type": "order-placed"}) is None
    assert ["task-sent", "order-placed"] == seen
    assert {} == state.tasks


def test_done_tasks_are_forgotten_and_the_others_keep_their_order():
    state = State()
    for one in [*life("done"), *life("runs")[:3]]:
        state.event(one)
    state.clear_tasks()

    assert ["runs"] == list(state.tasks) == [uuid for uuid, _ in state.tasks_by_time()]
    state.clear(ready=False)
    assert (0, 0, 0) == (len(state.tasks), len(state.workers), state.event_count)


def test_freezing_returns_and_clears():
    state = State()
    for one in life():
        state.event(one)

    assert 1 == state.freeze_while(lambda: len(list(state.itertasks())), clear_after=True)
    assert [] == list(state.itertasks(limit=5))


def test_it_is_json():
    state = State()
    for one in [*life(), event("worker-online", 9, freq=2.0, sw_ident="kernelq")]:
        state.event(one)
    shown = json.loads(json.dumps(state.as_dict()))

    assert ("add", "w1@h", "celery") == tuple(shown["tasks"]["t1"][name] for name in ("name", "worker", "queue"))
    assert "kernelq" == shown["workers"]["w1@h"]["sw_ident"]
