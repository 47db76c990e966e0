"""What is wrong in a message harms nobody but itself: it ends in the dead set, with the reason, or runs after all."""

from __future__ import annotations

import fault_tasks
import malformed
import pytest
import raw_publish

from kernelq_testkit import eventually

TASK = """

@app.task
def record(key):
    if isinstance(key, str) and key.isprintable() and " " not in key:
        note("end", key)
    return str(key)[:100]
"""
BAD_NEWS = ("lost its host", "internal error", "it is replaced", "again in", "Error in timer", "FrameError")
ENDED = ("SUCCESS", "FAILURE", "REVOKED")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_corpus_of_malformed_messages_stops_nobody(broker, scene_on, figure, tmp_path):
    """All good tasks between them run, each bad one has an end that can be looked up, and no process has died of it."""
    scene = scene_on()
    (tmp_path / "tasks.py").write_text(fault_tasks.SOURCE + TASK)
    publisher = raw_publish.BY_BROKER[type(broker).__name__](scene)
    corpus = malformed.Corpus(str(tmp_path / "witness"))
    scene.send("record", "good-first")
    cases, goods = [], ["good-first"]
    for number in range(0, len(corpus.cases), 20):
        cases += publisher.cases(corpus.cases[number : number + 20])
        goods.append(f"good-{number}")
        scene.send("record", goods[-1])
    raws = publisher.raw(malformed.envelopes())
    worker = scene.start("prefork", "-c", "2", "task_unknown_ttl=0")
    scene.send("record", "good-last")
    goods.append("good-last")
    keys = {case.key for case in cases}

    def waits():
        ended = set(scene.ledger.keys("end"))
        return [one for one in goods if one not in ended]

    scene.until(lambda: not waits(), "the good tasks", 240)
    scene.until(scene.empty, "the queue to be empty", 120, look=0.2)
    eventually(lambda: _all_ended(scene, cases), 60)

    letters = scene.app.transport.admin().dead(limit=1000)
    dead = [letter for letter in letters if letter.properties.get("message_id") in keys]
    figure("malformed: sent, buried, not even messages", f"{len(cases)} {len(dead)} {len(raws)}")
    assert len(cases) >= 100
    assert [] == [letter.id for letter in letters if len(letter.reason) < 10], "each has a reason"
    assert worker.process.poll() is None
    assert [] == [line for line in worker.log().splitlines() if any(bad in line for bad in BAD_NEWS)]
    assert not (tmp_path / "witness").exists(), "no pickle was loaded"
    worker.signal()
    assert 0 == worker.exit_code()


def _all_ended(scene, cases):
    assert [] == _unended(scene, cases)
    return True


def _unended(scene, cases):
    """Return the names of the cases that are neither buried nor have run."""
    letters = scene.app.transport.admin().dead(limit=1000)
    buried = {letter.properties.get("message_id") for letter in letters}
    unread = b"".join(bytes(letter.body) for letter in letters if "message_id" not in letter.properties)
    ran = set(scene.ledger.keys("end"))
    left = [case for case in cases if case.key not in buried and case.key not in ran]
    left = [case for case in left if f'"{case.key}"'.encode() not in unread]
    return [case.name for case in left if not _stored(scene, case.id)]


def _stored(scene, task_id):
    return isinstance(task_id, str) and bool(task_id) and scene.app.AsyncResult(task_id).state in ENDED
