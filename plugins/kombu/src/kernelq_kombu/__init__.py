"""Any kombu transport as a KernelQ broker, through a generic lane."""

from kernelq_kombu.transport import KombuTransport

__all__ = ["KombuTransport"]
