"""A property that is computed once."""

from __future__ import annotations

import threading

from kernelq.once import once


class Example:
    def __init__(self) -> None:
        self._lock = threading.RLock()
        self.computed = 0
        self.gate = threading.Barrier(8)

    @once
    def value(self) -> object:
        """What is computed."""
        self.computed += 1
        return object()


def test_many_threads_get_the_one_value():
    """Eight at once."""
    example, seen = Example(), []

    def ask() -> None:
        example.gate.wait()
        seen.append(example.value)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert 1 == example.computed
    assert 1 == len({id(value) for value in seen})


def test_it_is_documented_and_can_be_dropped():
    example = Example()
    first = example.value
    del example.__dict__["value"]

    assert "What is computed." == Example.value.__doc__
    assert first is not example.value
