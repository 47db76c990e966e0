"""The asyncio pool of KernelQ: a host process with a coroutine for each slot."""

from __future__ import annotations

from kernelq_asyncio.pool import Asyncio

__all__ = ["Asyncio"]
