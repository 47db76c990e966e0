"""Task messages, byte by byte beside those that Celery itself makes of the same calls."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from celery import Celery
from celery import chain as celery_chain
from kombu.connection import Connection
from kombu.entity import Queue

from kernelq import KernelQ, chain
from kernelq.kernel.discovery import Discovery

NOW = datetime(2026, 3, 29, 1, 30, 0, 123456, tzinfo=UTC)
LEAKED = {"argsrepr", "kwargsrepr", "origin"}
ORIGIN, REPLY_TO = "gen1@golden", "0b9f4a7e-0000-3000-8000-000000000000"


class Recorder:
    """A sender that keeps what it is given."""

    def __init__(self) -> None:
        self.sent: list[Any] = []

    def publish(self, message: Any) -> None:
        self.sent.append(message)


def _numbered() -> Callable[[], str]:
    numbers = itertools.count()
    return lambda: f"id-{next(numbers)}"


class Pair:
    """The same app twice: ours, and Celery's; a call is made in both, and their messages are compared."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> None:
        self.ours = KernelQ("golden", discovery=Discovery(installed=False), result_backend=None, **settings)
        self.recorder = self.ours.__dict__["sender"] = Recorder()
        self.theirs = Celery("golden", broker="memory://", set_as_current=False)
        self.theirs.conf.update(settings)
        self.their_messages: list[dict[str, Any]] = []
        monkeypatch.setattr("kernelq.amqp.anon_nodename", lambda: ORIGIN)
        monkeypatch.setattr("celery.app.amqp.anon_nodename", lambda: ORIGIN)
        monkeypatch.setattr(KernelQ, "thread_oid", REPLY_TO)
        monkeypatch.setattr(Celery, "thread_oid", REPLY_TO)
        monkeypatch.setattr(KernelQ, "now", lambda app: NOW.astimezone(app.timezone))
        monkeypatch.setattr(Celery, "now", lambda app: NOW.astimezone(app.timezone))
        numbered = _numbered()
        monkeypatch.setattr("kernelq.ids.Ids.new", lambda _: numbered())
        for name in ("kernelq.ids.new_id", "celery.app.base.uuid", "celery.canvas.uuid"):
            monkeypatch.setattr(name, _numbered())
        self._capture(monkeypatch)
        self.add = {id(app): self._task(app) for app in (self.ours, self.theirs)}

    def _capture(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from kombu.transport.memory import Channel

        def prepare(channel, body, priority, content_type, encoding, headers, properties):
            self.their_messages.append(
                {
                    "body": body, "priority": priority, "content_type": content_type, "content_encoding": encoding,
                    "headers": dict(headers), "properties": dict(properties),
                }
            )  # fmt: skip
            return original(channel, body, priority, content_type, encoding, headers, properties)

        def publish(channel, message, exchange, routing_key, **_):
            self.their_messages[-1] |= {"exchange": exchange, "routing_key": routing_key}

        original = Channel.prepare_message
        monkeypatch.setattr(Channel, "prepare_message", prepare)
        monkeypatch.setattr(Channel, "basic_publish", publish)

    @staticmethod
    def _task(app: Any, **options: Any) -> Any:
        @app.task(name="golden.add", **_alone(app), **options)
        def add(*args, **kwargs): ...

        return add

    def __call__(self, call: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """Make the call, a function of (app, add), in both apps; return our message and theirs in one shape."""
        call(self.ours, self.add[id(self.ours)])
        call(self.theirs, self.add[id(self.theirs)])
        return self.last()

    def last(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the last message of each."""
        message, theirs = self.recorder.sent[-1], dict(self.their_messages[-1])
        theirs["priority"] = theirs["priority"] or 0
        theirs["body"] = theirs["body"] if isinstance(theirs["body"], bytes) else theirs["body"].encode()
        # Celery's send copies these three options, which are headers, among the AMQP properties too; no one reads them
        kept = {key: value for key, value in theirs["properties"].items() if key not in LEAKED}
        theirs["properties"] = {**kept, "priority": theirs["priority"]}
        ours = {name: getattr(message, name) for name in theirs}
        return ours, theirs


@pytest.fixture
def pair(monkeypatch):
    """Both apps with default settings."""
    return Pair(monkeypatch)


VALUES = [
    (),
    (1, 2),
    (1.5, -0.0, 1e300, True, None),
    ("plain", "ä\u20ac\U0001f600", "it's", 'a "quote"', "back\\slash", "line\nend", ""),
    ([1, [2, [3, [4, [5]]]]], {"a": {"b": {"c": {"d": 1}}}}),
    ({"x": 1, "y": [None, True]}, (1,), ()),
    (datetime(2026, 1, 2, 3, 4, 5), datetime(2026, 1, 2, tzinfo=UTC), date(2026, 1, 2)),
    (Decimal("1.10"), uuid.UUID(int=7), b"bytes", b"\xff\xfe"),
    ("long " * 400,),
    ("x" * 2000, "y"),
    (list(range(1000)),),
    ({f"key {number}": number for number in range(200)},),
    (10**40, -1),
]


@pytest.mark.parametrize("args", VALUES, ids=range(len(VALUES)))
def test_a_delay_is_the_same_message(pair, args):
    """Body, headers and properties of `delay`, whatever plain values it is given."""
    ours, theirs = pair(lambda app, add: add.delay(*args))

    assert theirs == ours


@pytest.mark.parametrize("args", VALUES, ids=range(len(VALUES)))
def test_a_delay_with_keywords_is_the_same_message(pair, args):
    """The same values as keyword arguments."""
    ours, theirs = pair(lambda app, add: add.delay(**{f"name{n}": value for n, value in enumerate(args)}))

    assert theirs == ours


OPTIONS: list[dict[str, Any]] = [
    {"countdown": 10},
    {"countdown": 0.25},
    {"countdown": 0},
    {"eta": datetime(2026, 5, 1, 12, 0, tzinfo=UTC)},
    {"eta": datetime(2026, 5, 1, 12, 0)},
    {"eta": datetime(2026, 5, 1, 12, 0, 0, 5, tzinfo=UTC)},
    {"expires": 30},
    {"expires": 2.5},
    {"expires": NOW + timedelta(hours=1)},
    {"expires": NOW - timedelta(hours=1)},
    {"countdown": 5, "expires": 60},
    {"queue": "other"},
    {"exchange": "news", "routing_key": "a.b"},
    {"routing_key": "a.b"},
    {"exchange": "news"},
    {"priority": 0},
    {"priority": 9},
    {"serializer": "json"},
    {"serializer": "pickle"},
    {"compression": "zlib"},
    {"compression": "bzip2"},
    {"compression": "lzma"},
    {"headers": {"mine": 1, "other": "x"}},
    {"task_id": "my-own-id"},
    {"shadow": "shown"},
    {"ignore_result": True},
    {"ignore_result": False},
    {"time_limit": 10, "soft_time_limit": 5},
    {"time_limit": 10},
    {"root_id": "root", "parent_id": "parent"},
    {"root_id": "root"},
    {"reply_to": "elsewhere"},
    {"group_id": "group", "group_index": 3},
    {"retries": 2},
    {"chord": {"task": "x"}},
    {"stamped_headers": ["stamp"], "stamp": "value"},
    {"replaced_task_nesting": 1},
    {"argsrepr": "(hidden)", "kwargsrepr": "{hidden}"},
    {"origin": "elsewhere"},
]


@pytest.mark.parametrize("options", OPTIONS, ids=[" ".join(one) for one in OPTIONS])
def test_an_option_makes_the_same_message(pair, options):
    """`apply_async` with one option, or two that belong together."""
    ours, theirs = pair(lambda app, add: add.apply_async((1, "two"), {"three": 3}, **options))

    assert theirs == ours


@pytest.mark.parametrize("options", OPTIONS, ids=[" ".join(one) for one in OPTIONS])
def test_an_option_of_a_send_by_name_makes_the_same_message(pair, options):
    """`send_task` to a task that only the workers know."""
    ours, theirs = pair(lambda app, add: app.send_task("elsewhere.add", [1, "two"], {"three": 3}, **options))

    assert theirs == ours


LINKS = [
    lambda add: {"link": add.s(1)},
    lambda add: {"link": [add.s(1), add.si(2)]},
    lambda add: {"link_error": add.s()},
    lambda add: {"link": add.s(1), "link_error": [add.si(1, x=2).set(queue="errors")]},
    lambda add: {"link": add.signature((1,), {"a": 1}, countdown=3)},
]


@pytest.mark.parametrize("links", LINKS, ids=range(len(LINKS)))
def test_links_are_the_same_on_the_wire(pair, links):
    """Callbacks and errbacks travel in the body."""
    ours, theirs = pair(lambda app, add: add.apply_async((1,), **links(add)))

    assert theirs == ours


CHAINS = [
    lambda chain, add: add.s(1, 2) | add.s(3),
    lambda chain, add: add.s(1, 2) | add.s(3) | add.si(4) | add.s(x=5),
    lambda chain, add: (add.s(1) | add.s(2)) | (add.s(3) | add.s(4)),
    lambda chain, add: chain(add.s(1), add.s(2).set(queue="second", priority=3)),
    lambda chain, add: chain([add.s(1), add.s(2), add.s(3)]),
]


@pytest.mark.parametrize("make", CHAINS, ids=range(len(CHAINS)))
@pytest.mark.parametrize(
    "options",
    [{}, {"countdown": 3}, {"queue": "first"}, {"task_id": "last"}, {"root_id": "root"}, {"args": (0,)}],
    ids=str,
)
def test_a_chain_is_the_same_on_the_wire(pair, make, options):
    """The first task's message carries the rest in reverse order, each with its id."""
    kinds = {id(pair.ours): chain, id(pair.theirs): celery_chain}
    ours, theirs = pair(lambda app, add: make(kinds[id(app)], add).apply_async(**options))

    assert theirs == ours


def test_a_chain_with_links_is_the_same_on_the_wire(pair):
    """A chain's link belongs to its last task, its errback to each."""

    def call(app, add):
        (add.s(1) | add.s(2) | add.s(3)).apply_async(link=add.s(9), link_error=add.si("failed"))

    ours, theirs = pair(call)

    assert theirs == ours


def test_a_chain_of_one_is_the_same_on_the_wire(pair):
    """It is its task."""
    kinds = {id(pair.ours): chain, id(pair.theirs): celery_chain}
    ours, theirs = pair(lambda app, add: kinds[id(app)](add.s(1)).apply_async())

    assert theirs == ours


SETTINGS: list[dict[str, Any]] = [
    {"task_default_queue": "mine"},
    {"task_default_queue": "mine", "task_default_exchange": "ex", "task_default_exchange_type": "topic"},
    {"task_default_exchange_type": "topic", "task_default_routing_key": "key"},
    {"task_default_priority": 4},
    {"task_default_delivery_mode": 1},
    {"task_default_delivery_mode": "transient"},
    {"task_compression": "gzip"},
    {"task_serializer": "pickle"},
    {"task_time_limit": 30.0, "task_soft_time_limit": 20.0},
    {"task_ignore_result": True},
    {"task_repr_maxlevels": 1},
    {"timezone": "Europe/Berlin"},
    {"timezone": "America/New_York", "enable_utc": False},
    {"task_routes": {"golden.add": "routed"}},
    {"task_routes": {"golden.*": {"queue": "globbed", "priority": 2}}},
    {"task_routes": ([("golden.a*", {"queue": "first"}), ("golden.*", {"queue": "second"})],)},
    {"task_routes": ({"nothing": "x"}, {"golden.add": {"queue": "second"}})},
    {"task_routes": (lambda name, args, kwargs, options, task=None: {"queue": f"q{args[0]}"},)},
    {"task_routes": {"golden.add": {"exchange": "ex", "routing_key": "rk"}}},
    {"task_routes": {"golden.add": {"routing_key": "rk"}}},
    {"task_queues": {"celery": {"exchange": "ex", "exchange_type": "topic", "routing_key": "k.#"}}},
    {"task_queues": {"celery": {}, "other": {"exchange": "ex"}}},
    {"task_queues": (Queue("celery"), Queue("other"))},
    {"task_queues": (Queue("celery", routing_key="x"),), "task_default_exchange_type": "topic"},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=[" ".join(one) for one in SETTINGS])
@pytest.mark.parametrize("options", [{}, {"countdown": 60}, {"queue": "other"}], ids=str)
def test_a_setting_makes_the_same_message(monkeypatch, settings, options):
    """What the settings say of queues, priorities, limits and times."""
    pair = Pair(monkeypatch, **settings)
    ours, theirs = pair(lambda app, add: add.apply_async((1, {"a": {"b": 2}}), **options))

    assert theirs == ours


TASK_OPTIONS: list[dict[str, Any]] = [
    {"serializer": "pickle"},
    {"compression": "zlib"},
    {"expires": 30},
    {"time_limit": 3},
    {"soft_time_limit": 2},
    {"ignore_result": True},
    {"shadow_name": lambda self, args, kwargs, options: f"shadow of {args}"},
]


@pytest.mark.parametrize("options", TASK_OPTIONS, ids=[" ".join(one) for one in TASK_OPTIONS])
def test_an_option_of_the_task_makes_the_same_message(monkeypatch, options):
    """What the decorator was given holds for each call."""
    pair = Pair(monkeypatch)
    for app in (pair.ours, pair.theirs):
        pair.add[id(app)] = _other(app, options)
    ours, theirs = pair(lambda app, add: add.delay(1))

    assert theirs == ours


def _alone(app: Any) -> dict[str, bool]:
    """Keep a task of Celery's out of the other Celery apps of this process, which would take it over."""
    return {"shared": False} if isinstance(app, Celery) else {}


def _other(app: Any, options: dict[str, Any]) -> Any:
    @app.task(name="golden.other", **_alone(app), **options)
    def other(*args): ...

    return other


def test_celery_reads_our_message_as_its_own(pair):
    """Kombu decodes the body, and Celery's signature is made of what our chain carries."""
    call = pair.add[id(pair.ours)]
    (call.s(datetime(2026, 1, 1)) | call.s(2)).apply_async()

    message = pair.recorder.sent[-1]
    with Connection("memory://") as connection, connection.SimpleQueue("check"):
        from kombu.serialization import loads

        args, _, embed = loads(message.body, message.content_type, message.content_encoding)
    assert [datetime(2026, 1, 1)] == args
    assert ["golden.add"] == [pair.theirs.signature(one).task for one in embed["chain"]]
