"""Pickles of plain values."""

from __future__ import annotations

import datetime
import os
import pickle

import pytest

from kernelq_sqlalchemy import pickled


class Bomb:
    def __reduce__(self):
        return os.mkdir, ("exploded",)


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    "value",
    [None, True, 7, -(2**70), 1.5, "ü" * 300, [1, [2]], (1, 2, 3, 4), {"a": {"b": []}}, {"exc_message": ("x",)}],
    ids=repr,
)
def test_plain_values_come_back(value, protocol):
    assert value == pickled.loads(pickle.dumps(value, protocol))


def test_bytes_and_sets_are_plain_too():
    value = {"b": b"x" * 300, "s": {1, 2}, "f": frozenset({3})}
    assert value == pickled.loads(pickled.dumps(value))


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    "value",
    [Bomb(), [Bomb()], datetime.datetime(2026, 1, 1), ValueError("x"), os.system],
    ids=["bomb", "in a list", "datetime", "error", "function"],
)
def test_anything_else_is_refused_and_not_run(value, protocol, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(pickled.NotPlain):
        pickled.loads(pickle.dumps(value, protocol))
    assert [] == os.listdir(tmp_path)


@pytest.mark.parametrize(
    "data",
    [b"", b"\x80", b"\x80\x04", b"\x80\x04]", b"\x80\x04h\x05.", b"cos\nsystem\n(S'x'\ntR.", b"P1\n.", b"\x82\x01."],
)
def test_malformed_bytes_are_refused(data):
    with pytest.raises(pickled.NotPlain):
        pickled.loads(data)


def test_the_second_wall_refuses_every_name(monkeypatch):
    """Were an instruction missing in the list, no class would be found all the same."""
    monkeypatch.setattr(pickled, "_PLAIN", frozenset(op.name for op in pickled.pickletools.opcodes))
    for data in (pickle.dumps(Bomb()), b"P1\n."):
        with pytest.raises(pickled.NotPlain, match="it names"):
            pickled.loads(data)
