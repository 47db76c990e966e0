"""Ballast: disk that is set aside, to be dropped when the disk is full."""

from __future__ import annotations

import logging
import os
from contextlib import suppress

from kernelq_sqlite.location import Location

log = logging.getLogger(__name__)

SIZE = 4 * 1024 * 1024  # bytes; an acknowledgement takes about four pages of the log, for a batch of any size


class Ballast:
    """A file of no use but its size: without it a full disk would stop the very deletions that empty it."""

    def __init__(self, location: Location) -> None:
        self._path = location.inside("ballast")

    def take(self) -> None:
        """Set the space aside, if it is not; a disk that has none left is told in the log."""
        try:
            fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except FileExistsError:
            return
        except OSError as error:
            log.warning("cannot set space aside in %s: %s", self._path, error)
            return
        try:
            os.posix_fallocate(fd, 0, SIZE)
        except OSError as error:
            log.warning("cannot set space aside in %s: %s", self._path, error)
            with suppress(FileNotFoundError):
                os.unlink(self._path)
        finally:
            os.close(fd)

    def drop(self) -> bool:
        """Give the space back to the disk; return whether there was any."""
        try:
            os.unlink(self._path)
        except FileNotFoundError:
            return False
        log.error("the disk is full: %d bytes that were set aside in %s are free now", SIZE, self._path)
        return True
