"""The prefork pool of KernelQ: forked hosts that run one task at a time."""

from __future__ import annotations

from kernelq_prefork.pool import Prefork

__all__ = ["Prefork"]
