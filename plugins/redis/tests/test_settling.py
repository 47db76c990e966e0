"""Settlements become few commands."""

from __future__ import annotations

import hiredis
import pytest

from kernelq.delivery import Delivery, Settlement, Verdict
from kernelq.outcome import Record
from kernelq_redis.keys import Keys
from kernelq_redis.results import Layout
from kernelq_redis.scripts import ACK, ACK_AND_STORE, SETTLE
from kernelq_redis.settling import commands

NAMES = {script.alone.sha: script.alone.name for script in (ACK, ACK_AND_STORE, SETTLE)}


def delivery(tag, queue="q", deliveries=1):
    return Delivery(tag, queue, {}, b"", {}, deliveries=deliveries)


def sent(*batch, layout=None):
    """Return the script, the words after its keys, and the tags of each command."""
    found = []
    for packed, tags in commands(Keys(""), layout, "c", batch):
        reader = hiredis.Reader()
        reader.feed(packed)
        words = reader.gets()
        found.append((NAMES[words[1]], words[3 + int(words[2]) :], tags))
    return found


def record(task_id, size=0):
    return Record(task_id, "SUCCESS", b'{"status": "SUCCESS"' + b" " * size + b"}", 10)


def test_acknowledgements_are_one_command():
    """Of one queue; of two queues they are two."""
    assert [("ack", [b"c", b"1", b"2"], [1, 2])] == sent(*[Settlement(delivery(tag), Verdict.ACK) for tag in (1, 2)])
    assert [[1], [2]] == [
        tags for _, _, tags in sent(*[Settlement(delivery(tag, f"q{tag}"), Verdict.ACK) for tag in (1, 2)])
    ]


def test_results_go_with_their_acknowledgements():
    """Only where the lane stores them."""
    batch = [Settlement(delivery(tag), Verdict.ACK, record=record(f"t{tag}")) for tag in (1, 2)]
    assert ["ack"] == [name for name, _, _ in sent(*batch)]
    ((name, words, tags),) = sent(*batch, layout=Layout(None))
    assert ("ack_and_store", [1, 2]) == (name, tags)
    assert [b"c", b"1", batch[0].record.payload, b"10000", b""] == words[:5]


def test_what_goes_back_is_pushed_newest_first():
    """So that the oldest is the next to be taken, in whatever order it was settled."""
    batch = [Settlement(delivery(tag), Verdict.REQUEUE) for tag in (8, 4, 12)]
    assert [[12, 8, 4]] == [tags for _, _, tags in sent(*batch)]


def test_a_redelivered_message_takes_the_long_way():
    """Its count must go too."""
    assert ["settle"] == [name for name, _, _ in sent(Settlement(delivery(4, deliveries=2), Verdict.ACK))]


@pytest.mark.parametrize("verdict", [Verdict.ACK, Verdict.REQUEUE])
def test_large_batches_are_parted(verdict):
    """No script keeps the server busy for long."""
    batch = [Settlement(delivery(tag), verdict) for tag in range(600)]
    assert [250, 250, 100] == [len(tags) for _, _, tags in sent(*batch)]


def test_large_results_are_parted():
    """By their bytes."""
    batch = [Settlement(delivery(tag), Verdict.ACK, record=record("t", 3_000_000)) for tag in range(5)]
    assert [2, 2, 1] == [len(tags) for _, _, tags in sent(*batch, layout=Layout(None))]
