"""Which brokers an app has."""

from __future__ import annotations

import itertools

import pytest

from kernelq import KernelQ, brokers
from kernelq.conf import Conf
from kernelq.failover import Failover
from kernelq.kernel.discovery import Discovery
from kernelq.kernel.errors import BadSetting, ConfigurationError


class Part:
    capabilities = frozenset()

    def __init__(self, url, settings):
        self.url = url

    def safe_url(self):
        return self.url.replace("secret", "**")


def app(**settings):
    found = Discovery({"kernelq.transports": {"one": Part}}, installed=False)
    return KernelQ("app", discovery=found, result_backend=None, **settings)


def backwards(urls):
    return itertools.cycle(reversed(urls))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("redis://a", ["redis://a"]),
        ("redis://a;redis://b", ["redis://a", "redis://b"]),
        (" amqp://a// ; redis://b ;", ["amqp://a//", "redis://b"]),
        ("sentinel://a;sentinel://b", ["sentinel://a;sentinel://b"]),
        ("sentinel://a:1;b:2/0", ["sentinel://a:1;b:2/0"]),
        ("sentinel://a;sentinel://b;redis://c", ["sentinel://a;sentinel://b", "redis://c"]),
        ("redis://c;redis+sentinel://a;redis+sentinel://b", ["redis://c", "redis+sentinel://a;redis+sentinel://b"]),
        ("amqp://u:pa;ss@h//;amqp://b", ["amqp://u:pa;ss@h//", "amqp://b"]),
        ("", []),
    ],
)
def test_a_semicolon_parts_brokers_not_the_sentinels_of_one(text, expected):
    assert expected == brokers.split(text)


def test_a_list_is_taken_as_it_is():
    """So that two groups of sentinels can be told apart."""
    groups = ["sentinel://a;sentinel://b", "sentinel://c;sentinel://d"]
    conf = Conf()
    conf.update(broker_url=groups)

    assert (groups, "broker_url") == brokers.urls(conf, "read")


@pytest.mark.parametrize("wrong", ["", ";", [], ["redis://a", 5]])
def test_no_broker_is_an_error_with_the_settings_name(wrong):
    conf = Conf()
    conf.update(broker_write_url=wrong)

    with pytest.raises(ConfigurationError, match="broker_write_url names no broker"):
        brokers.urls(conf, "write")
    with pytest.raises(BadSetting):
        conf.update(broker_url=5)


def test_one_broker_is_itself_and_several_are_a_failover():
    """A broker that is named twice counts once."""
    assert isinstance(app(broker="one://a").transport, Part)
    assert isinstance(app(broker=["one://a", "one://a"]).transport, Part)
    several = app(broker="one://a;one://b").transport
    assert isinstance(several, Failover)
    assert ["one://a", "one://b"] == several.urls


def test_reading_and_writing_are_one_object_unless_the_settings_part_them():
    same = app(broker="one://a")
    apart = app(broker="one://a", broker_read_url="one://r", broker_write_url=["one://w", "one://v"])

    assert same.write_transport is same.transport
    assert ("one://r", "one://w") == (apart.transport.url, apart.write_transport.url)
    apart.close()
    assert "one://r" == apart.transport.url


def test_what_is_shown_names_all_brokers_and_no_password():
    """Also where the setting is."""
    parted = app(broker="one://:secret@a;one://:secret@b", broker_write_url="one://:secret@w")

    assert "one://:**@a (else one://:**@b), sending to one://:**@w" == brokers.shown(parted)
    assert "one://a" == brokers.shown(app(broker="one://a"))
    assert [] == list(brokers.alternates(app(broker="one://a").transport))
    assert "secret" not in str(parted.conf.as_dict())
    assert "secret" not in str(app(broker=["one://:secret@a"]).conf.as_dict())


def test_round_robin_is_the_usual_order():
    for given in (None, "round-robin"):
        assert list("abcab") == list(itertools.islice(brokers.strategy(given)(list("abc")), 5))


def test_shuffle_takes_each_once_a_round():
    order = brokers.strategy("shuffle")(list("abcdefgh"))
    rounds = [list(itertools.islice(order, 8)) for _ in range(3)]

    assert [list("abcdefgh")] * 3 == [sorted(one) for one in rounds]
    assert 1 < len({tuple(one) for one in rounds})


@pytest.mark.parametrize(
    ("given", "order"), [(backwards, "cba"), ("itertools:cycle", "abc"), ("itertools.cycle", "abc")]
)
def test_a_function_or_its_path(given, order):
    assert list(order) == list(itertools.islice(brokers.strategy(given)(list("abc")), 3))


@pytest.mark.parametrize("wrong", ["robin", "no.such.thing", "itertools.nothing", "os:sep"])
def test_a_wrong_strategy_says_what_there_is(wrong):
    with pytest.raises(ConfigurationError, match="write round-robin, shuffle, or"):
        brokers.strategy(wrong)
