"""The process of a node."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kernelq_multi.node import Node
from kernelq_multi.process import Running, running

HOLD = """
import sys
from kernelq.pidfile import PidFile
with PidFile(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def node(tmp_path: Path) -> Node:
    """A node whose pid file is in the folder."""
    return Node("a@here", {"--pidfile": str(tmp_path / "%n.pid")})


@pytest.fixture
def held(node: Node) -> Iterator[subprocess.Popen[bytes]]:
    """A process that holds the node's pid file."""
    pipe = subprocess.PIPE
    process = subprocess.Popen([sys.executable, "-c", HOLD, node.pidfile], stdin=pipe, stdout=pipe)
    assert process.stdout is not None
    assert b"held\n" == process.stdout.readline()
    yield process
    process.kill()
    process.communicate()


def test_who_holds_the_file_is_signalled(node: Node, held: subprocess.Popen[bytes]) -> None:
    found = running(node)
    assert isinstance(found, Running)

    assert held.pid == found.process.pid
    assert found.lives
    assert found.send(signal.SIGKILL)
    assert -signal.SIGKILL == held.wait()
    assert not found.lives
    assert not found.send(signal.SIGKILL), "there is nobody to get it"
    assert running(node) is None


def test_one_that_nobody_buries_is_down(node: Node, held: subprocess.Popen[bytes]) -> None:
    """A zombie has its number, and no longer the file."""
    found = running(node)
    assert found is not None
    found.send(signal.SIGKILL)
    while found.lives:
        assert held.returncode is None

    assert running(node) is None


def test_without_a_file_a_node_is_down(node: Node) -> None:
    assert running(node) is None
