from __future__ import annotations

import pytest
from kombu.transport.virtual.exchange import TopicExchange

from kernelq.conf import Conf
from kernelq_redis.bindings import bind, entity, key_to_pattern, routed
from kernelq_redis.keys import Keys

SEP = "\x06\x16"


def test_a_queue_is_bound_as_celery_binds_it():
    """By a direct exchange of its own name, unless the settings say otherwise."""
    assert [("p:_kombu.binding.q", f"q{SEP}{SEP}q"), ("p:kq:queues", "q")] == bind(Keys("p:"), None, "q")
    given = {"t": {"exchange": "x", "exchange_type": "topic", "routing_key": "a.#"}}
    conf = Conf(task_queues=given)
    assert ("_kombu.binding.x", f"a.#{SEP}^a\\..*?${SEP}t") == bind(Keys(), conf, "t")[0]
    assert ("other", "direct", "other") == (lambda q: (q.exchange, q.exchange_type, q.routing_key))(
        entity(conf, "other")
    )


@pytest.mark.parametrize("key", ["a", "a.b", "*.b", "a.#", "#", "a.*.#.c"])
def test_patterns_are_kombus(key):
    assert TopicExchange(None).key_to_pattern(key) == key_to_pattern(key)


@pytest.mark.parametrize(
    ("bound", "key", "fits"),
    [
        ("a.b", "a.b", True), ("a.*", "a.b", True), ("a.*", "a.b.c", False), ("a.#", "a", True), ("a.#", "a.b.c", True),
        ("#", "", True), ("#.c", "a.b.c", True), ("#.c", "a.b.d", False), ("*.*", "a", False), ("a.#.#.c", "a.c", True),
    ],
)  # fmt: skip
def test_topics(bound, key, fits):
    """A star is one word, a hash any number."""
    assert (["q"] if fits else []) == routed([f"{bound}{SEP}pattern{SEP}q".encode()], key)


def test_direct_bindings_and_what_is_none():
    members = [f"k{SEP}{SEP}b", f"k{SEP}{SEP}a", f"other{SEP}{SEP}c", f"k{SEP}{SEP}", "k", "\xff"]
    assert ["a", "b"] == routed([one.encode("latin-1") for one in members], "k")


def test_a_hostile_pattern_costs_little():
    """Kombu's regular expressions are not run."""
    member = f"{'.'.join('#' * 500)}{SEP}^(a+)+$${SEP}q".encode()
    assert ["q"] == routed([member], ".".join("a" * 500))
