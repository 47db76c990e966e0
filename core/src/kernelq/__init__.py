"""KernelQ: a distributed task queue that boots a graph of plugins.

Everything here is loaded when it is first used, so that ``import kernelq`` costs a producer next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from kernelq._version import __version__

if TYPE_CHECKING:
    from kernelq import signals, states
    from kernelq.app import KernelQ
    from kernelq.command import control_command, inspect_command
    from kernelq.conf import Conf
    from kernelq.exceptions import Ignore, MaxRetriesExceededError, Reject, Retry, SoftTimeLimitExceeded
    from kernelq.kernel.errors import BrokerUnreachable, ConfigurationError, KernelQError
    from kernelq.kernel.hooks import hookimpl
    from kernelq.kernel.keys import Key
    from kernelq.kernel.settings import setting
    from kernelq.kernel.step import Step
    from kernelq.result import AsyncResult
    from kernelq.signature import Signature, chain
    from kernelq.task import Task

_HOMES = {
    "KernelQ": "app",
    "Task": "task",
    "Signature": "signature",
    "chain": "signature",
    "AsyncResult": "result",
    "Conf": "conf",
    "Retry": "exceptions",
    "Ignore": "exceptions",
    "Reject": "exceptions",
    "MaxRetriesExceededError": "exceptions",
    "SoftTimeLimitExceeded": "exceptions",
    "KernelQError": "kernel.errors",
    "ConfigurationError": "kernel.errors",
    "BrokerUnreachable": "kernel.errors",
    "Key": "kernel.keys",
    "Step": "kernel.step",
    "setting": "kernel.settings",
    "hookimpl": "kernel.hooks",
    "inspect_command": "command",
    "control_command": "command",
    "signals": "",
    "states": "",
}
"""Where each public name lives, below this package."""

__all__ = [
    "AsyncResult",
    "BrokerUnreachable",
    "Conf",
    "ConfigurationError",
    "Ignore",
    "KernelQ",
    "KernelQError",
    "Key",
    "MaxRetriesExceededError",
    "Reject",
    "Retry",
    "Signature",
    "SoftTimeLimitExceeded",
    "Step",
    "Task",
    "__version__",
    "chain",
    "control_command",
    "hookimpl",
    "inspect_command",
    "setting",
    "signals",
    "states",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'kernelq' has no attribute {name!r}")
    value = getattr(import_module(f"kernelq.{home}"), name) if home else import_module(f"kernelq.{name}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
