"""A process that is patched as a host is; the one of the tests is not."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import pytest

from kernelq_gevent import Gevent
from kernelq_testkit.child import run_in_child

Patched = Callable[[Callable[[], None]], None]


@pytest.fixture
def patched() -> Patched:
    """A function that runs its argument in the main thread of a patched child, and fails where that raises."""

    def run(function: Callable[[], None]) -> None:
        def child() -> None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # here more has been imported than in a new interpreter
                Gevent().prepare()
            function()

        failure = run_in_child(child)
        if failure:
            pytest.fail(failure, pytrace=False)

    return run
