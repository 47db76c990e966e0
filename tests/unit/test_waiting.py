"""One loop for threads and one for coroutines take the same steps."""

from __future__ import annotations

import pytest
from client_fakes import DictBackend

from kernelq.exceptions import TimeoutError
from kernelq.waiting import adrive, drive, left


def two_steps():
    first = yield ["a"]
    second = yield ["b"]
    return [*first, *second]


def a_backend():
    backend = DictBackend()
    backend.put("a", status="SUCCESS", result=1)
    return backend


async def test_both_loops_take_the_steps_to_their_end():
    backend = a_backend()
    backend.put("b", status="SUCCESS", result=2)

    assert ["a", "b"] == drive(two_steps(), backend, 0, "both")
    assert ["a", "b"] == await adrive(two_steps(), backend, 1, "both")


async def test_both_loops_name_what_did_not_come():
    with pytest.raises(TimeoutError, match="both"):
        drive(two_steps(), a_backend(), 0.01, "both")
    with pytest.raises(TimeoutError, match="both"):
        await adrive(two_steps(), a_backend(), 0.01, "both")


def test_what_is_left_is_never_negative():
    assert None is left(None)
    assert 0.0 == left(0.0)
