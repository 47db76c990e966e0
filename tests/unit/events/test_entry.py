"""`app.events`."""

from __future__ import annotations

from kernelq.events.receiver import Receiver
from kernelq.events.state import State
from kernelq_testkit.waiting import eventually


def test_it_makes_what_watches(memory):
    events = memory.app.events

    assert events is memory.app.events
    assert isinstance(events.Receiver(), Receiver)
    state = events.State(max_tasks_in_memory=7)
    assert (State, 7) == (type(state), state.max_tasks_in_memory)


def test_a_receiver_takes_the_queues_settings_or_its_own(memory):
    memory.app.conf.update(event_queue_ttl=1.5, event_queue_prefix="watch")
    with memory.app.transport.connection() as connection:
        queue = memory.app.events.Receiver(node_id="me", queue_expires=9)._queue(connection)

    assert ("watch.me", 1.5, 9, True) == (queue.name, queue.message_ttl, queue.expires, queue.auto_delete)


def test_what_it_sends_it_receives(cluster):
    """On every broker, its own dispatcher as well as Celery's."""
    seen: list[str] = []
    receiver = cluster.app.events.Receiver(handlers={"*": lambda event: seen.append(event["type"])})
    with cluster.capturing(receiver), cluster.app.events.default_dispatcher("w1@h") as dispatcher:
        dispatcher.send("worker-online", freq=2.0)
        dispatcher.send("task-started", uuid="t1")
        eventually(lambda: seen[1:], 30, wanted="two events")

    assert ["worker-online", "task-started"] == seen
