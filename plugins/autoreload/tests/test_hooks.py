"""The hooks of the plugin."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from kernelq import KernelQ
from kernelq_autoreload import hooks
from kernelq_autoreload.dev import lines


@attrs.frozen
class Options:
    """The one option that the hook reads."""

    load: str


def start_method(load: str, **settings: Any) -> str:
    """Return how hosts would be started after the hook was told of a worker."""
    conf = KernelQ("t", **settings).conf
    hooks.celeryd_init(conf, Options(load))
    return f"{conf.as_dict()['worker_start_method']} from {conf.source('worker_start_method')}"


def test_hosts_are_started_as_new_interpreters() -> None:
    assert "spawn from autoreload" == start_method("tasks", worker_autoreload=True)


def test_without_autoreload_they_start_as_ever() -> None:
    assert "auto from default" == start_method("tasks")


def test_where_the_app_cannot_be_imported_the_step_says_so() -> None:
    """The pool would complain first, of something that nobody asked for."""
    assert "auto from default" == start_method("", worker_autoreload=True)


def test_what_somebody_has_set_stays() -> None:
    chosen = start_method("tasks", worker_autoreload=True, worker_start_method="fork")

    assert "fork from the app's arguments" == chosen


@pytest.mark.parametrize(("variable", "logfile"), [(None, None), ("1", "w.log")])
def test_only_kernelq_dev_at_a_terminal_has_lines_of_its_own(
    monkeypatch: pytest.MonkeyPatch, variable: str | None, logfile: str | None
) -> None:
    monkeypatch.delenv(lines.ENVIRONMENT, raising=False)
    if variable is not None:
        monkeypatch.setenv(lines.ENVIRONMENT, variable)

    assert hooks.setup_logging(20, logfile) is None
