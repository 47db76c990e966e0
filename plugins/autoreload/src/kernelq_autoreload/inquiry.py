"""Asking a new interpreter what a change has made of the app."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any

PATIENCE = 60.0
"""Seconds that an import may take; a fresh host would be given up after the same."""
LOOK = 0.25
"""Seconds between two looks whether the answer is still wanted."""
START = """\
import json, os, sys
asked = json.loads(sys.stdin.buffer.readline())
sys.path[:] = [one for one in asked["path"] if one not in ("", os.getcwd())]
from kernelq_autoreload.probe import run
run(asked)
"""
COMMAND = (sys.executable, "-P", "-B", "-c", START)
"""The program that answers. Python looks into the current folder last, as it has in the worker, which had all its own
modules before it came to the project's: an email.py there is in nobody's way.

-B: a file saved twice within a second leaves bytecode that Python takes for that of the newer one.
"""
Answer = Mapping[str, Any]
"""``tasks`` and ``settings``, or ``error`` and ``traceback``; see `kernelq_autoreload.probe`."""


def ask(load: str, settings: Mapping[str, Any], unwanted: Callable[[], bool]) -> Answer | None:
    """Import the app in a new interpreter and return what it says; None where `unwanted` became true meanwhile.

    Settings may hold passwords: they go by stdin, where no other user of the machine sees them.
    """
    asked = json.dumps({"app": load, "path": sys.path, "settings": dict(settings)}).encode() + b"\n"
    pipe = subprocess.PIPE
    try:
        process = subprocess.Popen(COMMAND, stdin=pipe, stdout=pipe, stderr=pipe)  # noqa: S603 - the command is our own
    except OSError as error:
        return _failed(f"no process can be started to try it: {error}", bytearray())
    try:
        with suppress(OSError):  # it has ended: its answer, or the lack of one, is told below
            assert process.stdin is not None
            process.stdin.write(asked)
            process.stdin.flush()
        return _await(process, unwanted)
    finally:
        process.kill()
        _close(process)


def _await(process: subprocess.Popen[bytes], unwanted: Callable[[], bool]) -> Answer | None:
    from selectors import EVENT_READ, DefaultSelector

    said: dict[str, bytearray] = {"stdout": bytearray(), "stderr": bytearray()}
    deadline = time.monotonic() + PATIENCE
    with DefaultSelector() as selector:
        for name in said:
            selector.register(getattr(process, name), EVENT_READ, name)
        while selector.get_map():
            for key, _ in selector.select(LOOK):
                data = os.read(key.fd, 1 << 16)
                said[key.data] += data
                if not data:
                    selector.unregister(key.fileobj)
            if unwanted():
                return None
            if time.monotonic() > deadline:
                return _failed(f"its import took longer than {PATIENCE:g} seconds", said["stderr"])
    code = process.wait()
    try:
        answer: Answer = json.loads(said["stdout"])
    except ValueError:
        return _failed(f"Python ended with exit code {code} while it was imported", said["stderr"])
    return answer


def _failed(why: str, said: bytearray) -> Answer:
    return {"error": why, "traceback": said.decode(errors="replace")[-4000:].strip()}


def _close(process: subprocess.Popen[bytes]) -> None:
    process.wait()
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            with suppress(OSError):
                stream.close()


def forget_bytecode(paths: Iterable[str]) -> None:
    """Remove the bytecode of changed files.

    Python recognises stale bytecode by the source's size and its time in whole seconds; two saves within one second,
    of the same length, would leave the code of the first.
    """
    for path in paths:
        if path.endswith(".py"):
            with suppress(OSError, NotImplementedError):
                os.unlink(importlib.util.cache_from_source(path))
