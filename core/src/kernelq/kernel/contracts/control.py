"""ControlCommand: what a running worker can be asked and told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from kernelq.kernel.keys import Context


class ControlCommand(Protocol):
    """A command: the object behind an entry point of the group ``kernelq.commands``.

    Write a function and decorate it with ``kernelq.inspect_command()`` or ``kernelq.control_command()``. It is called
    in the worker's loop, so it must take microseconds; `ctx` reads every key of the worker. What it returns is the
    reply and must be JSON-able: by custom ``{"ok": …}`` or ``{"error": …}``, or the data that was asked for.
    """

    name: str

    def __call__(self, ctx: Context, **arguments: Any) -> Any:
        """Run with arguments as they came over the wire; raises TypeError, telling the usage, where they do not fit."""
