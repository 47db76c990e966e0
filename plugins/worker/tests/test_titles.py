"""A process is shown under its title."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import logging
logging.basicConfig(format="%(processName)s")
from kernelq_worker.titles import entitle
entitle({arguments})
logging.warning("x")
print(open("/proc/self/cmdline").read().rstrip("\\0 "), open("/proc/self/comm").read().strip(), sep="|")
"""


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="it looks into /proc")
@pytest.mark.parametrize(
    ("arguments", "shown", "logged"),
    [
        ("'w@here', status='active'", "[kernelqd: w@here:MainProcess] -active-|kernelqd", "MainProcess"),
        ("'w@here', 'prefork-3'", "[kernelqd: w@here:prefork-3]|kernelq-host", "prefork-3"),
    ],
)
def test_it_replaces_the_command_line_and_names_log_lines(arguments: str, shown: str, logged: str) -> None:
    """What was typed is gone: it may have held a password."""
    command = [sys.executable, "-c", SCRIPT.format(arguments=arguments), "redis://:geheim@here"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (shown, logged) == (done.stdout.strip(), done.stderr.strip())
