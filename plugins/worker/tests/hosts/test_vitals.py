"""What the system tells of a process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from kernelq_worker.hosts import vitals


@pytest.fixture
def child():
    """A process that waits for its input to end."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield process
    process.kill()
    process.communicate()


def test_a_process_has_memory_and_has_used_the_processor():
    assert 1_000 < (vitals.resident(os.getpid()) or 0)
    assert 0 < (vitals.cpu_seconds(os.getpid()) or 0)


def test_a_stopped_process_does_nothing(child):
    os.kill(child.pid, signal.SIGSTOP)
    os.waitid(os.P_PID, child.pid, os.WSTOPPED)
    assert vitals.cpu_seconds(child.pid) is None


def test_a_process_that_has_ended_tells_nothing(child):
    child.kill()
    child.wait()
    assert vitals.cpu_seconds(child.pid) is None
    assert vitals.resident(child.pid) is None
