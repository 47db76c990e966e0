"""The in-process broker and result store of KernelQ, for tests."""

from kernelq_memory.backend import MemoryBackend
from kernelq_memory.transport import MemoryTransport

__all__ = ["MemoryBackend", "MemoryTransport"]
