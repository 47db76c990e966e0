"""Marks: a page that a host and its supervisor share, to tell after a death which jobs had been taken up.

Reports take up to a tick to cross, and a task that kills its host leaves none. A mark is one byte in shared memory, so
it is seen however the host ended: jobs without one never began, and are given to another host as if nothing had been.
"""

from __future__ import annotations

import mmap
import os
import tempfile

from kernelq_worker.hosts.pace import AHEAD


class Marks:
    """One byte for each job that a host has in hand, by the number of the job in the host's life."""

    __slots__ = ("_bytes", "_mask", "fd")

    def __init__(self, slots: int, fd: int | None = None) -> None:
        size = 1 << (2 * slots * AHEAD).bit_length()
        self._mask = size - 1
        if fd is None:
            fd = memory("kernelq-marks")
            os.truncate(fd, size)
        self.fd = fd
        """The memory's descriptor, to pass on to a new interpreter. Closed with `close`."""
        self._bytes = mmap.mmap(fd, size)

    def clear(self, number: int) -> None:
        """Note that the job of this number is being sent."""
        self._bytes[number & self._mask] = 0

    def set(self, number: int) -> None:
        """Note that the job of this number is taken up. Safe from any thread."""
        self._bytes[number & self._mask] = 1

    def __getitem__(self, number: int) -> bool:
        return self._bytes[number & self._mask] == 1

    def close(self) -> None:
        """Free the memory."""
        self._bytes.close()
        os.close(self.fd)


def memory(name: str) -> int:
    """Return the descriptor of new memory, which a child can inherit. The name is shown in lists of descriptors."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create(name, os.MFD_CLOEXEC)
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
