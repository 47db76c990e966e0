"""The span, as people write it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from kernelq import KernelQ
from kernelq.kernel.errors import BadSetting
from kernelq_autoscale.hooks import celeryd_after_setup
from kernelq_autoscale.settings import span


@pytest.mark.parametrize(
    ("text", "expected"),
    [("10,2", (10, 2)), ("2,10", (10, 2)), ("10", (10, 1)), ("10,0", (10, 1)), ("3,3", (3, 3)), (" 4 , 1 ", (4, 1))],
)
def test_the_larger_is_the_most(text: str, expected: tuple[int, int]) -> None:
    assert expected == span(text)


@pytest.mark.parametrize("text", ["", "many", "1,2,3", "0", "0,0", "-1", "4,-1", "1.5", "4,"])
def test_what_is_no_span_is_an_error_that_tells_how_to_write_one(text: str) -> None:
    with KernelQ("t") as app, pytest.raises(BadSetting, match="write MAX,MIN, like 10,2"):
        app.conf.update({"worker_autoscale": text})


def worker(hosts: int | None = None) -> Any:
    """What the hook sees of a worker."""
    return SimpleNamespace(options=SimpleNamespace(hosts=hosts))


@pytest.mark.parametrize(
    ("given", "hosts", "start"),
    [(None, None, 2), ("auto", None, 2), (1, None, 2), (3, None, 3), (9, None, 6), (None, 4, 4), (5, 4, 5), (3, 9, 6)],
)
def test_the_pool_starts_within_the_span(given: int | str | None, hosts: int | None, start: int) -> None:
    with KernelQ("t", worker_autoscale="6,2", worker_concurrency=given) as app:
        celeryd_after_setup(instance=worker(hosts), conf=app.conf)

        assert start == app.conf.worker_concurrency
        assert "worker_autoscale" == app.conf.source("worker_concurrency")


def test_without_a_span_nothing_is_changed() -> None:
    with KernelQ("t") as app:
        celeryd_after_setup(instance=worker(), conf=app.conf)

        assert app.conf.worker_concurrency is None
