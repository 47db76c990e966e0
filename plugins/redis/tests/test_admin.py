from __future__ import annotations

import json

import pytest
from kombu import entity

from kernelq_redis import admin as module
from kernelq_redis.transport import RedisTransport
from kernelq_testkit.messages import message, messages


@pytest.fixture
def transport(url, settings):
    return RedisTransport(url, settings)


@pytest.fixture
def admin(transport):
    return transport.admin()


@pytest.fixture
def send(transport):
    sender = transport.sender()
    yield lambda *sent: sender.publish_many(sent)
    sender.close()


def bury(client, prefix, queue, raw, note):
    from kernelq_redis.envelope import fingerprint

    client.lpush(f"{prefix}{queue}.dlq", raw)
    if note is not None:
        client.hset(f"{prefix}kq:dl:{{{queue}}}", fingerprint(raw), note)
    return fingerprint(raw)


def test_counts_of_every_queue(admin, send, client, prefix):
    """Ready over all priorities, in flight over all consumers and landing lists, delayed, dead; by name."""
    send(*messages("b", 3), message("b", priority=9), message("a", eta=4e9))
    client.hset(f"{prefix}kq:alive:{{b}}", mapping={"one": 1, "two": 1})
    client.hset(f"{prefix}kq:u:{{b}}:one", mapping={"1": "x", "2": "y"})
    client.lpush(f"{prefix}kq:in:{{b}}:two", "x")
    client.lpush(f"{prefix}kq:in:{{b}}:two\x06\x169", "x")
    bury(client, prefix, "b", b"x", "1\n1\nwhy")
    a, b = admin.queues()
    assert ("a", 0, 0, 1, 0) == (a.name, a.ready, a.in_flight, a.delayed, a.dead)
    assert ("b", 4, 4, 0, 1) == (b.name, b.ready, b.in_flight, b.delayed, b.dead)


def test_queues_that_celery_bound(admin, transport, client, prefix):
    """kombu's bindings tell of them; those of control commands, replies and events are left out."""
    sep = "\x06\x16"
    for exchange, queue in (("x", "theirs"), ("celery.pidbox", "c"), ("reply.celery.pidbox", "r"), ("celeryev", "e")):
        client.sadd(f"{prefix}_kombu.binding.{exchange}", f"key{sep}{sep}{queue}")
    assert ["theirs"] == [info.name for info in admin.queues()]
    with transport.connection() as connection:
        entity.Queue("kombus", entity.Exchange("kx"), "kombus", channel=connection.channel()).declare()
    assert ["kombus", "theirs"] == [info.name for info in admin.queues()]


def test_the_default_queue_without_any_binding(admin, client, prefix):
    """A bare LPUSH by someone else is seen."""
    assert [] == admin.queues()
    client.lpush(f"{prefix}celery", "x")
    assert [("celery", 1)] == [(info.name, info.ready) for info in admin.queues()]


def test_a_prefix_with_signs_of_patterns(url, settings, client, prefix):
    """It means itself where kombu's tables are looked for."""
    settings.broker_transport_options["global_keyprefix"] = odd = f"{prefix}*[a]?"
    client.sadd(f"{odd}_kombu.binding.x", "key\x06\x16\x06\x16mine")
    client.sadd(f"{prefix}other_kombu.binding.x", "key\x06\x16\x06\x16other")
    assert ["mine"] == [info.name for info in RedisTransport(url, settings).admin().queues()]


def test_purge_drops_all_that_waits(admin, send, client, prefix):
    """Ready and delayed, of all priorities; what is in flight and what is dead stays."""
    send(*messages("q", 2), message("q", priority=9), message("q", eta=4e9), message("other"))
    client.hset(f"{prefix}kq:u:{{q}}:one", "1", "x")
    assert 4 == admin.purge("q")
    assert 0 == admin.purge("q")
    assert [("other", 1), ("q", 0)] == [(info.name, info.ready + info.delayed) for info in admin.queues()]
    assert client.exists(f"{prefix}kq:u:{{q}}:one")


def test_what_was_buried_is_shown_newest_first(admin, send, client, prefix):
    """Of one queue, or of all by time, with cause and count; what cannot be read is shown too."""
    send(message("a"), message("b"))
    raws = {name: client.rpop(f"{prefix}{name}\x06\x169") for name in "ab"}
    bury(client, prefix, "a", raws["a"], "100.5\n3\nbecause\nof this")
    bury(client, prefix, "a", b"no message", "200\n1\n")
    bury(client, prefix, "b", raws["b"], "150\n2\nb's")
    assert [200.0, 150.0, 100.5] == [letter.buried_at for letter in admin.dead()]
    unreadable, first = admin.dead("a")
    assert ("because\nof this", 3, "kit.task") == (first.reason, first.deliveries, first.task)
    assert (b"no message", "") == (unreadable.body, unreadable.task)
    assert "JSON" in unreadable.reason
    assert [unreadable.id] == [letter.id for letter in admin.dead("a", 1)]
    assert [] == admin.dead("a", 0)


def test_a_letter_without_a_note(admin, client, prefix):
    """Another program's dead list, or a note that was lost, hides no message."""
    client.sadd(f"{prefix}kq:queues", "q")
    ident = bury(client, prefix, "q", b'{"body": "", "headers": {"id": "x"}, "properties": {}}', None)
    assert ("x", 0.0, 1) == (lambda one: (one.task_id, one.buried_at, one.deliveries))(admin.dead_letter(ident))
    assert 1 == admin.drop([ident])
    assert admin.dead_letter(ident) is None


def test_replay_goes_to_the_end_of_its_priority(admin, send, client, prefix):
    """Without its mark and its count, so it is as new."""
    send(message("q", priority=9), message("q", id="later"))
    raw = client.rpop(f"{prefix}q") + b" "
    ident = bury(client, prefix, "q", raw, "1\n3\nwhy")
    client.hset(f"{prefix}kq:rd:{{q}}", ident, 3)
    client.lpush(f"{prefix}q", "before")
    assert 1 == admin.replay([ident, "unknown"])
    assert [raw[:-1], b"before"] == client.lrange(f"{prefix}q", 0, -1)
    assert [] == admin.dead()
    assert 0 == client.hlen(f"{prefix}kq:dl:{{q}}") + client.hlen(f"{prefix}kq:rd:{{q}}")
    assert 0 == admin.replay([]) + admin.drop([])


def test_many_letters_are_read_in_parts(admin, client, prefix, monkeypatch):
    monkeypatch.setattr(module, "AT_ONCE", 2)
    client.sadd(f"{prefix}kq:queues", "q")
    idents = [bury(client, prefix, "q", json.dumps(n).encode(), f"{n}\n1\nwhy") for n in range(5)]
    assert 4 == admin.drop([*idents[:2], *idents[3:]])
    assert [idents[2]] == [letter.id for letter in admin.dead()]


def test_nothing_stays_open(admin, client, prefix):
    """Every call closes what it opened."""
    admin.queues()
    admin.dead()
    mine = [one for one in client.client_list() if one["name"] == "kernelq-admin"]
    # Others may look at their queues at the same time: theirs come and go.
    assert all(int(one["age"]) < 30 for one in mine)
