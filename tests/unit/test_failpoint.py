"""Failpoints: nothing where none is ordered, and a fault at the call that was."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys

import pytest

from kernelq.failpoint import ACTIONS, POINTS, VARIABLE, FailpointReached, around
from kernelq.kernel.errors import ConfigurationError


def double(n):
    return n * 2


def test_without_an_order_the_function_comes_back_itself():
    """So nothing is paid for, not even where another point is ordered."""
    assert around(double, "before_settle", "after_settle", {}) is double
    assert around(double, "before_settle", "after_settle", {VARIABLE: "before_store:kill"}) is double
    assert around(double, after="after_settle", environment={VARIABLE: "before_settle:kill"}) is double


def test_raise_at_the_call_of_that_number(capfd):
    """Once, and it says so."""
    function = around(double, "before_settle", environment={VARIABLE: "before_settle:2:raise"})

    assert 4 == function(2)
    with pytest.raises(FailpointReached, match="before_settle, call 2"):
        function(2)
    assert 6 == function(3)
    assert f"kernelq: failpoint before_settle:2:raise in process {os.getpid()}\n" == capfd.readouterr().err


def test_after_means_that_the_call_was_made():
    """The number may be left out: the first."""
    calls = []
    function = around(calls.append, "before_store", "after_store", {VARIABLE: "after_store:raise"})

    with pytest.raises(FailpointReached):
        function(1)
    assert [1] == calls


def test_a_coroutine_function_stays_one():
    """And its end is the end of the coroutine, not of the call that makes it."""
    ended = []

    async def task(n):
        await asyncio.sleep(0)
        ended.append(n)
        return n

    function = around(task, "before_execute", "after_execute", {VARIABLE: "after_execute:2:raise"})

    assert asyncio.iscoroutinefunction(function) or hasattr(function, "__wrapped__")
    assert 1 == asyncio.run(function(1))
    with pytest.raises(FailpointReached):
        asyncio.run(function(2))
    assert [1, 2] == ended


def test_several_may_be_ordered():
    """With commas between them."""
    ordered = {VARIABLE: "before_begin:raise, after_begin:raise"}

    for name in ("before_begin", "after_begin"):
        with pytest.raises(FailpointReached, match=name):
            around(double, *((name, "") if name.startswith("before") else ("", name)), ordered)(1)


@pytest.mark.parametrize(("action", "status"), [("kill", signal.SIGKILL), ("stop", signal.SIGSTOP)])
def test_kill_and_stop_are_signals(action, status):
    """To the process itself, from its environment."""
    source = "from kernelq.failpoint import around; around(print, 'before_publish')('never')"
    environment = {**os.environ, VARIABLE: f"before_publish:{action}"}
    process = subprocess.Popen([sys.executable, "-c", source], env=environment, stdout=-1, stderr=-1)
    try:
        _, found = os.waitpid(process.pid, os.WUNTRACED)
        assert status == (os.WSTOPSIG(found) if os.WIFSTOPPED(found) else os.WTERMSIG(found))
    finally:
        process.kill()
        out, err = process.communicate()
    assert b"" == out
    assert err.startswith(b"kernelq: failpoint before_publish:1:")


def test_sleep_goes_on(monkeypatch):
    """It takes its time, and then the call is made."""
    slept = []
    monkeypatch.setattr("time.sleep", slept.append)

    assert 2 == around(double, "before_submit", environment={VARIABLE: "before_submit:sleep"})(1)
    assert [1.0] == slept


@pytest.mark.parametrize(
    ("ordered", "told"),
    [
        ("before_setle:kill", "Did you mean 'before_settle'"),
        ("before_settle", "<name>[:n]:<action>"),
        ("before_settle:0:kill", "<name>[:n]:<action>"),
        ("before_settle:x:kill", "<name>[:n]:<action>"),
        ("before_settle:1:burn", ", ".join(ACTIONS)),
    ],
)
def test_an_order_that_cannot_be_read_is_an_error(ordered, told):
    """Of whoever is asked for any point at all: a typing error must not make a test pass."""
    with pytest.raises(ConfigurationError) as caught:
        around(double, "after_claim", environment={VARIABLE: ordered})
    assert told in str(caught.value)


def test_every_point_is_somewhere(repository):
    """Each one that can be ordered is at its place in the source."""
    sources = [*repository.glob("core/src/**/*.py"), *repository.glob("plugins/*/src/**/*.py")]
    text = "".join(path.read_text() for path in sources if path.name != "failpoint.py")

    assert [] == [name for name in POINTS if f'"{name}"' not in text]
