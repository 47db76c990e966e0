"""The pool object: how many greenlets in how many hosts, and a supervisor without gevent."""

from __future__ import annotations

import subprocess
import sys

import pytest

from kernelq.kernel.contracts.pool import Layout
from kernelq_gevent import Gevent


@pytest.mark.parametrize(
    ("concurrency", "hosts", "expected"),
    [(1000, None, Layout(1, 1000)), (1000, 2, Layout(2, 500)), (3, 2, Layout(2, 2)), (2, 9, Layout(2, 1))],
)
def test_layout(concurrency, hosts, expected):
    assert expected == Gevent().layout(concurrency, hosts)


def test_the_pool_object_does_not_import_gevent():
    """The supervisor asks it for a layout, and is to stay as Python made it."""
    code = (
        "import sys, kernelq_gevent as k\n"
        "k.Gevent().layout(8, None)\n"
        "assert not {'gevent', 'greenlet'} & set(sys.modules)"
    )

    assert 0 == subprocess.run([sys.executable, "-c", code], check=False).returncode


def test_prepare_patches_a_new_interpreter_without_a_warning():
    """Locks, threads, sleeps and sockets are gevent's afterwards, also for who had imported their modules before."""
    code = (
        "import logging, queue, select, socket, threading, time\n"
        "from kernelq_gevent import Gevent\n"
        "Gevent().prepare()\n"
        "from gevent import monkey\n"
        "names = ['socket', 'threading', 'time', 'select', 'ssl', 'subprocess', 'queue']\n"
        "assert all(map(monkey.is_module_patched, names))\n"
        "assert 'gevent' in type(threading.Lock()).__module__\n"
        "assert 'gevent' in socket.socket.__module__"
    )

    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)

    assert (0, "", "") == (done.returncode, done.stdout, done.stderr)
