"""Messages that no well-meaning sender sends: each one breaks something else."""

from __future__ import annotations

import bz2
import gzip
import itertools
import json
import lzma
import pickle
import zlib
from collections.abc import Iterator
from typing import Any

import attrs

EMBED: dict[str, Any] = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
BOMB = 65 * 1024 * 1024
"""Bytes that a bomb unpacks to: a mebibyte more than is allowed."""
DEEP = 100_000
"""Levels at which every recursive parser has long given up."""


@attrs.frozen
class Case:
    """One message. Whatever is wrong with it, it is to be in the dead set in the end, or to have run after all."""

    name: str
    key: str
    """Its ``message_id``, and what its task notes where nothing else is wrong with its arguments."""
    id: Any
    headers: dict[str, Any]
    body: bytes
    content_type: Any = "application/json"
    content_encoding: Any = "utf-8"
    properties: dict[str, Any] = attrs.field(factory=dict)


@attrs.frozen
class Raw:
    """Bytes in the place of a message, where a broker has such a place."""

    name: str
    data: bytes


class Evil:
    """Unpickled, it makes a file."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (self.path, "w")


def body(*args: Any, kwargs: Any = None, embed: Any = None) -> bytes:
    """Return the body of a task message."""
    return json.dumps([list(args), kwargs or {}, embed or EMBED]).encode()


class Corpus:
    """The cases, of a task ``tasks.record(key)``; `witness` is a file that is there once a pickle was loaded."""

    def __init__(self, witness: str) -> None:
        self._witness = witness
        self._numbers = itertools.count()
        groups = (self._bodies(), self._dialect(), self._links(), self._contents(), self._packed())
        self.cases: list[Case] = [case for group in groups for case in group]
        self.cases += [*self._headers(), *self._properties(), *self._older()]
        names = [case.name for case in self.cases]
        assert len(names) == len(set(names)), "a name for each case"

    def _case(self, name: str, content: bytes | None = None, *, content_type: Any = "application/json",
              content_encoding: Any = "utf-8", properties: Any = None, **headers: Any) -> Case:  # fmt: skip
        key = f"case-{next(self._numbers)}"
        task_id = headers.get("id", f"id-{key}")
        made = {
            "lang": "py", "task": "tasks.record", "id": task_id, "root_id": task_id, "parent_id": None, "group": None,
            "retries": 0, "eta": None, "expires": None, "timelimit": [None, None], "argsrepr": "()", "kwargsrepr": "{}",
            "origin": "corpus", "ignore_result": False,
        }  # fmt: skip
        made.update(headers)
        content = body(key) if content is None else content
        given = {"correlation_id": "corpus", "delivery_mode": 2, "message_id": key, **(properties or {})}
        return Case(name, key, task_id, made, content, content_type, content_encoding, given)

    def _bodies(self) -> Iterator[Case]:
        bodies = {
            "empty": b"", "zero byte": b"\0", "random bytes": bytes(range(256)), "open brace": b"{", "open list": b"[[",
            "truncated": body("key" * 100)[:-20], "null": b"null", "number": b"17", "text": b'"text"', "list": b"[]",
            "two items": b"[[], {}]", "four items": b"[[], {}, {}, {}]", "args a mapping": b"[{}, {}, null]",
            "args text": b'["abc", {}, null]', "kwargs a list": b"[[], [], null]", "kwargs null": b"[[], null, null]",
            "embed a list": b"[[], {}, []]", "embed a number": b"[[], {}, 1]", "mapping without a task": b'{"a": 1}',
            "NaN": b"[[NaN], {}, null]", "Infinity": b"[[-Infinity], {}, null]",
            "number too large": b"[[1e999], {}, null]",
            "duplicate keys": b'[[], {"key": "a", "key": "b"}, null]', "unknown keyword": b'[[], {"nope": 1}, null]',
            "too many args": body(*range(50)), "deep lists": b"[" * DEEP, "deep mappings": b'{"a":' * DEEP,
            "deep and whole": b"[[" + b"[" * 100 + b"]" * 100 + b"], {}, null]",
            "not UTF-8": b'[["\xff\xfe"], {}, null]',
            "UTF-16": '[["a"], {}, null]'.encode("utf-16"), "byte order mark": b"\xef\xbb\xbf" + body("bom"),
            "lone surrogate": b'[["\\ud800"], {}, null]', "long number": b"[[" + b"9" * 10_000 + b"], {}, null]",
            "control characters": b'[["a\x01b"], {}, null]', "two documents": body("one") + body("two"),
            "trailing comma": b"[[1,], {}, null]", "comment": b"[[], {}, null] // done",
            "single quotes": b"[['a'], {}, null]",
            "large": body("x" * (17 * 1024 * 1024)),
        }  # fmt: skip
        return (self._case(f"body: {name}", content) for name, content in bodies.items())

    def _dialect(self) -> Iterator[Case]:
        values = {
            "unknown": {"__type__": "evil", "__value__": 1}, "no value": {"__type__": "datetime"},
            "datetime of a number": {"__type__": "datetime", "__value__": 5},
            "decimal of a word": {"__type__": "decimal", "__value__": "x"},
            "uuid of nothing": {"__type__": "uuid", "__value__": {}},
            "bytes that are none": {"__type__": "base64", "__value__": "%"},
            "a type that is a list": {"__type__": [], "__value__": 1},
            "a type that is a mapping": {"__type__": {"__type__": "x"}, "__value__": 1},
        }  # fmt: skip
        return (self._case(f"dialect: {name}", body(value)) for name, value in values.items())

    def _links(self) -> Iterator[Case]:
        embeds: dict[str, dict[str, Any]] = {
            "callbacks text": {"callbacks": "x"}, "callbacks numbers": {"callbacks": [1]},
            "callback without a task": {"callbacks": [{}]}, "errbacks a number": {"errbacks": 5},
            "chain a number": {"chain": 5}, "chain of null": {"chain": [None]}, "chain text": {"chain": "abc"},
            "chord text": {"chord": "x"}, "chord without a body": {"chord": {"task": 5}},
        }  # fmt: skip
        return (self._case(f"links: {name}", body("k", embed=EMBED | embed)) for name, embed in embeds.items())

    def _contents(self) -> Iterator[Case]:
        evil = pickle.dumps(([Evil(self._witness)], {}, EMBED))
        python = f"!!python/object/apply:builtins.open [{self._witness}, w]".encode()
        yield self._case(
            "content: pickle", evil, content_type="application/x-python-serialize", content_encoding="binary"
        )
        yield self._case("content: pickle as JSON", evil)
        yield self._case("content: pickle by name", evil, content_type="pickle")
        yield self._case("content: yaml", python, content_type="application/x-yaml")
        yield self._case("content: msgpack", b"\x93\x90\x80\xc0", content_type="application/x-msgpack")
        yield self._case("content: signed", b"AAAA", content_type="application/data")
        for kind in ("", "text/plain", "application/x-evil", "json", "\0", "a" * 200):
            yield self._case(f"content type: {kind[:20]!r}", content_type=kind)
        for encoding in (
            "utf-99",
            "binary",
            "rot13",
            "zlib",
            "hex",
            "idna",
            "unicode_escape",
            "utf-16",
            "\0",
            "a" * 200,
            "",
        ):
            yield self._case(f"content encoding: {encoding[:20]!r}", content_encoding=encoding)

    def _packed(self) -> Iterator[Case]:
        zeros = b"[[" + b"0" * BOMB + b"], {}, null]"
        packed = {
            "gzip": zlib.compress(zeros, 9), "bzip2": bz2.compress(zeros, 1), "lzma": lzma.compress(zeros, preset=0),
        }  # fmt: skip
        mimes = {"gzip": "application/x-gzip", "bzip2": "application/x-bz2", "lzma": "application/x-lzma"}
        for name, mime in mimes.items():
            yield self._case(f"compression: {name} bomb", packed[name], compression=mime)
            yield self._case(f"compression: {name} of garbage", b"garbage", compression=mime)
            yield self._case(f"compression: {name} cut", packed[name][:200], compression=mime)
            yield self._case(f"compression: {name} of nothing", b"", compression=mime)
        yield self._case("compression: gzip's own header", gzip.compress(body("k")), compression=mimes["gzip"])
        for wrong in ("x", 5, [], ["a"], {}, {"a": 1}, True, "application/zstd", "application/x-brotli"):
            yield self._case(f"compression: {wrong!r}", compression=wrong)

    def _headers(self) -> Iterator[Case]:
        times: tuple[Any, ...] = (
            "soon",
            "0000-00-00",
            "2024-13-40T99:99:99",
            1e300,
            -1e300,
            [],
            [1],
            {"a": 1},
            True,
            "9" * 5000,
            "\0",
        )
        wrong: dict[str, tuple[Any, ...]] = {
            "id": (None, 5, [], [1], {"a": 1}, "", "x" * 256, "a\nb", "\0", "\x1b[2J", "\u202eid", True, 1.5),
            "task": (5, [], ["a"], {"a": 1}, "", "no.such.task", "x" * 10_000, "a\nb", True, "celery.nothing"),
            "eta": times, "expires": times,
            "retries": ("x", -1, [1], {"a": 1}, 1e300, 2**70), "group": (5, ["a"], {"a": 1}), "group_index": ("x", []),
            "timelimit": ("x", 5, [1], [None] * 3, ["a", "b"], [-1, -1], {"a": 1}, [[1], [1]],
                          [1e300, 1e300], [True, True]),
            "root_id": (5, ["a"], {"a": 1}), "parent_id": (5, ["a"]), "ignore_result": ("x", [1], {"a": 1}),
            "argsrepr": (5, [1], {"a": 1}), "origin": (5, [1]), "shadow": (5, [1]), "stamps": ("x", 5, [1]),
            "stamped_headers": (5, "x", [1]), "replaced_task_nesting": ("x", [1]), "lang": (5, [1]),
        }  # fmt: skip
        for name, values in wrong.items():
            for value in values:
                yield self._case(f"header {name}: {value!r:.40}", **{name: value})
        many: dict[str, Any] = {f"x-{number}": "y" * 100 for number in range(1000)}
        yield self._case("headers: many", **many)
        yield self._case("headers: large", extra="x" * 100_000)
        deep: Any = "bottom"
        for _ in range(70):
            deep = {"a": deep}
        yield self._case("headers: deep", extra=deep)

    def _properties(self) -> Iterator[Case]:
        wrong: dict[str, tuple[Any, ...]] = {
            "correlation_id": ("", "x" * 250), "reply_to": ("no such queue", "x" * 250, "\0"),
            "priority": (-5, 10**9, 255), "expiration": ("-1", "soon"), "type": ("x" * 200,), "timestamp": (0, 2**40),
        }  # fmt: skip
        for name, values in wrong.items():
            for value in values:
                yield self._case(f"property {name}: {value!r:.40}", properties={name: value})

    def _older(self) -> Iterator[Case]:
        """Protocol 1 has its task in the body; a hybrid has headers too."""
        old = {"task": "tasks.record", "id": "v1", "args": ["v1"], "kwargs": {}, "retries": 0}
        bodies: dict[str, Any] = {
            "whole": old, "without an id": {**old, "id": None}, "task a number": {**old, "task": 5},
            "args text": {**old, "id": "v1-args", "args": "x"},
            "kwargs a list": {**old, "id": "v1-kwargs", "kwargs": [1]},
            "eta a list": {**old, "id": "v1-eta", "eta": [1]}, "a list": [old], "null": None,
            "id a list": {**old, "id": [1]}, "unknown task": {**old, "id": "v1-unknown", "task": "no.such"},
        }  # fmt: skip
        for name, value in bodies.items():
            case = self._case(f"protocol 1: {name}", json.dumps(value).encode())
            task_id = value.get("id") if isinstance(value, dict) else None
            yield attrs.evolve(case, headers={}, id=task_id)
        yield self._case("hybrid", json.dumps({**old, "id": "hybrid"}).encode(), id="hybrid")
        yield attrs.evolve(self._case("headers: none at all"), headers={}, id=None)


def envelopes() -> list[Raw]:
    """Return what is no envelope of kombu's, or a strange one."""
    sound = {
        "body": "W1siayJdLCB7fSwgbnVsbF0=", "content-type": "application/json", "content-encoding": "utf-8",
        "headers": {"task": "tasks.record", "id": "envelope"},
        "properties": {"body_encoding": "base64", "delivery_tag": "t", "delivery_info": {}},
    }  # fmt: skip
    strange: dict[str, Any] = {
        "null": None, "number": 5, "list": [], "text": "x", "empty": {}, "headers a list": {**sound, "headers": []},
        "headers null": {**sound, "headers": None}, "headers text": {**sound, "headers": "x"},
        "properties a list": {**sound, "properties": []}, "properties null": {**sound, "properties": None},
        "body null": {**sound, "body": None}, "body a number": {**sound, "body": 5},
        "body a list": {**sound, "body": []},
        "bad base64": {**sound, "body": "%%%"}, "base64 cut": {**sound, "body": "W1siay"},
        "body encoding unknown": {**sound, "properties": {"body_encoding": "rot13"}},
        "body encoding a number": {**sound, "properties": {"body_encoding": 5}},
        "delivery info text": {**sound, "properties": {"body_encoding": "base64", "delivery_info": "x"}},
        "priority text": {**sound, "properties": {"body_encoding": "base64", "priority": "x"}},
        "priority a list": {**sound, "properties": {"body_encoding": "base64", "priority": []}},
        "priority negative": {**sound, "properties": {"body_encoding": "base64", "priority": -5}},
        "correlation id a list": {**sound, "properties": {"body_encoding": "base64", "correlation_id": []}},
        "content type a number": {**sound, "content-type": 5},
        "content encoding a list": {**sound, "content-encoding": []},
    }  # fmt: skip
    found = [
        Raw(f"envelope: {name}", json.dumps(_renamed(value, f"envelope-{number}")).encode())
        for number, (name, value) in enumerate(strange.items())
    ]
    garbage = {
        "nothing": b"", "zero byte": b"\0", "random bytes": bytes(range(256)),
        "truncated": json.dumps(sound).encode()[:-9],
        "deep": b"[" * DEEP, "not UTF-8": b'{"body": "\xff"}', "pickle": pickle.dumps(sound), "NaN": b"NaN",
        "two": json.dumps(sound).encode() * 2, "megabyte": b"x" * (1 << 20), "surrogate": b'{"body": "\\ud800"}',
    }  # fmt: skip
    return found + [Raw(f"envelope: {name}", data) for name, data in garbage.items()]


def _renamed(envelope: Any, task_id: str) -> Any:
    if isinstance(envelope, dict) and isinstance(envelope.get("headers"), dict):
        return {**envelope, "headers": {**envelope["headers"], "id": task_id}}
    return envelope
