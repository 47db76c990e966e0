"""The plugin in a running worker."""

from __future__ import annotations

import pytest

from kernelq_hello import hooks
from kernelq_hello.command import hello
from kernelq_hello.greeter import Greeter


@pytest.fixture
def kernelq_plugins():
    """What the installed distribution would register."""
    return {"steps_worker": {"Greeter": Greeter}, "commands": {"hello": hello}, "hooks": {"hello": hooks}}


def test_the_worker_greets(kernelq_app, kernelq_start):
    """The step runs, and the command answers with the name from the settings."""
    kernelq_app.conf.hello_name = "reader"
    kernelq_start()
    (reply,) = kernelq_app.control.broadcast("hello", reply=True, timeout=5, limit=1)
    assert [{"ok": "Hello, reader!"}] == list(reply.values())
