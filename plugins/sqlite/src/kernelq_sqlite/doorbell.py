"""Doorbells: Unix datagram sockets that wake a sleeping process when there is something to look at."""

from __future__ import annotations

import os
import select
import socket
import threading
import time
from contextlib import suppress
from hashlib import blake2b
from uuid import uuid4

from kernelq_sqlite.guard import guard
from kernelq_sqlite.location import Location

_LONGEST_ADDRESS = 100  # bytes; the kernel takes 108, with its closing zero
_SETTLED = 0.05  # seconds after which the time stamp of a directory tells of every change made before

LANES, CHANNELS, WAITERS = "lanes", "channels", "waiters"


class Street:
    """The directory of all bells of one kind: lanes, channels, or waiters for results."""

    def __init__(self, location: Location, kind: str) -> None:
        self._path = location.inside(kind)
        self._dirfd = -1

    def address(self, name: str) -> str:
        """Return the address of a bell, short enough for the kernel however deep the database lies."""
        plain = os.path.join(self._path, name)
        if len(os.fsencode(plain)) <= _LONGEST_ADDRESS:
            return plain
        if os.path.isdir("/proc/self/fd"):
            if self._dirfd < 0:
                self._dirfd = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            return f"/proc/self/fd/{self._dirfd}/{name}"
        return os.path.join(self._link(), name)

    def _link(self) -> str:
        import tempfile  # rarely needed, and not light

        digest = blake2b(os.fsencode(self._path), digest_size=8).hexdigest()
        link = os.path.join(tempfile.gettempdir(), f"kernelq-{os.getuid()}-{digest}")
        if not os.path.islink(link) or os.readlink(link) != self._path:
            os.symlink(self._path, link)
        return link

    @property
    def path(self) -> str:
        """The directory itself."""
        return self._path

    def close(self) -> None:
        """Close the directory's descriptor. May be called twice; a later use opens it again."""
        if self._dirfd >= 0:
            os.close(self._dirfd)
            self._dirfd = -1


class Bell:
    """A bell of our own, to sleep on."""

    fork_rank = 2

    def __init__(self, location: Location, kind: str) -> None:
        self._street = Street(location, kind)
        self._name = f"{os.getpid()}-{uuid4().hex[:12]}"
        self._socket: socket.socket | None = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            self._socket.setblocking(False)
            self._socket.bind(self._street.address(self._name))
        except BaseException:
            self._socket.close()
            self._street.close()
            raise
        guard(self)

    def fileno(self) -> int:
        """Return the descriptor to wait on; -1 when closed."""
        return -1 if self._socket is None else self._socket.fileno()

    def drain(self) -> bytes:
        """Silence the bell; return what the ringers said, all in one."""
        said = b""
        while self._socket is not None:
            try:
                said += self._socket.recv(16)
            except BlockingIOError:
                break
        return said

    def wait(self, seconds: float) -> bool:
        """Sleep until the bell rings, at most `seconds`; return whether it did. The bell is silent then."""
        if self._socket is None:
            return False
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        rung = bool(poll.poll(max(0.0, seconds) * 1000))
        if rung:
            self.drain()
        return rung

    def close(self) -> None:
        """Take the bell down. May be called twice."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
            with suppress(FileNotFoundError):  # a ringer that found it dead may be faster
                os.unlink(os.path.join(self._street.path, self._name))
            self._street.close()

    def before_fork(self) -> None:
        """Nothing: a bell has no lock."""

    def after_fork_in_parent(self) -> None:
        """Nothing."""

    def after_fork_in_child(self) -> None:
        """Close the copy, so that the bell dies with its owner."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
            self._street.close()


class Ringer:
    """Rings every bell of one kind; best effort, it never blocks. Thread-safe."""

    fork_rank = 2

    def __init__(self, location: Location, kind: str) -> None:
        self._street = Street(location, kind)
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._names: tuple[str, ...] = ()
        self._stamp = -1
        guard(self)

    def ring(self, word: bytes = b"q") -> None:
        """Ring them all. Bells whose owner has died are taken down."""
        with self._lock:
            for name in self._bells():
                self._ring(name, word)

    def _ring(self, name: str, word: bytes) -> None:
        try:
            self._open().sendto(word, self._street.address(name))
        except BlockingIOError:
            pass  # it has rung and was not heard yet
        except (ConnectionRefusedError, FileNotFoundError):
            self._take_down(name)
        except OSError:
            self._stamp = -1  # one bell that cannot be rung must not stop the others; the poll is behind them

    def close(self) -> None:
        """Free everything. May be called twice; a later ring opens again."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        self._street.close()

    def _open(self) -> socket.socket:
        if self._socket is None:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._socket.setblocking(False)
        return self._socket

    def _bells(self) -> tuple[str, ...]:
        try:
            stamp = os.stat(self._street.path).st_mtime_ns
            if stamp != self._stamp:
                self._names = tuple(os.listdir(self._street.path))
                self._stamp = stamp if time.time_ns() - stamp > _SETTLED * 1e9 else -1
        except FileNotFoundError:
            self._names, self._stamp = (), -1
        return self._names

    def _take_down(self, name: str) -> None:
        self._stamp = -1
        with suppress(FileNotFoundError):  # another ringer may be faster
            os.unlink(os.path.join(self._street.path, name))

    def before_fork(self) -> None:
        """Hold the lock around the fork."""
        self._lock.acquire()

    def after_fork_in_parent(self) -> None:
        """Give the lock back."""
        self._lock.release()

    def after_fork_in_child(self) -> None:
        """Use a socket of the child's own."""
        self._lock = threading.Lock()
        self.close()
