"""Key names are a wire format."""

from __future__ import annotations

import pytest

from kernelq_redis import consumer_id
from kernelq_redis.keys import (
    DEFAULT_STEP,
    STEPS,
    Keys,
    binding_member,
    delayed_member,
    entry_end,
    redis_priority,
    step_of,
)


def test_kombus_names():
    """The lists of a queue, the most urgent first, the table of an exchange, and its members."""
    keys = Keys("")
    assert ["celery", "celery\x06\x163", "celery\x06\x166", "celery\x06\x169"] == keys.lists("celery")
    assert "_kombu.binding.celery" == keys.binding("celery")
    assert "celery\x06\x16\x06\x16celery" == binding_member("celery", "", "celery")


def test_the_prefix_stands_before_every_key():
    """As kombu's ``global_keyprefix`` does, with nothing between."""
    keys = Keys("p-")
    names = [*keys.of("q", "c"), *keys.landings("q", "c"), keys.binding("e"), keys.queues, keys.unique("q", "k")]
    assert [] == [name for name in names if not name.startswith("p-")]
    assert "p-q\x06\x169" == keys.ready("q", DEFAULT_STEP)


def test_the_keys_of_a_queue_are_different():
    """Twelve of the scripts, and the landing lists."""
    keys = Keys("")
    names = [*keys.of("q", "c"), *keys.landings("q", "c")[::2]]
    assert 14 == len(set(names))


@pytest.mark.parametrize(("number", "step"), [(-5, 0), (0, 0), (2, 0), (3, 3), (5, 3), (8, 6), (9, 9), (77, 9)])
def test_priorities_are_rounded_down_to_a_step(number, step):
    """As kombu does."""
    assert step == step_of(number)


def test_the_most_urgent_is_nought_on_redis():
    """9 and 0 change places; what is beyond counts as the nearest."""
    assert [0, 9, 9, 0] == [redis_priority(number) for number in (9, 0, -1, 12)]
    assert DEFAULT_STEP == step_of(redis_priority(0))
    assert [0, 3, 6, 9] == list(STEPS)


def test_a_delayed_member_begins_with_its_step():
    """The script that makes it ready cuts it out."""
    assert "6:x" == delayed_member(6, "x")


def test_what_celery_may_rescue_is_in_kombus_keys():
    """With its prefix, and only where the consumer's name says so."""
    keys = Keys("p-")
    assert ["p-unacked", "p-unacked_index"] == keys.rescues(consumer_id.new(rescued=True))
    assert [] == keys.rescues(consumer_id.new())
    assert ',"","q"]' == entry_end("q")
