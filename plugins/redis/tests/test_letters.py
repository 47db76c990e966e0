from __future__ import annotations

import json

from kernelq_redis.envelope import encode, fingerprint
from kernelq_redis.letters import letter, step_in
from kernelq_testkit.messages import message


def test_a_message_with_its_note():
    sent = message("q", priority=9)
    raw = encode(sent)
    shown = letter(raw, "q", b"12.5\n3\nfirst\nsecond")
    assert (fingerprint(raw), sent.id, "kit.task", "q") == (shown.id, shown.task_id, shown.task, shown.queue)
    assert (12.5, 3, "first\nsecond", sent.body) == (shown.buried_at, shown.deliveries, shown.reason, shown.body)
    assert 0 == step_in(raw, "q")
    assert 9 == step_in(encode(message("q")), "q")


def test_notes_that_are_none():
    """Nothing hides a message."""
    for note in (None, b"", b"x\ny\nz", b"\xff"):
        assert (0.0, 1) == (lambda one: (one.buried_at, one.deliveries))(letter(b"{}", "q", note))


def test_a_message_that_cannot_be_read():
    """Its bytes are the body; the reason tells why where the note does not."""
    shown = letter(b"no", "q", b"1\n1\n")
    assert (b"no", "", "") == (shown.body, shown.task, shown.task_id)
    assert "JSON" in shown.reason
    assert 0 == step_in(b"no", "q")
    strange = json.dumps({"body": "", "headers": {"id": 5, "task": ["x"]}, "properties": {"priority": "x"}}).encode()
    assert ("5", "['x']") == (lambda one: (one.task_id, one.task))(letter(strange, "q", None))
