"""The threads pool of KernelQ: a host process with a thread for each slot."""

from __future__ import annotations

from kernelq_threads.pool import Threads

__all__ = ["Threads"]
