"""A worker that detaches itself, and what it takes from the options of daemons."""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import processes
import pytest

from kernelq_testkit.waiting import patience

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(project: Any) -> Iterator[Run]:
    """A function that calls `kernelq worker` and waits until it has ended or detached itself; daemons are ended."""
    command = [sys.executable, "-m", "kernelq", "-A", "tasks"]

    def called(*words: str, before: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*command, *before, "worker", *words],
            cwd=project.folder,
            capture_output=True,
            text=True,
            timeout=patience(120),
        )

    yield called
    for path in project.folder.rglob("*.pid"):
        pid = int(path.read_text())
        processes.end([pid, *processes.children(pid)])


def test_it_goes_on_in_the_background_when_it_has_started(project: Any, run: Run, until: Any) -> None:
    """The command ends, what it was called by holds nothing of it, and each host logs to its own file."""
    done = run(
        "-D", "-n", "one@test", "-c", "1", "-P", "prefork", "-l", "INFO", "-f", "%n%I.log", "--pidfile", "%n.pid"
    )

    assert (0, "", "") == (done.returncode, done.stdout, done.stderr)
    pid = int((project.folder / "one.pid").read_text())
    assert 2 == project.send("add", 1, 1).get(timeout=60)
    assert (pid, True) != (os.getsid(pid), True), "no leader of a session, so it never gets a terminal"
    os.kill(pid, signal.SIGUSR1)
    log = project.folder / "one.log"
    until(lambda: "most recent call first" in log.read_text(), "the stacks in the log")

    os.kill(pid, signal.SIGHUP)
    until(lambda: 2 == log.read_text().count("one@test ready."), "it to begin anew")
    assert pid == int((project.folder / "one.pid").read_text())

    os.kill(pid, signal.SIGTERM)
    until(lambda: not processes.lives(pid), "its end")
    assert not (project.folder / "one.pid").exists()


def test_what_is_wrong_is_told_before_it_is_gone(project: Any, run: Run) -> None:
    done = run("-D", "-f", "w.log", "--pidfile", "w.pid", "-P", "nope")

    assert 3 == done.returncode
    assert "asks for 'nope'" in done.stderr
    assert not (project.folder / "w.pid").exists()


def test_a_log_that_cannot_be_written_is_told(run: Run) -> None:
    done = run("-D", "-f", "nowhere/w.log")

    assert (3, True) == (done.returncode, "-f: the log file nowhere/w.log" in done.stderr), done.stderr


def test_after_kill_the_pid_file_is_taken_over(project: Any, run: Run) -> None:
    words = ("-D", "-n", "one@test", "-c", "1", "--pidfile", "%n.pid")
    assert 0 == run(*words).returncode
    first = int((project.folder / "one.pid").read_text())
    assert (3, True) == ((again := run(*words)).returncode, str(first) in again.stderr)

    os.kill(first, signal.SIGKILL)

    assert 0 == run(*words).returncode
    assert first != int((project.folder / "one.pid").read_text())


def test_folder_umask_and_interpreter(project: Any, run: Run, tmp_path: Path) -> None:
    """The interpreter is another one: it says so by its name."""
    (project.folder / "sub").mkdir()
    (project.folder / "sub" / "tasks.py").write_text((project.folder / "tasks.py").read_text())
    other = tmp_path / "other-python"
    other.write_text(f'#!/bin/sh\necho "called $0 $*" > {tmp_path}/called\nexec {sys.executable} "$@"\n')
    other.chmod(0o755)

    done = run(
        "-D", "--umask", "077", "--executable", "./other-python", "--pidfile", "w.pid", "-f", "w.log", "-c", "1",
        before=("--workdir", "sub"),
    )  # fmt: skip

    assert (0, "") == (done.returncode, done.stderr)
    assert 0o600 == (project.folder / "sub" / "w.log").stat().st_mode & 0o777
    assert (tmp_path / "called").read_text().startswith(f"called {other} -m kernelq -A tasks --workdir sub")
    assert (project.folder / "sub" / "w.pid").exists()


@pytest.mark.parametrize("mask", ["8", "1777", "many"])
def test_what_is_no_umask_is_a_mistake_of_usage(run: Run, mask: str) -> None:
    done = run("--umask", mask)

    assert (2, True) == (done.returncode, f"'{mask}' is no umask" in done.stderr)


def nobody_can() -> bool:
    """Tell whether root runs this, and others may read the interpreter and its library."""
    if os.geteuid() != 0:
        return False
    try:
        command = [sys.executable, "-c", "import sysconfig"]
        return subprocess.run(command, user="nobody", cwd="/", capture_output=True).returncode == 0
    except PermissionError:
        return False


@pytest.mark.skipif(not nobody_can(), reason="only root may, with an interpreter that others may read")
def test_root_becomes_somebody_else_for_good(project: Any, run: Run) -> None:
    """With the groups of that user alone; files are theirs, and what HUP begins is too."""
    nobody = pwd.getpwnam("nobody")
    for path in (project.folder, *project.folder.parents):
        if path.stat().st_mode & 0o777 == 0o700:
            path.chmod(0o755)
    project.folder.chmod(0o777)
    words = ("-D", "-n", "one@test", "-c", "1", "--pidfile", "%n.pid", "--uid", "nobody", "-f", "%n.log")

    assert "" == run(*words).stderr

    path = project.folder / "one.pid"
    pid, written = int(path.read_text()), path.stat()
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    fields = {line.partition(":")[0]: line.split()[1:] for line in status}
    assert (nobody.pw_uid, nobody.pw_gid) == (written.st_uid, written.st_gid)
    assert [str(nobody.pw_uid)] * 4 == fields["Uid"]
    assert [str(nobody.pw_gid)] * 4 == fields["Gid"]
    assert [str(gid) for gid in sorted(os.getgrouplist("nobody", nobody.pw_gid))] == fields["Groups"]
    assert ["0000000000000000"] == fields["CapEff"]
