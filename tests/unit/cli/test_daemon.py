"""The options of daemons; what they do to a process is in the tests of whole workers."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from kernelq.cli.daemon import EXECUTED, Daemon, daemon_options
from kernelq.kernel.errors import ConfigurationError


@click.command()
@daemon_options
@click.option("--other")
def command(**options: object) -> None:
    """Say what was given."""
    click.echo(f"{Daemon.of(options)} {options}")


def test_their_values_are_taken_out_of_the_options() -> None:
    said = CliRunner().invoke(command, ["-D", "-f", "%n.log", "--umask", "027", "--other", "x"]).output

    assert "detach=True, logfile='%n.log', pidfile=None, uid=None, gid=None, umask=23" in said
    assert said.endswith("{'other': 'x'}\n")


@pytest.fixture
def daemon() -> Daemon:
    """A daemon that stays in the foreground."""
    return Daemon(detach=False, logfile=None, pidfile=None, uid=None, gid=None, umask=None, executable=None)


def test_the_pid_file_is_that_of_the_node(daemon: Daemon, tmp_path: Path) -> None:
    daemon.pidfile = str(tmp_path / "%n-%h.pid")

    with daemon.entered("one@here", str(tmp_path)):
        assert ["one-here.pid"] == os.listdir(tmp_path)
        daemon.started()

    assert [] == os.listdir(tmp_path)


def test_an_interpreter_that_is_not_there_is_told(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    daemon.executable = "no-such-python"

    with pytest.raises(ConfigurationError, match="no-such-python"), daemon.entered("one@here", "/"):
        pass


def test_a_process_becomes_another_interpreter_once(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(EXECUTED, str(os.getpid()))
    daemon.executable = sys.executable

    with daemon.entered("one@here", "/"):
        pass
