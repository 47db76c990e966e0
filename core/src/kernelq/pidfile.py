"""Pid files: the number of a running process, in a file that it keeps locked for as long as it lives.

The lock, and not the number, says whether the process lives: a number is used again by the system, sooner or later for
a program of somebody else's. The kernel lets go of the lock when the process ends, however it ends.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
import sys
from types import TracebackType

from kernelq.kernel.errors import ConfigurationError

_FLAGS = os.O_CLOEXEC | os.O_NOFOLLOW
# struct flock: type, whence, start, length, pid (fcntl.h); its order is the system's
_LAYOUT = "hhqqi" if sys.platform == "linux" else "qqihh"
_DESCRIPTORS = "/proc/self/fd" if sys.platform == "linux" else "/dev/fd"


class PidFile:
    """Refuses to start beside a live process, takes over what a dead one has left. A context manager.

    The lock is one of POSIX: of this process alone, not of those that it forks, and kept when it becomes another
    program. Nobody else in this process may open the file: closing it would free the lock.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._fd = -1

    def __enter__(self) -> PidFile:
        """Lock the file, and write our pid. Raises `ConfigurationError`."""
        try:
            self._fd = self._ours()
            os.ftruncate(self._fd, 0)
            os.pwrite(self._fd, f"{os.getpid()}\n".encode(), 0)
            os.set_inheritable(self._fd, True)  # for the program that this process may become
        except OSError as error:
            raise ConfigurationError(f"--pidfile: {self.path} cannot be written: {error.strerror}") from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            if _is_at(fd, self.path):
                with contextlib.suppress(OSError):  # the folder is another user's by now: the file is stale then
                    os.unlink(self.path)
            os.close(fd)

    def _ours(self) -> int:
        """Return the locked file: the one that is open since before this process became this program, or a new one."""
        for name in os.listdir(_DESCRIPTORS):
            with contextlib.suppress(OSError):  # the listing's own
                if int(name) > 2 and _is_at(int(name), self.path):
                    fcntl.lockf(int(name), fcntl.LOCK_EX | fcntl.LOCK_NB)
                    return int(name)
        while True:
            fd = os.open(self.path, os.O_RDWR | os.O_CREAT | _FLAGS, 0o644)
            try:
                fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except (BlockingIOError, PermissionError):
                raise self._refused(fd) from None
            if _is_at(fd, self.path):
                return fd
            os.close(fd)  # whoever had it has just ended, and removed it

    def _refused(self, fd: int) -> ConfigurationError:
        try:
            pid = _locker(fd)
        finally:
            os.close(fd)
        return ConfigurationError(
            f"--pidfile: {self.path} says that it runs already, as process {pid or 'unknown'}; "
            "stop that one, or give this one another file"
        )


def holder(path: str) -> int | None:
    """Return the process that has written the pid file `path` and lives; None where there is none.

    Never of this process itself. A process that cannot be seen from here, in another container, is None too.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | _FLAGS)
    except OSError:
        return None
    try:
        return _locker(fd) or None
    finally:
        os.close(fd)


def _locker(fd: int) -> int:
    linux = sys.platform == "linux"
    asked = (fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0) if linux else (0, 0, 0, fcntl.F_WRLCK, os.SEEK_SET)
    said = struct.unpack(_LAYOUT, fcntl.fcntl(fd, fcntl.F_GETLK, struct.pack(_LAYOUT, *asked)))
    kind, pid = (said[0], said[4]) if linux else (said[3], said[2])
    return 0 if kind == fcntl.F_UNLCK else int(pid)


def _is_at(fd: int, path: str) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), os.stat(path, follow_symlinks=False))
    except OSError:
        return False
