"""From words of the command line to the arguments of a control command, checked against its signature."""

from __future__ import annotations

import inspect as _inspect
import json
import re
from collections.abc import Sequence
from typing import Any

import attrs
import click

from kernelq.command import UNTYPED, Command

SEVERAL = frozenset({"list", "tuple", "Sequence", "Iterable", "set"})
MAPPINGS = frozenset({"dict", "Mapping"})
NUMBERS = {"int": "a whole number", "float": "a number"}
TRUTHS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
KNOWN = frozenset({"str", "bool", "None", *NUMBERS, *MAPPINGS, *SEVERAL})

Parameter = _inspect.Parameter


@attrs.frozen
class Kind:
    """What a parameter takes, as its annotation tells; annotations are read as text, since many name what is not there.

    With `loose`, nothing is known of it: a word is JSON where it reads as that, else text.
    """

    names: frozenset[str]
    choices: tuple[str, ...] = ()

    @property
    def loose(self) -> bool:
        """Whether anything goes."""
        return not self.choices and (not self.names or not self.names <= KNOWN)

    @property
    def several(self) -> bool:
        """Whether it takes every word from its place on."""
        return bool(self.names & SEVERAL)

    def told(self) -> str:
        """Return what is wanted, in words."""
        if self.choices:
            return "one of " + ", ".join(self.choices)
        if self.loose:
            return "anything; numbers, true, lists and objects as JSON"
        words = [text for name, text in NUMBERS.items() if name in self.names]
        words += ["true or false"] if "bool" in self.names else []
        words += ["a JSON object"] if self.names & MAPPINGS and not self.several else []
        words += ["text"] if "str" in self.names or not words else []
        return " or ".join(words) + (", several" if self.several else "")

    def value(self, text: str) -> Any:
        """Return the value that a word stands for. Raises ValueError where it does not fit."""
        if self.choices:
            if text in self.choices:
                return text
            raise ValueError(text)
        if self.loose:
            return _json(text)
        if "bool" in self.names and text.lower() in TRUTHS:
            return TRUTHS[text.lower()]
        if self.names & NUMBERS.keys():
            number = _json(text)
            whole = isinstance(number, int) and not isinstance(number, bool)
            if whole or (isinstance(number, float) and "float" in self.names):
                return number
        if self.names & MAPPINGS and isinstance(found := _json(text), dict):
            return found
        if "None" in self.names and text in ("null", "none"):
            return None
        if "str" in self.names or not self.names - SEVERAL - {"None"}:
            return text
        raise ValueError(text)


def kind(parameter: Parameter | None) -> Kind:
    """Return what a parameter takes; None stands for one that is not known."""
    if parameter is None or parameter.annotation is parameter.empty:
        return Kind(frozenset())
    annotation = parameter.annotation
    text = annotation.__name__ if type(annotation) is type else str(annotation)
    if "Literal" in text:
        return Kind(frozenset(), tuple(re.findall(r"""['"]([^'"]*)['"]""", text)))
    names = {name.rpartition(".")[2] for name in re.findall(r"[\w.]+", re.sub(r"(dict|Mapping)\[[^]]*\]", r"\1", text))}
    return Kind(frozenset(names - {"Optional", "Union"}))


def parameters(command: Command) -> list[Parameter]:
    """Return those that can be typed."""
    return [one for one in list(command.signature.parameters.values())[1:] if one.name not in UNTYPED]


def arguments(command: Command, words: Sequence[str]) -> dict[str, Any]:
    """Return the arguments that `words` give to `command`: by place, or as ``name=value``.

    A parameter for several values (``Sequence[str]``) takes every word from its place on. Raises a usage error that
    shows the command's usage.
    """
    known = parameters(command)
    by_name = {one.name: one for one in known}
    places = [one for one in known if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)]
    open_ended = any(one.kind is one.VAR_KEYWORD for one in known)
    given: dict[str, Any] = {}
    several: Parameter | None = None
    for word in words:
        name, equals, text = word.partition("=")
        free = [one for one in places if one.name not in given]
        if equals and (name in by_name or (open_ended and name.isidentifier())):
            several = _give(command, given, name, by_name.get(name), text)
        elif several is not None:
            given[several.name].append(_value(command, several, word))
        elif not free:
            raise _usage(command, f"{word!r} is one argument too many")
        elif kind(free[0]).several:
            several = free[0]
            given[several.name] = [_value(command, several, word)]
        else:
            given[free[0].name] = _value(command, free[0], word)
    for one in known:
        if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD) and one.default is one.empty and one.name not in given:
            raise _usage(command, f"{one.name.upper()} is missing")
    return given


def loose(words: Sequence[str]) -> dict[str, Any]:
    """Return the arguments of a command that is not known here; each must be ``name=value``."""
    pairs = [word.partition("=") for word in words]
    bare = [name for name, equals, _ in pairs if not equals]
    if bare:
        raise click.UsageError(f"write the argument {bare[0]!r} as name=value: the command is not installed here")
    return {name: _json(text) for name, _, text in pairs}


def described(command: Command) -> list[tuple[str, str]]:
    """Return each argument as the help shows it, with what it takes."""
    shown = []
    for one in parameters(command):
        if one.kind is one.VAR_KEYWORD:
            shown.append(("NAME=VALUE", f"anything else; {kind(None).told()}"))
        elif one.default is one.empty:
            shown.append((one.name.upper(), kind(one).told()))
        else:
            default = "" if one.default is None else f"; {_typed(one.default)} unless given"
            shown.append((f"[{one.name.upper()}]", kind(one).told() + default))
    return shown


def _give(
    command: Command, given: dict[str, Any], name: str, parameter: Parameter | None, text: str
) -> Parameter | None:
    """Take ``name=value``; return the parameter, where it takes the next words too."""
    if parameter is None or not kind(parameter).several:
        given[name] = _value(command, parameter, text, name)
        return None
    whole = _json(text)
    if isinstance(whole, list | dict):
        given[name] = whole
        return None
    given.setdefault(name, []).append(_value(command, parameter, text))
    return parameter


def _value(command: Command, parameter: Parameter | None, text: str, name: str = "") -> Any:
    wanted = kind(parameter)
    try:
        return wanted.value(text)
    except ValueError:
        name = parameter.name if parameter is not None else name
        raise _usage(command, f"{name.upper()} is {wanted.told()}, not {text!r}") from None


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _typed(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=repr)


def _usage(command: Command, problem: str) -> click.UsageError:
    return click.UsageError(f"{problem}; usage: kernelq {command.kind.value} {command.usage()}")
