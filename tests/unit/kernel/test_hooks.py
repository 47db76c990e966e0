"""Hooks: events are isolated, decisions propagate, misspelt names are refused."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from kernelq.kernel import hookspecs
from kernelq.kernel.errors import HookError
from kernelq.kernel.hooks import NAMES, Hooks, hookimpl


def plugin(**functions: Any) -> object:
    marked = {name: staticmethod(hookimpl(function)) for name, function in functions.items()}
    return type("Plugin", (), marked)()


def test_every_implementation_of_an_event_is_called_with_the_arguments_it_names() -> None:
    heard: list[Any] = []
    hooks = Hooks()
    hooks.register(plugin(task_success=lambda result: heard.append(result)))
    hooks.register(plugin(task_success=lambda sender, result: heard.append((sender, result))))
    hooks.event("task_success", sender="s", result=1)
    assert heard == [("s", 1), 1]


def test_an_event_that_raises_is_logged_by_name_and_the_rest_are_called(caplog: pytest.LogCaptureFixture) -> None:
    heard: list[int] = []
    hooks = Hooks()
    hooks.register(plugin(task_success=lambda result: heard.append(result)), "quiet")
    hooks.register(plugin(task_success=lambda result: 1 / 0), "broken")
    with caplog.at_level(logging.ERROR):
        hooks.event("task_success", sender=None, result=7)
    assert heard == [7]
    assert "hook task_success: broken raised" in caplog.text


def test_a_decision_gives_the_first_answer_and_lets_errors_through() -> None:
    arguments = {"loglevel": 20, "logfile": None, "format": "", "colorize": False}
    hooks = Hooks()
    assert hooks.decide("setup_logging", **arguments) is None
    hooks.register(plugin(setup_logging=lambda loglevel: loglevel == 20))
    assert hooks.decide("setup_logging", **arguments) is True
    hooks.register(plugin(setup_logging=lambda logfile: 1 / 0))
    with pytest.raises(ZeroDivisionError):
        hooks.decide("setup_logging", **arguments)


def test_a_misspelt_hook_is_an_error_at_registration_with_a_suggestion() -> None:
    hooks = Hooks()
    with pytest.raises(HookError, match="implements 'task_sucess', which is no hook. Did you mean 'task_success'"):
        hooks.register(plugin(task_sucess=lambda result: None, task_retry=lambda reason: None))
    assert hooks.compiled("task_retry") is None


def test_an_argument_that_the_hook_has_not_is_an_error_at_registration() -> None:
    with pytest.raises(HookError, match="task_success"):
        Hooks().register(plugin(task_success=lambda outcome: None))


def test_a_wrapper_around_an_event_is_refused() -> None:
    class Wraps:
        @hookimpl(wrapper=True)
        def task_success(self) -> Any:
            return (yield)

    with pytest.raises(HookError, match="wraps the event hook task_success"):
        Hooks().register(Wraps(), "wraps")


def test_a_hook_that_nobody_implements_compiles_to_nothing() -> None:
    hooks = Hooks()
    assert hooks.compiled("task_success") is None
    hooks.register(plugin(task_success=lambda result: None))
    assert hooks.compiled("task_success") is not None


def test_receivers_connected_in_code_are_heard_too() -> None:
    heard: list[Any] = []
    hooks = Hooks(extra=lambda name: [lambda **arguments: heard.append((name, arguments))])
    hooks.event("task_success", sender=1, result=2)
    assert heard == [("task_success", {"sender": 1, "result": 2})]


def test_an_unknown_event_is_an_error_with_a_suggestion() -> None:
    with pytest.raises(HookError, match="Did you mean 'task_retry'"):
        Hooks().event("task_retri")


def test_only_decisions_can_be_decided() -> None:
    with pytest.raises(HookError, match="task_success is an event; decisions are setup_logging"):
        Hooks().decide("task_success", sender=None, result=None)


def test_every_hook_is_documented() -> None:
    assert [name for name in sorted(NAMES) if not getattr(hookspecs, name).__doc__] == []
