"""A process that detaches itself."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import os, sys
from kernelq.cli.detach import Detached, is_detached
detached = Detached("log")
print("to the log", is_detached(), os.getppid() != os.getsid(0), flush=True)
sys.stderr.write("told\\n")
if os.fork() == 0:
    sys.stderr.write("said by a child\\n")
    sys.stderr.flush()
    os._exit(0)
os.wait()
{end}
open("done", "w").write(str(os.isatty(0)))
"""


@pytest.mark.parametrize(
    ("end", "code", "told"),
    [
        ("detached.started(); sys.stderr.write('later\\n')", 0, "told\n"),
        ("sys.exit(7)", 7, "told\n"),
        ("os.kill(os.getpid(), 15)", 143, "told\n"),
    ],
)
def test_the_command_ends_as_the_start_does(tmp_path: Path, end: str, code: int, told: str) -> None:
    """What is said until then is shown; what is said later is not, nor what others say."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(end=end)], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )

    assert (code, "", told) == (done.returncode, done.stdout, done.stderr)
    log = (tmp_path / "log").read_text()
    assert log.startswith("to the log True")
    assert "said by a child\n" in log


def test_it_holds_nothing_of_what_called_it(tmp_path: Path) -> None:
    """Whoever reads what the command prints comes to an end while the process goes on."""
    os.mkfifo(tmp_path / "wait")
    script = SCRIPT.format(end="detached.started(); open('wait').read()")
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=60)

    assert 0 == done.returncode
    assert not (tmp_path / "done").exists()
    (tmp_path / "wait").open("w").close()
