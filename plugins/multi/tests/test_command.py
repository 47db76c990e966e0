"""The command; what it does to processes is in the tests of whole workers."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from kernelq.cli.main import root
from kernelq.nodenames import gethostname


def say(*words: str) -> Result:
    return CliRunner().invoke(root, ["multi", *words])


def test_names_are_printed_one_on_a_line() -> None:
    assert f"a@{gethostname()}\nb@x\n" == say("names", "a", "b@x").stdout


def test_a_template_is_expanded_for_each() -> None:
    assert "a.pid\nb.pid\n" == say("expand", "%n.pid", "a", "b").stdout


def test_show_prints_what_a_shell_takes() -> None:
    said = say("show", "a", "-A", "proj", "--cmd=-m kernelq worker", "-Q", "two words").stdout

    assert "-m kernelq -A proj worker " in said
    assert "-Q 'two words'" in said


def test_one_node_may_be_asked_for() -> None:
    said = say("get", "b", "a", "b", "-c:b", "7")

    assert (0, True) == (said.exit_code, "-c 7" in said.stdout)
    assert 1 == say("get", "c", "a", "b").exit_code


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        ([], 2, "Usage"),
        (["help"], 0, "stopwait"),
        (["--help"], 0, "stopwait"),
        (["strat", "1"], 2, "Did you mean 'start'?"),
        (["start"], 2, "say which nodes"),
        (["names", "-c", "3"], 2, "say which nodes"),
        (["expand"], 2, "say what to expand"),
        (["names", "a", "-c:2", "3"], 2, "for node 2"),
    ],
)
def test_what_is_wrong_is_told(words: list[str], code: int, told: str) -> None:
    said = say(*words)

    assert (code, True) == (said.exit_code, told in said.output), said.output


@pytest.mark.parametrize("content", ["", "x", "1", str(os.getppid())], ids=["empty", "text", "init", "parent"])
@pytest.mark.parametrize("command", ["stop", "stopwait", "kill"])
def test_a_program_that_does_not_hold_the_file_is_not_signalled(tmp_path: Path, command: str, content: str) -> None:
    """The parent of this process lives on."""
    (tmp_path / "a.pid").write_text(content)

    said = say(command, "a", f"--pidfile={tmp_path}/%n.pid")

    assert (0, True) == (said.exit_code, "DOWN" in said.stderr)


def test_talk_can_be_turned_off() -> None:
    assert say("stop", "a@").stderr.startswith("kernelq multi v")
    assert "> a@" == say("stop", "a@", "--nosplash").stderr[:4]
    assert "" == say("stop", "a@", "--quiet").stderr
