"""Control commands: what a running worker can be asked and told."""

from __future__ import annotations

import inspect as _inspect
from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from kernelq.kernel.keys import Context


UNTYPED = frozenset({"kept"})
"""Arguments that clients add by themselves; a person does not type them."""


class CommandKind(Enum):
    """Which of the two command-line verbs a command stands under."""

    INSPECT = "inspect"
    CONTROL = "control"


@attrs.frozen
class Command:
    """A command's function with what the command line shows of it.

    See `kernelq.kernel.contracts.control.ControlCommand` for what the function may do.
    """

    name: str
    kind: CommandKind
    function: Callable[..., Any]
    summary: str
    signature: _inspect.Signature

    def __call__(self, ctx: Context, **arguments: Any) -> Any:
        """Check `arguments` against the signature, then call; raises TypeError that tells the usage."""
        try:
            self.signature.bind(ctx, **arguments)
        except TypeError as error:
            raise TypeError(f"{self.kind.value} {self.name}: {error}; usage: {self.usage()}") from None
        return self.function(ctx, **arguments)

    @property
    def description(self) -> str:
        """The whole docstring of the function."""
        return _inspect.getdoc(self.function) or ""

    def usage(self) -> str:
        """Return the name and the arguments as a person types them: ``rate_limit TASK_NAME RATE_LIMIT``."""
        words = [self.name]
        for parameter in list(self.signature.parameters.values())[1:]:
            if parameter.kind is parameter.VAR_KEYWORD or parameter.name in UNTYPED:
                continue
            word = parameter.name.upper()
            words.append(word if parameter.default is parameter.empty else f"[{word}]")
        return " ".join(words)


def _command(kind: CommandKind, name: str | None) -> Callable[[Callable[..., Any]], Command]:
    def decorate(function: Callable[..., Any]) -> Command:
        summary = (_inspect.getdoc(function) or "").partition("\n")[0]
        signature = _inspect.signature(function)
        return Command(name or function.__name__, kind, function, summary, signature)

    return decorate


def inspect_command(name: str | None = None) -> Callable[[Callable[..., Any]], Command]:
    """Make a function a command of `kernelq inspect`: it asks and changes nothing."""
    return _command(CommandKind.INSPECT, name)


def control_command(name: str | None = None) -> Callable[[Callable[..., Any]], Command]:
    """Make a function a command of `kernelq control`: it changes something."""
    return _command(CommandKind.CONTROL, name)
