"""What systemd is told, over a real socket of its kind."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from kernelq_health.notify import Notify
from kernelq_health.pulse import Verdict

WELL = Verdict(live=True, ready=True, started=True)
AWAY = Verdict(live=True, ready=False, started=True, reasons=("no connection",))
ILL = Verdict(live=False, ready=False, started=True, reasons=("stuck",))


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    """The socket that a service manager reads."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(tmp_path / "notify"))
        sock.setblocking(False)
        yield sock


def heard(manager: socket.socket) -> list[list[str]]:
    """What has come, a list of lines for each datagram."""
    found = []
    try:
        while True:
            found.append(manager.recv(4096).decode().split("\n"))
    except BlockingIOError:
        return found


@pytest.fixture
def notify(manager: socket.socket) -> Notify:
    """What a service has to say to it; with a watchdog."""
    made = Notify.of({"NOTIFY_SOCKET": manager.getsockname(), "WATCHDOG_USEC": "30000000"})
    assert made is not None
    return made


def test_it_is_ready_when_it_consumes(notify: Notify, manager: socket.socket) -> None:
    """Until then systemd is asked for patience; afterwards a lost connection is a matter of its status."""
    for verdict in (AWAY, WELL, WELL, AWAY, WELL):
        notify.tell(verdict)

    assert [
        ["WATCHDOG=1", "EXTEND_TIMEOUT_USEC=15000000", "STATUS=no connection"],
        ["WATCHDOG=1", "READY=1", "STATUS=it consumes"],
        ["WATCHDOG=1"],
        ["WATCHDOG=1", "STATUS=no connection"],
        ["WATCHDOG=1", "STATUS=it consumes"],
    ] == heard(manager)


def test_the_watchdog_hears_nothing_of_one_that_is_ill(notify: Notify, manager: socket.socket) -> None:
    notify.tell(WELL)
    notify.tell(ILL)

    assert ["STATUS=stuck"] == heard(manager)[-1]


def test_the_end_is_told_once(notify: Notify, manager: socket.socket) -> None:
    notify.stopping(restarts=False)
    notify.stopping(restarts=False)

    assert [["STOPPING=1"]] == heard(manager)


def test_a_restart_is_told_with_its_time(notify: Notify, manager: socket.socket) -> None:
    """As Type=notify-reload wants it."""
    notify.stopping(restarts=True)

    ((first, second),) = heard(manager)
    assert "RELOADING=1" == first
    assert second.removeprefix("MONOTONIC_USEC=").isdecimal()


def test_an_abstract_socket_will_do() -> None:
    name = f"kernelq-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(f"\0{name}")
        notify = Notify.of({"NOTIFY_SOCKET": f"@{name}"})
        assert notify is not None
        notify.tell(WELL)
        assert b"READY=1\nSTATUS=it consumes" == sock.recv(4096)


@pytest.mark.parametrize(
    ("environment", "watchdog"),
    [
        ({}, float("inf")),
        ({"WATCHDOG_USEC": "5000000"}, 5.0),
        ({"WATCHDOG_USEC": "5000000", "WATCHDOG_PID": str(os.getpid())}, 5.0),
        ({"WATCHDOG_USEC": "5000000", "WATCHDOG_PID": "1"}, float("inf")),
        ({"WATCHDOG_USEC": "soon"}, float("inf")),
        ({"WATCHDOG_USEC": "0"}, float("inf")),
    ],
)
def test_a_watchdog_is_told_where_this_process_is_watched(environment: dict[str, str], watchdog: float) -> None:
    made = Notify.of({"NOTIFY_SOCKET": "/nowhere", **environment})

    assert made is not None
    assert watchdog == made.watchdog
    made.tell(WELL)  # nobody listens, and that is no error


def test_without_a_socket_nobody_asks() -> None:
    assert Notify.of({"WATCHDOG_USEC": "5"}) is None
