"""Colour, on a real terminal and off it."""

from __future__ import annotations

import json
import os
import subprocess
import sys


def _on_a_terminal(folder, *words, **env):
    """Run with a pseudo-terminal as stdout and return what it showed."""
    import pty

    ours, theirs = pty.openpty()
    clean = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    process = subprocess.Popen(
        [sys.executable, "-m", "kernelq.cli.main", *words], cwd=folder, stdout=theirs, stderr=subprocess.DEVNULL,
        env=clean | {"TERM": "xterm", "PYTHONPATH": str(folder), **env},
    )  # fmt: skip
    os.close(theirs)
    shown = b""
    try:
        while chunk := os.read(ours, 65536):
            shown += chunk
    except OSError:
        pass  # Linux ends a pseudo-terminal with EIO
    finally:
        os.close(ours)
        assert 0 == process.wait(timeout=30)
    return shown


def test_colour_only_on_a_terminal_and_never_against_no_color(folder, kernelq):
    words = ("-A", "shop", "steps", "graph")
    assert b"\x1b[" in _on_a_terminal(folder, *words)
    assert b"\x1b[" not in _on_a_terminal(folder, *words, NO_COLOR="1")
    assert b"\x1b[" not in _on_a_terminal(folder, "--no-color", *words)
    assert "\x1b[" not in kernelq(*words).stdout


def test_what_the_terminal_lacks_is_escaped_and_json_stays_json(kernelq):
    for encoding in ("ascii", "latin-1"):
        assert 0 == kernelq("--help", PYTHONIOENCODING=encoding).returncode
    settings = {"KERNELQ_TASK_DEFAULT_QUEUE": "büro", "PYTHONIOENCODING": "ascii"}
    assert r"b\xfcro" in kernelq("config", "show", "--changed", **settings).stdout
    shown = json.loads(kernelq("config", "show", "--changed", "-o", "json", **settings).stdout)
    assert "büro" == shown[0]["value"]
