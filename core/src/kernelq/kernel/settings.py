"""Settings: typed names with defaults, documentation, and where each value came from."""

from __future__ import annotations

import re
import types
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import attrs

from kernelq.kernel.errors import BadSetting, UnknownSetting, did_you_mean

S = TypeVar("S")
_PASSWORD = re.compile(  # of each URL in a text: up to the last @ before the next URL, and in the query
    r"(?<=://)([^:/@]*:)(?:(?!://).)*(?=@)|([?&][^=&]*(?:password|secret|token)=)[^&;]*", re.IGNORECASE | re.DOTALL
)


def setting(
    default: Any, doc: str, *, secret: bool = False, check: Callable[[Any], str | None] | None = None, option: str = ""
) -> Any:
    """Declare a setting in a `Settings` class or a plugin's section.

    `doc` tells the meaning and the unit. Of a `secret` URL the password is never shown, of any other `secret` nothing.
    `check` returns what is wrong with a value, in words, or None. A mutable default is given as its type:
    ``setting(dict, …)``. `option`: how `kernelq worker` takes it, ``"-c/--concurrency=N"``; "": as NAME=VALUE only.
    """
    metadata = {"doc": doc, "secret": secret, "check": check, "option": option}
    if default in (dict, list, set):
        return attrs.field(factory=default, metadata=metadata, repr=not secret)
    return attrs.field(default=default, metadata=metadata, repr=not secret)


@attrs.define(slots=False, kw_only=True, on_setattr=attrs.setters.NO_OP)
class Settings:
    """The settings of an app. Subclass it with ``@attrs.define`` and fields made by `setting`.

    Reading an attribute is a plain attribute access. Writing checks the name and the type and notes the source.
    """

    _sources: dict[str, str] = attrs.field(factory=dict, init=False, repr=False)
    _sections: dict[type, Any] = attrs.field(factory=dict, init=False, repr=False)
    _ready: bool = attrs.field(default=False, init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self._ready = True

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("_") or not self.__dict__.get("_ready"):
            object.__setattr__(self, name, value)
        else:
            self.update({name: value}, source="code")

    def update(self, values: Mapping[str, Any], source: str) -> None:
        """Set several settings; either all are set or none.

        `source` says where they came from: ``"environment"``. Raises `UnknownSetting`, `BadSetting`.
        """
        holders = {name: self._declared(name, source)[0] for name in values}
        for name, value in values.items():
            _check(type(holders[name]), name, value, source)
        for name, value in values.items():
            object.__setattr__(holders[name], name, value)
            self._sources[name] = source

    def section(self, declaration: type[S]) -> S:
        """Return the plugin settings declared by this attrs class, adding them to the known names."""
        if declaration not in self._sections:
            taken = set(self.names()) & {field.name for field in attrs.fields(declaration)}  # type: ignore[arg-type]  # any attrs class
            if taken:
                raise BadSetting(f"{declaration.__qualname__} declares {min(taken)!r}, which exists already")
            self._sections[declaration] = declaration()
        return self._sections[declaration]  # type: ignore[no-any-return]  # it is an S by construction

    def names(self) -> list[str]:
        """Return every known name, sorted."""
        return sorted(field.name for _, field in self._fields())

    def source(self, name: str) -> str:
        """Return where the value of `name` came from; "default" where nobody set it."""
        self._declared(name, "source")
        return self._sources.get(name, "default")

    def type_of(self, name: str, source: str) -> Any:
        """Return the type that a value of `name`, which came from `source`, must have. Raises `UnknownSetting`."""
        return _types(type(self._declared(name, source)[0]))[name]

    def as_dict(self, *, redact: bool = True, changed: bool = False) -> dict[str, Any]:
        """Return all values by name, sorted; secrets hidden unless `redact` is False; `changed`: only what was set."""
        fields = sorted(self._fields(), key=lambda pair: pair[1].name)
        values = {field.name: (field, getattr(holder, field.name)) for holder, field in fields}
        return {
            name: shown(field, value) if redact else value
            for name, (field, value) in values.items()
            if name in self._sources or not changed
        }

    def _fields(self) -> Iterator[tuple[Any, attrs.Attribute[Any]]]:
        for holder in (self, *self._sections.values()):
            yield from ((holder, field) for field in attrs.fields(type(holder)) if "doc" in field.metadata)

    def _declared(self, name: str, source: str) -> tuple[Any, attrs.Attribute[Any]]:
        for holder, field in self._fields():
            if field.name == name:
                return holder, field
        raise UnknownSetting(
            f"there is no setting {name!r} (from {source}).{did_you_mean(name, self.names())} "
            f"Type `kernelq config show` for all"
        )


def shown(field: attrs.Attribute[Any], value: Any) -> Any:
    """Return the value of a setting as others may see it."""
    if not (field.metadata["secret"] and value):
        return value
    return _PASSWORD.sub(r"\1\2**", value) if isinstance(value, str) and "://" in value else "********"


_types: Callable[[type], dict[str, Any]] = cache(get_type_hints)


def _check(declaration: type, name: str, value: Any, source: str) -> None:
    wanted, field = _types(declaration)[name], getattr(attrs.fields(declaration), name)
    if not _fits(value, wanted):
        named = wanted.__name__ if isinstance(wanted, type) else str(wanted).replace("typing.", "")
        raise BadSetting(f"setting {name} (from {source}) wants {named}, not {shown(field, value)!r}")
    check = field.metadata["check"]
    if check and value is not None and (problem := check(value)):
        raise BadSetting(f"setting {name} (from {source}) is {shown(field, value)!r}: {problem}")


def _fits(value: Any, wanted: Any) -> bool:
    kind = get_origin(wanted) or wanted
    if kind in (Union, types.UnionType):
        return any(_fits(value, one) for one in get_args(wanted))
    if kind is Literal:
        return value in get_args(wanted)
    if isinstance(value, bool):
        return kind in (bool, object, Any)
    return kind is Any or isinstance(value, (int, float) if kind is float else kind)
