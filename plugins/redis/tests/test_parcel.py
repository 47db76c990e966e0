from __future__ import annotations

from kernelq_redis.durability import Durability
from kernelq_redis.keys import Keys
from kernelq_redis.location import locate
from kernelq_redis.parcel import WORDS, Item, Parcel
from kernelq_redis.wire import Wire


def parcel(prefix, *items, queues=()):
    return Parcel(
        Keys(prefix), list(items), lambda _: [("SADD", f"{prefix}known", *queues)] if queues else [], Durability
    )


def item(raw, queue="q", step=9, due=None):
    return Item(queue, step, raw.encode(), f"id-{raw}", due)


def test_one_list_is_one_command():
    """Values of a list go together in order, at most so many; declarations come first, the delayed last."""
    assert [("LPUSH", "p:q\x06\x169", b"a", b"b")] == parcel("p:", item("a"), item("b")).commands()
    several = parcel("p:", item("a"), item("z", due=12.5), item("b", "r", 0), item("c"), queues=["q"])
    assert [
        ("SADD", "p:known", "q"),
        ("LPUSH", "p:q\x06\x169", b"a", b"c"),
        ("LPUSH", "p:r", b"b"),
        ("HSET", "p:kq:zb:{q}", "9:id-z", b"z"),
        ("ZADD", "p:kq:z:{q}", "12.5", "9:id-z"),
    ] == several.commands()
    many = parcel("", *(item(str(n)) for n in range(WORDS + 1))).commands()
    assert [WORDS + 2, 3] == [len(command) for command in many]


def test_again_does_it_once(url, client, prefix):
    """However often; and not at all where the message lies somewhere already."""
    wire = Wire(locate(url), 10.0, "kq-test")
    one = parcel(prefix, item("a"), item("b"))
    for _ in range(3):
        one.send_again(wire)
    assert [b"b", b"a"] == client.lrange(f"{prefix}q\x06\x169", 0, -1)
    client.hset(f"{prefix}kq:alive:{{q}}", "w", "1")
    client.lpush(f"{prefix}kq:in:{{q}}:w\x06\x169", "c")
    client.hset(f"{prefix}kq:u:{{q}}:w", "1", "d ")
    client.hset(f"{prefix}kq:zb:{{q}}", "9:id-e", "e")
    for there in (item("c"), item("d"), item("e", due=1.0)):
        parcel(prefix, there).send_again(wire)
    assert 2 == client.llen(f"{prefix}q\x06\x169")
    assert 0 == client.zcard(f"{prefix}kq:z:{{q}}")
    wire.close()
