"""Where notices are kept: by the broker, else by the result store."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from kernelq.notices import open_notices, stamp_name


class Keeper:
    """A broker or a store that keeps notices."""

    def __init__(self, name: str) -> None:
        self.name = name

    def notices(self) -> Any:
        return self.name


def opened(transport: object, backend: object) -> Any:
    return open_notices(SimpleNamespace(transport=transport, backend=backend))  # type: ignore[arg-type]  # all it reads


def test_the_broker_keeps_them_where_it_can():
    assert "broker" == opened(Keeper("broker"), Keeper("store"))


def test_of_several_brokers_the_one_in_use_does():
    assert "second" == opened(SimpleNamespace(current=Keeper("second")), Keeper("store"))


def test_else_the_result_store_does():
    assert "store" == opened(SimpleNamespace(), Keeper("store"))


def test_or_nobody():
    assert opened(SimpleNamespace(), None) is None


def test_stamps_have_names_that_no_other_stamp_has():
    names = {stamp_name("a", "b"), stamp_name("a=b", ""), stamp_name("a", "1"), stamp_name('a", "b', "")}

    assert 4 == len(names)
    assert stamp_name("a", 1) == stamp_name("a", "1")
