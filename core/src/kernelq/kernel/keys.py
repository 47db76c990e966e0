"""Typed keys, the only way in which steps share what they make."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Generic, TypeVar

import attrs

from kernelq.kernel.errors import KeyNotProvided, UndeclaredKey, site

T = TypeVar("T")


@attrs.frozen(init=False, repr=False)
class Key(Generic[T]):
    """The name of a thing that a step provides, with its type.

    Two keys are the same when their names are; `T` is for the type checker. Write one at module level:
    ``POOL: Key[Pool] = Key("pool", "where requests are executed")``.
    """

    name: str
    doc: str = attrs.field(eq=False)
    extra: str = attrs.field(eq=False)
    """The extra of `kernelq` whose plugin usually provides it; errors say to install that."""
    declared_at: str = attrs.field(eq=False)

    def __init__(self, name: str, doc: str = "", extra: str = "") -> None:
        self.__attrs_init__(name, doc, extra, site(2))

    def __repr__(self) -> str:
        return f"Key({self.name!r})"


class Context:
    """What the steps of one blueprint have provided so far.

    A nested blueprint gets a child: it reads its parent's values and writes its own, so its restart leaves them.
    """

    __slots__ = ("_parent", "_values")

    def __init__(self, values: Mapping[Key[Any], Any] | None = None, parent: Context | None = None) -> None:
        self._values: dict[Key[Any], Any] = dict(values or {})
        self._parent = parent

    def child(self) -> Context:
        """Return an empty context that falls back to this one."""
        return Context(parent=self)

    def keys(self) -> frozenset[Key[Any]]:
        """Return every key that has a value here or in a parent."""
        inherited = self._parent.keys() if self._parent is not None else frozenset()
        return inherited | frozenset(self._values)

    def __contains__(self, key: Key[Any]) -> bool:
        return key in self._values or (self._parent is not None and key in self._parent)

    def __getitem__(self, key: Key[T]) -> T:
        if key in self._values:
            return self._values[key]  # type: ignore[no-any-return]  # the key's T is what was put
        if self._parent is not None:
            return self._parent[key]
        raise KeyNotProvided(key, have=self.keys())

    def get(self, key: Key[T]) -> T | None:
        """Return the value of `key`, or None where nothing provides it."""
        return self[key] if key in self else None  # noqa: SIM401 - this is that get

    def __setitem__(self, key: Key[T], value: T) -> None:
        self._values[key] = value

    def discard(self, key: Key[Any]) -> None:
        """Forget the value of `key`, if there is one here."""
        self._values.pop(key, None)


class StepContext(Context):
    """A context as one step sees it: it reads what it declared and writes what it provides."""

    __slots__ = ("_owner", "_readable", "_writable")

    def __init__(self, owner: str, of: Context, readable: frozenset[Key[Any]], writable: frozenset[Key[Any]]) -> None:
        self._values, self._parent = of._values, of._parent
        self._owner, self._readable, self._writable = owner, readable | writable, writable

    def __getitem__(self, key: Key[T]) -> T:
        if key not in self._readable:
            raise UndeclaredKey(key, step=self._owner, verb="reads", declare="requires")
        return super().__getitem__(key)

    def __setitem__(self, key: Key[T], value: T) -> None:
        if key not in self._writable:
            raise UndeclaredKey(key, step=self._owner, verb="writes", declare="provides")
        super().__setitem__(key, value)
