"""The pid file."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kernelq.kernel.errors import ConfigurationError
from kernelq.pidfile import PidFile, holder

HOLD = """
import os, sys
from kernelq.pidfile import PidFile
if "again" in sys.argv:
    with PidFile(sys.argv[1]):
        print(os.getpid(), flush=True)
        sys.stdin.read()
with PidFile(sys.argv[1]):
    if "child" in sys.argv and os.fork() == 0:
        sys.stdin.read()
        os._exit(0)
    print(os.getpid(), flush=True)
    sys.stdin.readline()
    if "become" in sys.argv:
        os.execv(sys.executable, [sys.executable, "-c", os.environ["HOLD"], sys.argv[1], "again"])
"""

Hold = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def hold(tmp_path: Path) -> Iterator[Hold]:
    """A function that starts a process with the pid file `w.pid`; it has it when the function returns."""
    started: list[subprocess.Popen[str]] = []

    def begin(*words: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", HOLD, str(tmp_path / "w.pid"), *words]
        environment = {**os.environ, "HOLD": HOLD}
        pipe = subprocess.PIPE
        process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment)
        started.append(process)
        assert process.stdout is not None
        assert process.pid == int(process.stdout.readline())
        return process

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def test_it_holds_our_pid_while_we_run(tmp_path: Path) -> None:
    path = tmp_path / "w.pid"

    with PidFile(str(path)):
        assert [os.getpid()] == [int(word) for word in subprocess.check_output(["cat", path]).split()]

    assert not path.exists()


def test_a_live_process_is_refused(tmp_path: Path, hold: Hold) -> None:
    """The error names the process, and its file stays as it is."""
    other, path = hold(), str(tmp_path / "w.pid")

    with pytest.raises(ConfigurationError, match=str(other.pid)), PidFile(path):
        pass

    assert other.pid == holder(path)


CONTENTS = {"empty": "", "text": "no number", "own": str(os.getpid()), "parent": str(os.getppid()), "init": "1"}


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS)
def test_what_nobody_holds_is_taken_over(tmp_path: Path, content: str) -> None:
    """Also where a process of that number lives: it is somebody else's program."""
    path = tmp_path / "w.pid"
    path.write_text(content)

    assert holder(str(path)) is None
    with PidFile(str(path)):
        assert f"{os.getpid()}\n" == subprocess.check_output(["cat", path], text=True)


def test_what_a_killed_process_has_left_is_taken_over(tmp_path: Path, hold: Hold) -> None:
    """Even while a process that it has forked lives on."""
    killed, path = hold("child"), tmp_path / "w.pid"
    killed.send_signal(signal.SIGKILL)
    killed.wait()

    assert f"{killed.pid}\n" == path.read_text()
    assert holder(str(path)) is None
    with PidFile(str(path)):
        pass


def test_a_process_that_becomes_another_program_keeps_it(tmp_path: Path, hold: Hold) -> None:
    """A worker that begins anew by HUP: at no moment is the file free, and in the end it is gone."""
    process, path = hold("become"), tmp_path / "w.pid"
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("go\n")
    process.stdin.flush()
    seen = {holder(str(path))}
    while not select.select([process.stdout], [], [], 0)[0]:
        seen.add(holder(str(path)))

    assert {process.pid} == {*seen, holder(str(path))}
    process.communicate()
    assert not path.exists()


def test_a_file_that_was_replaced_meanwhile_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "w.pid"

    with PidFile(str(path)):
        path.unlink()
        path.write_text("7\n")

    assert "7\n" == path.read_text()


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    """In a folder that all may write to, somebody could have another file overwritten."""
    target, path = tmp_path / "precious", tmp_path / "w.pid"
    target.write_text("precious")
    path.symlink_to(target)

    with pytest.raises(ConfigurationError, match="--pidfile"), PidFile(str(path)):
        pass

    assert "precious" == target.read_text()


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="--pidfile"), PidFile(str(tmp_path / "no" / "w.pid")):
        pass


def test_where_there_is_no_file_nobody_holds_it(tmp_path: Path) -> None:
    assert holder(str(tmp_path / "w.pid")) is None
