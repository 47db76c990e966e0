"""Which commands a worker answers."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from kernelq.command import Command
from kernelq.kernel.errors import ConfigurationError, PluginBroken, did_you_mean
from kernelq_control.settings import ControlSettings

if TYPE_CHECKING:
    from kernelq.app import KernelQ

GROUP = "kernelq.commands"
Handler = Callable[..., Any]


def commands(app: KernelQ) -> dict[str, Command]:
    """Return the installed commands, those of the app, and none that the settings leave out, by name.

    Raises `ConfigurationError` where the settings name a command that there is not.
    """
    found = {one.name: _checked(one.name, one.load()) for one in app.discovery.found(GROUP)}
    found |= {one.name: one for one in app.added_commands()}
    allowed = app.conf.section(ControlSettings).worker_remote_control_commands
    if allowed is None:
        return found
    for name in allowed:
        if name not in found:
            raise ConfigurationError(
                f"setting worker_remote_control_commands names {name!r}, which is no command."
                f"{did_you_mean(name, found)} Type `kernelq plugins ls` for all"
            )
    return {name: found[name] for name in allowed}


def handlers(app: KernelQ, mistakes: Callable[[], None]) -> dict[str, Handler]:
    """Return the commands as kombu's mailbox calls them; `mistakes` is called for each that raises.

    Under any other name there is one that tells which commands there are.
    """
    return _Handlers({name: partial(_run, command, mistakes) for name, command in commands(app).items()})


class _Handlers(dict[str, Handler]):
    """The commands by name; kombu's mailbox would answer an unknown one with the text of a KeyError."""

    def __missing__(self, name: str) -> Handler:
        known = ", ".join(sorted(self))
        error = f"there is no control command {name!r} here.{did_you_mean(name, self)} This worker knows: {known}"
        return lambda state, **arguments: {"error": error}


def _run(command: Command, mistakes: Callable[[], None], state: Any, **arguments: Any) -> Any:
    try:
        return command(state, **arguments)
    except Exception:
        mistakes()
        raise


def _checked(name: str, value: object) -> Command:
    if isinstance(value, Command):
        return value
    raise PluginBroken(
        f"the command {name!r} is {value!r}; decorate its function with kernelq.inspect_command() or control_command()"
    )
