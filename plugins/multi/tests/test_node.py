"""One node."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from kernelq_multi.folders import make_folders
from kernelq_multi.node import Node, default_paths


def test_the_usual_files_are_where_a_system_keeps_them_for_root_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert {"--pidfile": "/var/run/kernelq/%n.pid", "--logfile": "/var/log/kernelq/%n%I.log"} == default_paths()
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert {"--pidfile": "%n.pid", "--logfile": "%n%I.log"} == default_paths()


def test_paths_are_those_of_the_worker_that_will_write_them(tmp_path: Path) -> None:
    node = Node("one@here", {"-p": "%n.pid", "-f": "~/%n%I.log", "--workdir": str(tmp_path)})

    assert str(tmp_path / "one.pid") == node.pidfile
    assert os.path.expanduser("~/one.log") == node.logfile
    assert f"--logfile={os.path.expanduser('~/one%I.log')}" in node.argv


def test_an_interpreter_is_called_and_not_passed_on() -> None:
    assert (sys.executable, "other") == (Node("a@b").executable, Node("a@b", {"--executable": "other"}).executable)
    assert not any("executable" in word for word in Node("a@b", {"--executable": "other"}).argv)


def test_another_command_may_be_named() -> None:
    node = Node("a@b", {"-A": "proj"}, "-m other 'two words' %n", "--last %n")

    assert ["-m", "other", "two words", "a", "-A", "proj"] == node.argv[:6]
    assert ["--last", "a"] == node.argv[-2:]


def test_folders_are_made_for_whom_the_node_becomes(tmp_path: Path) -> None:
    uid, gid = (1, 2) if os.geteuid() == 0 else (os.getuid(), os.getgid())
    files = {"--pidfile": str(tmp_path / "run" / "%n.pid"), "--logfile": str(tmp_path / "log" / "%n.log")}

    make_folders(Node("a@b", {**files, "--uid": str(uid), "--gid": str(gid)}))

    assert {"run": (uid, gid), "log": (uid, gid)} == {
        path.name: (path.stat().st_uid, path.stat().st_gid) for path in tmp_path.iterdir()
    }
