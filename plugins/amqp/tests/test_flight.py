"""As few acknowledgements as are right."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernelq_amqp.flight import _ACK, Open


class Words:
    """What was said to the broker: (method, tag, bits)."""

    def __init__(self):
        self.said = []

    def write(self, frame):
        _, _, _, _, method, tag, bits, _ = _ACK.unpack(frame)
        self.said.append((method, tag, bits))


@pytest.fixture
def words():
    return Words()


def opened(words, count):
    tags = Open(words, SimpleNamespace(channel_id=1))
    for tag in range(1, count + 1):
        tags.add(tag)
    return tags


def test_all_that_came_are_one_word(words):
    """`multiple`, up to the last."""
    opened(words, 5).ack([2, 1, 3, 5, 4])
    assert [(80, 5, 1)] == words.said


def test_a_running_one_keeps_the_later_apart(words):
    """Those before it in one word, those after it each in one, until it is settled too."""
    tags = opened(words, 6)
    tags.ack([1, 2, 4, 6])
    assert [(80, 2, 1), (80, 4, 0), (80, 6, 0)] == words.said
    tags.ack([3, 5])
    assert (80, 5, 1) == words.said[-1]
    assert 0 == len(tags)


@given(st.permutations(range(1, 9)), st.lists(st.integers(1, 3), min_size=8, max_size=8))
def test_exactly_the_settled_are_acknowledged(order, sizes):
    """In whatever order and batches: what the broker would delete is what was settled, at each step."""
    words = Words()
    tags = opened(words, 8)
    left, deleted, settled = list(order), set(), set()
    for size in sizes:
        batch, left = left[:size], left[size:]
        if not batch:
            break
        words.said.clear()
        tags.ack(batch)
        settled |= set(batch)
        for _, tag, multiple in words.said:
            deleted |= set(range(1, tag + 1)) if multiple else {tag}
        assert settled == deleted


def test_what_is_given_back_is_not_acknowledged(words):
    """A later `multiple` may cover its tag, which the broker has forgotten by then."""
    tags = opened(words, 3)
    tags.give_back([1])
    tags.ack([2, 3])
    assert [(120, 1, 2), (80, 3, 1)] == words.said
