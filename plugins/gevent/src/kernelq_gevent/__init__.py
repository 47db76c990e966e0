"""The gevent pool of KernelQ: a fresh, patched host process with a greenlet for each slot."""

from __future__ import annotations

from kernelq_gevent.pool import Gevent

__all__ = ["Gevent"]
