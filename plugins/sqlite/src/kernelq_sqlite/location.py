"""Where a database lies: the URL, the file, and the directory of locks and bells beside it."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from urllib.parse import unquote
from uuid import uuid4

import attrs

from kernelq.kernel.errors import ConfigurationError

PREFIX = "sqlite://"


@attrs.frozen
class Location:
    """A database file and the directory ``<file>.d`` beside it."""

    path: str
    """The absolute path of the database file, symbolic links resolved."""

    @property
    def side(self) -> str:
        """The directory of the writer lock, the leases and the bells."""
        return self.path + ".d"

    def inside(self, *names: str) -> str:
        """Return a path in the side directory."""
        return os.path.join(self.side, *names)

    def prepare(self) -> None:
        """Make the database file (mode 0600) and its side directory (mode 0700).

        Raises ConfigurationError where that cannot be, with what to type.
        """
        parent = os.path.dirname(self.path)
        if not os.path.isdir(parent):
            raise ConfigurationError(f"the directory of the database {self.path} does not exist: mkdir -p {parent}")
        if os.path.isdir(self.path):
            raise ConfigurationError(f"the database {self.path} is a directory; name a file in it")
        try:
            for name in ("", "lanes", "channels", "waiters", "leases"):
                os.makedirs(os.path.join(self.side, name), mode=0o700, exist_ok=True)
            self._make_file()
        except OSError as error:
            raise ConfigurationError(
                f"cannot write the database {self.path} and its directory {self.side}: "
                f"{error.strerror}; KernelQ needs to write both"
            ) from error

    def _make_file(self) -> None:
        # No descriptor of the database file is ever open here: to close one would drop every POSIX lock that SQLite
        # holds on the file in this process, and the next process to leave would delete the WAL under our feet.
        if os.path.exists(self.path):
            if not os.access(self.path, os.R_OK | os.W_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), self.path)
            return
        new = self.inside(f"new-{uuid4().hex}")
        os.close(os.open(new, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        try:
            with suppress(FileExistsError):  # another process may be faster
                os.link(new, self.path)
        finally:
            os.unlink(new)


def locate(url: str) -> Location:
    """Return the location that a URL names: ``sqlite:///relative.db`` or ``sqlite:////absolute.db``.

    Raises ConfigurationError for a URL without a file.
    """
    rest = url.removeprefix(PREFIX).partition("?")[0]
    if not url.startswith(PREFIX) or not rest.startswith("/") or rest in ("/", "/:memory:"):
        raise ConfigurationError(
            f"{url!r} names no database file: write sqlite:///relative.db or sqlite:////absolute/path.db "
            "(for a broker that lives in memory: memory://)"
        )
    return Location(os.path.realpath(os.path.abspath(unquote(rest[1:]))))
