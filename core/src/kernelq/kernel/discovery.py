"""Which one? Names become objects here, through entry points; nothing else is imported."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping
from functools import cache, cached_property, partial
from importlib.metadata import EntryPoint, distributions
from typing import Any

import attrs

from kernelq.kernel.errors import PluginBroken, PluginNotFound, did_you_mean

IN_APP = "app"
"""The distribution that is shown for what an app added in code."""


@attrs.frozen(order=True)
class Found:
    """One plugin, found and not yet loaded."""

    name: str
    group: str
    value: str
    """``module:attribute``, as written in its distribution."""
    distribution: str
    version: str
    _load: Callable[[], Any] = attrs.field(eq=False, repr=False, alias="load")

    def load(self) -> Any:
        """Import and return the object. Raises `PluginBroken`, with the cause, where that fails."""
        try:
            return self._load()
        except Exception as error:
            raise PluginBroken(
                f"the plugin {self.name!r} of {self.group} ({self.value}, from {self.distribution} {self.version}) "
                f"cannot be loaded: {type(error).__name__}: {error}; "
                f"mend it, or type: pip install --force-reinstall {self.distribution}"
            ) from error


Catalogue = dict[str, dict[str, dict[str, Found]]]
"""Plugins by group, name and value; more than one under a name is an error when it is loaded."""


class Discovery:
    """The installed plugins, and those given in `overrides`, by group and name.

    `installed` False leaves entry points out, so that a test sees just what it gave.
    """

    def __init__(self, overrides: Mapping[str, Mapping[str, object]] | None = None, *, installed: bool = True) -> None:
        self._overrides = {group: dict(named) for group, named in (overrides or {}).items()}
        self._installed = installed

    def names(self, group: str) -> list[str]:
        """Return the names in `group`, sorted."""
        return sorted(self._catalogue.get(group, ()))

    def groups(self) -> list[str]:
        """Return the groups of KernelQ that have at least one plugin, sorted."""
        return sorted(self._catalogue)

    def found(self, group: str) -> list[Found]:
        """Return the plugins of `group`, sorted by name, then value; nothing is imported."""
        return sorted(one for named in self._catalogue.get(group, {}).values() for one in named.values())

    def load(self, group: str, name: str, wanted_by: str = "") -> Any:
        """Import and return the one plugin `name` of `group`. `wanted_by`: who asks, ``"setting worker_pool"``.

        Raises `PluginNotFound`, which tells what to install, and `PluginBroken`.
        """
        named = self._catalogue.get(group, {})
        if name not in named:
            raise PluginNotFound(_not_found(group, name, wanted_by or "someone", named))
        first, *others = sorted(named[name].values())
        if others:
            raise PluginBroken(
                f"{first.distribution} and {others[0].distribution} both provide {name!r} in {group}; "
                f"type: pip uninstall {others[0].distribution}"
            )
        return first.load()

    @cached_property
    def _catalogue(self) -> Catalogue:
        groups = _installed() if self._installed else {}
        for group, named in self._overrides.items():
            for name, value in named.items():
                given = Found(name, group, repr(value), IN_APP, "", partial(named.get, name))
                groups.setdefault(group, {})[name] = {given.value: given}
        return groups


def _installed() -> Catalogue:
    groups: Catalogue = {}
    for folder in filter(os.path.exists, map(os.path.abspath, sys.path)):
        for one in _plugins(folder, os.path.getmtime(folder)):  # editable beside a wheel, one is listed twice
            groups.setdefault(one.group, {}).setdefault(one.name, {}).setdefault(one.value, one)
    return groups


@cache  # the command line, a command's options and the app all ask
def _plugins(folder: str, changed_at: float) -> list[Found]:
    found = []
    for dist in distributions(path=[folder]):
        if "[kernelq." in (dist.read_text("entry_points.txt") or ""):  # a third of the time of parsing them all
            told = (metadata := dist.metadata)["Name"], metadata["Version"]  # the file is read anew at each access
            ours = [entry for entry in dist.entry_points if entry.group.startswith("kernelq.")]
            found += [Found(one.name, one.group, one.value, *told, partial(_drive, one)) for one in ours]
    return found


def _drive(entry: EntryPoint) -> Any:
    from stevedore.driver import DriverManager  # 18 ms; a process that loads no plugin does without

    class _Driver(DriverManager[Any]):
        def list_entry_points(self) -> list[EntryPoint]:
            # stevedore's disk cache drops the distribution and goes stale after an editable re-install
            return [entry]

    def on_failure(_manager: object, _entry: EntryPoint, error: BaseException) -> None:
        raise error

    return _Driver(entry.group, entry.name, on_load_failure_callback=on_failure).driver


def _not_found(group: str, name: str, wanted_by: str, known: Iterable[str]) -> str:
    extras = {one for dist in distributions(name="kernelq") for one in dist.metadata.get_all("Provides-Extra") or ()}
    advice = f"install a distribution that registers it under the entry-point group {group}"
    if name in extras:  # each is a plugin of the same name
        advice = f"type: pip install 'kernelq[{name}]'"
    return (
        f"{wanted_by} asks for {name!r} in {group}, which is not installed; "
        f"installed: {', '.join(sorted(known)) or 'none'}.{did_you_mean(name, known)} To get it, {advice}"
    )
