"""What every test of the repository may use."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from kernelq_testkit.waiting import patience

settings.register_profile("kernelq", deadline=None)  # speed is a benchmark's business, never a test's
settings.load_profile("kernelq")

# Up to Python 3.11 pytest-asyncio, asking for the loop of the main thread, makes one that nobody closes.
asyncio.set_event_loop(None)

ROOT = Path(__file__).parent


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Take a test for one that hangs only after as much longer as `kernelq_testkit.waiting.patience` says."""
    usual = float(config.getini("timeout"))
    for item in items:
        own = item.get_closest_marker("timeout")
        item.add_marker(pytest.mark.timeout(patience(own.args[0] if own else usual)), append=False)


@pytest.fixture(autouse=True)
def log_set_up_by_nobody() -> Iterator[None]:
    """Undo what a worker that ran in this process did to the log: the next test looks into it."""
    root, ours = logging.getLogger(), logging.getLogger("kernelq")
    loggers = [(one, one.level, one.propagate, list(one.handlers)) for one in (root, ours)]
    yield
    for one, level, propagate, handlers in loggers:
        one.setLevel(level)
        one.propagate = propagate
        one.handlers[:] = handlers


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the repository."""
    return ROOT
