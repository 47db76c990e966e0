"""Who wants to know? Every plugin that implements a hook is called, in a defined order. The only user of pluggy."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import pluggy

from kernelq.kernel import hookspecs
from kernelq.kernel.errors import HookError, did_you_mean

hookimpl = pluggy.HookimplMarker("kernelq")
"""Marks a function as an implementation of the hook of its name."""

log = logging.getLogger("kernelq.hooks")

Receivers = Callable[[str], Iterable[Callable[..., Any]]]
"""Gives the receivers connected in code to a hook's name; each takes the hook's arguments as keywords."""


class _Manager(pluggy.PluginManager):
    """Takes every public function of `hookspecs` as a hook, so that file needs no import and no decorator."""

    def parse_hookspec_opts(self, module_or_class: Any, name: str) -> Any:
        decision = name in hookspecs.DECISIONS
        options = pluggy.HookspecOpts(firstresult=decision, historic=False, warn_on_impl=None, warn_on_impl_args=None)
        return options if name in NAMES else None


NAMES = frozenset(name for name, value in vars(hookspecs).items() if callable(value) and not name.startswith("_"))


class Hooks:
    """The hook implementations of one app."""

    def __init__(self, extra: Receivers | None = None) -> None:
        self._manager = _Manager("kernelq")
        self._manager.add_hookspecs(hookspecs)
        self._extra: Receivers = extra or (lambda name: ())

    def register(self, plugin: object, name: str | None = None) -> None:
        """Add a module or object with functions marked by `hookimpl`.

        Raises `HookError` where one of them is no hook, takes an argument the hook has not, or wraps an event.
        """
        try:
            registered = self._manager.register(plugin, name)
            self._manager.check_pending()
        except (pluggy.PluginValidationError, ValueError) as error:
            if self._manager.is_registered(plugin):
                self._manager.unregister(plugin)
            raise HookError(_misfit(plugin, name, error)) from None
        wrapped = [hook.name for hook in self._manager.get_hookcallers(plugin) or () if _wraps(hook, plugin)]
        if wrapped:
            self._manager.unregister(plugin)
            raise HookError(f"{registered} wraps the event hook {wrapped[0]}; an event is told, not wrapped: remove it")

    def event(self, name: str, /, **arguments: Any) -> None:
        """Tell everyone. One that raises is logged by name; the rest are still called."""
        if call := self.compiled(name):
            call(**arguments)

    def decide(self, name: str, /, **arguments: Any) -> Any:
        """Return the first answer that is not None; what an implementation raises is raised here."""
        if name not in hookspecs.DECISIONS:
            raise HookError(f"{name} is an event; decisions are {', '.join(sorted(hookspecs.DECISIONS))}")
        for receiver in self._extra(name):
            if (answer := receiver(**arguments)) is not None:
                return answer
        return getattr(self._manager.hook, name)(**arguments)

    def compiled(self, name: str) -> Callable[..., None] | None:
        """Return a function that tells the event `name`, or None where nobody implements it now."""
        if not (calls := self._calls(name)):
            return None

        def tell(**arguments: Any) -> None:
            for who, call in calls:
                try:
                    call(arguments)
                except Exception:
                    log.exception("hook %s: %s raised; the others are still called", name, who)

        return tell

    def _calls(self, name: str) -> list[tuple[str, Callable[[dict[str, Any]], Any]]]:
        if name not in NAMES:
            raise HookError(f"there is no hook {name!r}.{did_you_mean(name, NAMES)}")
        implementations = reversed(getattr(self._manager.hook, name).get_hookimpls())
        calls = [(one.plugin_name, partial(_call, one.function, tuple(one.argnames))) for one in implementations]
        return calls + [(repr(receiver), partial(_call, receiver, None)) for receiver in self._extra(name)]


def _call(function: Callable[..., Any], names: tuple[str, ...] | None, arguments: dict[str, Any]) -> Any:
    return function(**arguments) if names is None else function(*[arguments[name] for name in names])


def _wraps(hook: pluggy.HookCaller, plugin: object) -> bool:
    own = [one for one in hook.get_hookimpls() if one.plugin is plugin]
    return hook.name not in hookspecs.DECISIONS and any(one.wrapper or one.hookwrapper for one in own)


def _misfit(plugin: object, name: str | None, error: Exception) -> str:
    shown = name or getattr(plugin, "__name__", None) or type(plugin).__name__
    own = [attribute for attribute in dir(plugin) if hasattr(getattr(plugin, attribute, None), "kernelq_impl")]
    unknown = [attribute for attribute in own if attribute not in NAMES]
    if unknown:
        return f"the plugin {shown} implements {unknown[0]!r}, which is no hook.{did_you_mean(unknown[0], NAMES)}"
    return f"the plugin {shown} does not fit: {' '.join(str(error).split())}"
