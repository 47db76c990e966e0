"""The solo pool of KernelQ: one task at a time, in the worker's own process."""

from __future__ import annotations

from kernelq_solo.pool import Solo

__all__ = ["Solo"]
