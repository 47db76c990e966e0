"""Signals, connected in code."""

from __future__ import annotations

import gc
import logging
from typing import Any

import pytest

from kernelq import signals
from kernelq.kernel.hooks import NAMES, Hooks
from kernelq.signals import Signal


@pytest.fixture
def signal():
    return Signal("example")


def test_a_receiver_is_told_with_the_arguments_it_takes(signal):
    seen: list[Any] = []

    @signal.connect
    def some(sender, value):
        seen.append((sender, value))

    @signal.connect
    def all_of_them(**arguments):
        seen.append(sorted(arguments))

    signal.send("me", value=1, other=2)

    assert [("me", 1), ["other", "sender", "signal", "value"]] == seen


def test_a_sender_is_one_and_no_other(signal):
    """By identity, and by the name of a task."""
    seen = []
    signal.connect(lambda sender: seen.append(sender), sender="shop.pack", weak=False)

    signal.send("shop.pack")
    signal.send("shop.ship")

    assert ["shop.pack"] == seen


def test_an_error_of_one_stops_nobody(signal, caplog):
    seen = []
    signal.connect(lambda **_: 1 / 0, weak=False, dispatch_uid="bad")
    signal.connect(lambda **_: seen.append(1), weak=False, dispatch_uid="good")

    with caplog.at_level(logging.ERROR, "kernelq.signals"):
        answers = signal.send()

    assert [1] == seen
    assert isinstance(answers[0][1], ZeroDivisionError)
    assert "ZeroDivisionError" in caplog.text


def test_a_connection_is_weak_unless_asked_otherwise(signal):
    def build():
        def receiver(**_): ...

        signal.connect(receiver)

    build()
    gc.collect()

    assert () == signal.receivers()
    assert not signal.has_listeners()


def test_a_bound_method_is_held_weakly_with_its_object(signal):
    class Owner:
        def receive(self, **_): ...

    owner = Owner()
    signal.connect(owner.receive)
    assert signal.has_listeners()

    del owner
    gc.collect()

    assert not signal.has_listeners()


def test_connecting_twice_is_once(signal):
    def receiver(**_): ...

    signal.connect(receiver)
    signal.connect(receiver)
    signal.connect(lambda **_: None, weak=False, dispatch_uid="one")
    signal.connect(lambda **_: None, weak=False, dispatch_uid="one")

    assert 2 == len(signal.receivers())


def test_disconnecting_ends_it_and_tells_whether_it_was(signal):
    def receiver(**_): ...

    signal.connect(receiver, sender="a")

    assert not signal.disconnect(receiver)
    assert signal.disconnect(receiver, sender="a")
    assert not signal.has_listeners()


def test_hooks_tell_what_is_connected_and_cost_nothing_otherwise():
    """`compiled` is None as long as nobody listens."""
    hooks = Hooks(extra=signals.receivers)
    seen = []

    def receiver(sender, result):
        seen.append(result)

    assert None is hooks.compiled("task_success")
    version = signals.task_success.version
    signals.task_success.connect(receiver)
    try:
        hooks.event("task_success", sender=None, result=7)
    finally:
        signals.task_success.disconnect(receiver)

    assert [7] == seen
    assert version + 2 == signals.task_success.version


def test_every_signal_is_found_by_its_name():
    assert {name: signal.name for name, signal in signals.SIGNALS.items()} == {name: name for name in signals.SIGNALS}
    assert () == signals.receivers("declare_settings")


def test_there_is_a_signal_for_every_hook_and_no_other():
    """`declare_settings` comes before any code of an app could have connected itself."""
    assert NAMES - {"declare_settings"} == set(signals.SIGNALS)
    assert [] == [name for name, signal in signals.SIGNALS.items() if getattr(signals, name) is not signal]
