"""A property that is computed once, under its object's own lock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar, overload

T = TypeVar("T")


class once(Generic[T]):
    """As `functools.cached_property`, with ``self._lock``, a reentrant lock, around the computation.

    The standard one has a lock of its own for all objects in Python 3.11, which a fork can leave locked for ever and
    which two threads can take in the other order than the object's; and none at all from 3.12.
    """

    def __init__(self, compute: Callable[[Any], T]) -> None:
        self._compute = compute
        self._name = compute.__name__
        self.__doc__ = compute.__doc__

    @overload
    def __get__(self, instance: None, owner: type) -> once[T]: ...
    @overload
    def __get__(self, instance: object, owner: type) -> T: ...
    def __get__(self, instance: Any, owner: type) -> once[T] | T:
        if instance is None:
            return self
        values: dict[str, T] = instance.__dict__
        with instance._lock:
            if self._name not in values:
                values[self._name] = self._compute(instance)
            return values[self._name]
