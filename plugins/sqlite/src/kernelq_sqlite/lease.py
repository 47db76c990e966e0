"""Owners: who has messages in flight, and how the others see that it has died."""

from __future__ import annotations

import fcntl
import logging
import os
import threading
import time
from contextlib import suppress
from typing import Any
from uuid import uuid4

from kernelq.kernel.errors import ConfigurationError, Unreachable
from kernelq_sqlite.guard import guard
from kernelq_sqlite.location import Location
from kernelq_sqlite.store import Store

log = logging.getLogger(__name__)

LEASE = 20.0
"""Seconds after which an owner that is locked, but no longer renews, is taken for stalled."""
SHORTEST = 1.0
"""Seconds; others look at leases about once in a second."""
RENEWALS = 4  # per lease
_LOOKS_OFTEN = 3.0  # seconds; lanes look every second


class Owner:
    """An identity that owns messages in flight, alive as long as it holds the flock on its lease file.

    The kernel releases a flock on any death. The renewals, by a thread that uses no SQLite, are for the other case:
    a process that is stopped keeps its locks.
    """

    fork_rank = 2

    def __init__(self, store: Store, lease: float, error: type[Unreachable]) -> None:
        self.name = f"{os.getpid()}-{uuid4().hex}"
        self.flying: dict[int, int] = {}
        """Receipt → message id, of what this owner has in flight."""
        self._lease = lease
        self._path = store.location.inside("leases", self.name)
        self._fd = -1
        self._stop = threading.Event()
        store.open(error)
        self._lock_file()
        try:
            with store.write(error) as db:
                cursor = db.execute(
                    "INSERT INTO owner(name, pid, since) VALUES(?,?,?)", (self.name, os.getpid(), time.time())
                )
                self.id = int(cursor.lastrowid or 0)
        except BaseException:
            self.let_go(unlink=True)
            raise
        guard(self)

    @property
    def held(self) -> bool:
        """Whether the lease is held now."""
        return self._fd >= 0

    def let_go(self, unlink: bool = False) -> None:
        """End the lease now. May be called twice."""
        self._stop.set()
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        if unlink:
            _unlink(self._path)

    def _lock_file(self) -> None:
        fd = os.open(self._path, os.O_RDWR | os.O_CLOEXEC | os.O_CREAT, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.utime(fd)
        except BaseException:
            os.close(fd)
            raise
        self._fd = fd
        self._stop = threading.Event()
        threading.Thread(
            target=_renew, args=(self._path, self._lease / RENEWALS, self._stop), name="kernelq-lease", daemon=True
        ).start()

    def before_fork(self) -> None:
        """Nothing: an owner has no lock of threads."""

    def after_fork_in_parent(self) -> None:
        """Nothing."""

    def after_fork_in_child(self) -> None:
        """Close the copy of the descriptor, so that the lock dies with its owner."""
        self._stop = threading.Event()
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class Watch:
    """Looks at other owners' leases. It goes by its own monotonic clock, so no change of a wall clock ends a lease."""

    def __init__(self, location: Location, lease: float) -> None:
        self._location = location
        self._lease = lease
        self._seen: dict[str, tuple[int, float]] = {}
        self._looked = 0.0

    def dead(self, names: list[str]) -> list[str]:
        """Return those of `names` whose lease has ended: its lock is free, or it was not renewed in time."""
        now = time.monotonic()
        if now - self._looked > max(self._lease / 2, _LOOKS_OFTEN):
            self._seen.clear()  # we have not looked for long, perhaps stopped ourselves: let all of them renew first
        self._looked = now
        self._seen = {name: self._seen[name] for name in names if name in self._seen}
        return [name for name in names if self._ended(name, now)]

    def _ended(self, name: str, now: float) -> bool:
        path = self._location.inside("leases", name)
        if is_free(path):
            return True
        try:
            stamp = os.stat(path).st_mtime_ns
        except FileNotFoundError:
            return True
        known, since = self._seen.get(name, (0, 0.0))
        if stamp != known:
            self._seen[name] = (stamp, now)
            return False
        return now - since > self._lease

    def forget(self, name: str) -> None:
        """Remove the lease file of an owner that was taken over."""
        self._seen.pop(name, None)
        _unlink(self._location.inside("leases", name))


def settings_lease(settings: Any) -> float:
    """Return the ``lease`` of ``broker_transport_options`` in seconds, or the usual one; raises ConfigurationError."""
    value = (getattr(settings, "broker_transport_options", None) or {}).get("lease", LEASE)
    if isinstance(value, int | float) and value >= SHORTEST:
        return float(value)
    raise ConfigurationError(
        f"broker_transport_options has lease={value!r}, and a lease lasts a number of seconds, {SHORTEST:g} at least: "
        f'broker_transport_options={{"lease": {LEASE:g}}}'
    )


def is_free(path: str) -> bool:
    """Tell whether nobody holds the flock on `path`, or there is no such file."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(fd)
    return True


def _renew(path: str, every: float, stop: threading.Event) -> None:
    while not stop.wait(every):
        try:
            os.utime(path)
        except FileNotFoundError:
            return  # taken over; the lane finds out at its next transaction
        except OSError as error:
            log.warning("cannot renew the lease %s: %s", path, error)


def _unlink(path: str) -> None:
    with suppress(FileNotFoundError):  # another may have removed it
        os.unlink(path)
