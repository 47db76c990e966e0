"""Forked hosts keep the app's files, and nothing that the supervisor opened later."""

from __future__ import annotations

import fcntl
import logging
import os
import select
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from kernelq_worker.hosts import descriptors

from .conftest import Rig, job

pytestmark = pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="it looks into /proc")


def open_in(pid: int) -> dict[int, str]:
    """Return what a process has open, by number."""
    found = {}
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            found[int(link.name)] = os.readlink(link)
    return found


def sockets_in(pid: int) -> list[str]:
    """Return the Unix sockets, which all of the supervisor's are; connections of other tests' threads come and go."""
    unix = {line.split()[6] for line in Path("/proc/net/unix").read_text().splitlines()[1:]}
    return [name for name in open_in(pid).values() if name.startswith("socket:") and name[8:-1] in unix]


def replace(r: Rig) -> int:
    """Kill the host; return the process id of the one that takes its place."""
    (old,) = r.pids()
    os.kill(old, signal.SIGKILL)
    r.until(lambda: r.pids() != [old] and len(r.pids()) == 1)
    r.pool.submit([job(999)])
    r.until(lambda: 999 in r.book.outcomes)
    return r.pids()[0]


def test_a_host_has_one_socket_also_beside_many_others(rig: Callable[..., Rig]) -> None:
    """The first one of several, the last one, and one that replaces another: its own, to the supervisor."""
    before = sockets_in(os.getpid())
    r = rig(4, 1)
    first = r.pids()
    os.kill(first[0], signal.SIGKILL)
    r.until(lambda: first[0] not in r.pids() and len(r.pids()) == 4)
    r.pool.submit([job(number) for number in range(100)])
    r.until(lambda: r.book.seen == 100)

    def own(pid: int) -> list[str]:
        return [name for name in sockets_in(pid) if name not in before]

    # The others may have run every job while the new one, just forked, has not come to close anything.
    r.until(lambda: all(len(own(pid)) == 1 for pid in r.pids()))
    assert [1] * 4 == [len(own(pid)) for pid in r.pids()]
    assert 4 == len({tuple(sockets_in(pid)) for pid in r.pids()})


def test_a_replaced_host_has_what_was_open_at_the_start_and_nothing_that_came_later(
    rig: Callable[..., Rig], tmp_path: Path
) -> None:
    """A broker's socket, a lock file, an event loop's descriptors: each belongs to the supervisor."""
    with (tmp_path / "apps").open("w") as apps:
        r = rig(1, 1)
        later = [socket.socket(), (tmp_path / "lease").open("w"), select.epoll(), *map(os.fdopen, os.pipe())]
        pid = replace(r)
        found = open_in(pid)
        assert str(tmp_path / "apps") == found[apps.fileno()]
        for one in later:
            assert "/dev/null" == found.get(one.fileno(), "/dev/null"), one
            one.close()
        again = open_in(replace(r))
        assert str(tmp_path / "apps") == again[apps.fileno()]
        assert "/dev/null" not in {again.get(fd) for fd in again if fd > 2 and fd not in found}


def test_a_number_that_is_used_again_is_not_taken_for_the_apps_file(rig: Callable[..., Rig], tmp_path: Path) -> None:
    apps = (tmp_path / "apps").open("w")
    fd = apps.fileno()
    r = rig(1, 1)
    apps.close()
    lease = os.open(tmp_path / "lease", os.O_RDWR | os.O_CREAT)
    os.dup2(lease, fd)
    found = open_in(replace(r))
    assert str(tmp_path / "lease") not in found.values()
    for number in {lease, fd}:
        os.close(number)


def test_the_lock_of_a_supervisor_is_not_held_by_its_hosts(rig: Callable[..., Rig], tmp_path: Path) -> None:
    """A flock lives as long as anyone has the descriptor: here only the supervisor."""
    r = rig(1, 1)
    lease = (tmp_path / "lease").open("w")
    fcntl.flock(lease, fcntl.LOCK_EX)
    replace(r)
    lease.close()
    with (tmp_path / "lease").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_rotated_log_stays_open_in_hosts(rig: Callable[..., Rig], tmp_path: Path) -> None:
    """The file is another than when the pool started; what tasks log must not vanish."""
    r = rig(1, 1)
    handler = logging.FileHandler(tmp_path / "log.2")
    try:
        assert str(tmp_path / "log.2") in open_in(replace(r)).values()
    finally:
        handler.close()


def test_a_descriptor_closed_twice_closes_nothing_else() -> None:
    """In the child the numbers stay taken."""
    kept = descriptors.opened()
    later = os.open(os.devnull, os.O_RDONLY)
    lock, others = socket.socket(), {}
    others = descriptors.foreign(kept, own=(later,))
    assert {lock.fileno()} == set(others)
    pid = os.fork()
    if pid == 0:
        descriptors.shut(others)
        taken = os.readlink(f"/proc/self/fd/{lock.fileno()}")
        fresh = os.open("/proc/self/stat", os.O_RDONLY)
        lock.close()
        os._exit(0 if taken == os.devnull and os.read(fresh, 1) else 1)
    assert 0 == os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    lock.close()
    os.close(later)
