"""Every error of the kernel and of its plugins says what was wanted, by whom, and what to type."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kernelq.kernel.keys import Key


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return " Did you mean 'x'?" for the nearest of `known`, or an empty string."""
    near = difflib.get_close_matches(word, sorted(known), n=1)
    return f" Did you mean {near[0]!r}?" if near else ""


def site(depth: int) -> str:
    """Return file and line of the code that is `depth` calls above, for errors that name it."""
    frame = sys._getframe(depth)
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


class KernelQError(Exception):
    """The root of KernelQ's errors. `exit_code` is what the command line leaves with."""

    exit_code = 1


class ConfigurationError(KernelQError):
    """Something that a person wrote, or installed, is wrong; the message tells what to type."""

    exit_code = 3


class Unreachable(KernelQError):
    """A server did not answer in time."""

    exit_code = 4


class BrokerUnreachable(Unreachable):
    """The broker did not take a message, or could not be connected to, within its timeout."""


class BrokerLost(Unreachable):
    """The connection to the broker broke; the worker's consumer starts again."""


class BackendUnreachable(Unreachable):
    """The result store did not answer."""


class KeyNotProvided(ConfigurationError):
    """A key was read that no started step has set."""

    def __init__(self, key: Key[Any], have: Iterable[Key[Any]] = ()) -> None:
        names = sorted(k.name for k in have)
        super().__init__(
            f"nothing has provided the key {key.name!r} (declared at {key.declared_at}); "
            f"provided so far: {', '.join(names) or 'none'}.{did_you_mean(key.name, names)}"
        )


class UndeclaredKey(ConfigurationError):
    """A step used a key that it had not declared, so the graph could not order it."""

    def __init__(self, key: Key[Any], step: str, verb: str, declare: str) -> None:
        super().__init__(f"step {step} {verb} the key {key.name!r} undeclared: add it to the step's `{declare}`")


class PluginNotFound(ConfigurationError):
    """No installed plugin has the wanted name."""


class PluginBroken(ConfigurationError):
    """An installed plugin cannot be imported, or two plugins claim one name."""


class BlueprintError(ConfigurationError):
    """The steps of a blueprint do not fit together."""


class Cycle(BlueprintError):
    """Steps wait for each other in a ring."""

    def __init__(self, blueprint: str, ring: list[str], reasons: list[str]) -> None:
        what = "1 step waits for itself" if len(ring) == 1 else f"{len(ring)} steps wait for each other"
        lines = [f"blueprint {blueprint}: {what}: {' → '.join([*ring, ring[0]])}", *reasons]
        super().__init__("\n  ".join(lines) + "\nremove one of these declarations")
        self.ring = ring


class MissingKey(BlueprintError):
    """A step requires a key that no step provides."""


class DoubleProvider(BlueprintError):
    """Two steps provide the same key, or have the same name."""


class DisabledProvider(BlueprintError):
    """A step requires a key whose only provider is off."""


class StepFault(BlueprintError):
    """A step broke its contract."""


class HookError(ConfigurationError):
    """A hook implementation does not fit any hook."""


class UnknownSetting(ConfigurationError):
    """A setting was named that nothing declares."""


class BadSetting(ConfigurationError):
    """A setting was given a value of the wrong type or outside its range."""
