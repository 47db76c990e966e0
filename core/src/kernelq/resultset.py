"""Several results together."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from kernelq.result import AsyncResult, assert_will_not_block
from kernelq.waiting import Waiting, adrive, check_time, left

if TYPE_CHECKING:
    from kernelq.app import KernelQ


class ResultSet:
    """Several results, waited for in one go; in the order in which they were given."""

    def __init__(self, results: Iterable[Any], app: KernelQ | None = None) -> None:
        self.results: list[Any] = list(dict.fromkeys(results))
        self._app = app

    @property
    def app(self) -> KernelQ:
        """The app of the results. Raises ValueError for an empty set without one."""
        if self._app is None:
            if not self.results:
                raise ValueError("an empty ResultSet has no app: give it one, ResultSet([], app=app)")
            self._app = self.results[0].app
        return self._app

    def get(
        self,
        timeout: float | None = None,
        propagate: bool = True,
        interval: float | None = None,
        callback: Callable[[str, Any], Any] | None = None,
        no_ack: bool = True,
        disable_sync_subtasks: bool = True,
    ) -> list[Any]:
        """Wait for all; return their results in order. The first failure that comes is raised at once.

        `timeout` is in seconds, for all together. `callback` is called with (id, value) for each. Raises as
        `AsyncResult.get`.
        """
        if disable_sync_subtasks:
            assert_will_not_block()
        values: list[Any] = list(_each(self._leaves(), timeout, propagate))
        if callback is not None:
            for id, value in values:
                callback(id, value)
        return self._values(propagate)

    join = get
    join_native = get

    async def aget(self, timeout: float | None = None, propagate: bool = True) -> list[Any]:
        """Do as `get` without blocking the event loop; also within a task."""
        leaves = self._leaves()
        steps = _all(leaves, propagate)
        if _unknown(leaves):
            await adrive(steps, leaves[0].backend, timeout, f"{len(leaves)} results")
        return self._values(propagate)

    def __await__(self) -> Generator[Any, None, list[Any]]:
        return self.aget().__await__()

    def iterate(self, timeout: float | None = None, propagate: bool = True) -> Iterator[Any]:
        """Yield the results in the order in which they come; `timeout` is in seconds, for all together."""
        assert_will_not_block()
        for _, value in _each(self._leaves(), timeout, propagate):
            yield value

    def add(self, result: Any) -> None:
        """Add a result, unless it is in."""
        if result not in self.results:
            self.results.append(result)

    def remove(self, result: Any) -> None:
        """Take a result, or an id, out. Raises KeyError where it is not in."""
        for one in self.results:
            if one == result:
                self.results.remove(one)
                return
        raise KeyError(result)

    def discard(self, result: Any) -> None:
        """Take a result out, if it is in."""
        self.results = [one for one in self.results if one != result]

    def update(self, results: Iterable[Any]) -> None:
        """Add several."""
        for one in results:
            self.add(one)

    def clear(self) -> None:
        """Take all out."""
        self.results.clear()

    def successful(self) -> bool:
        """Tell whether all have succeeded."""
        return all(one.successful() for one in self.results)

    def failed(self) -> bool:
        """Tell whether any has failed."""
        return any(one.failed() for one in self.results)

    def waiting(self) -> bool:
        """Tell whether any is not ready."""
        return any(not one.ready() for one in self.results)

    def ready(self) -> bool:
        """Tell whether all are ready."""
        return all(one.ready() for one in self.results)

    def completed_count(self) -> int:
        """Return how many have succeeded."""
        return sum(int(one.successful()) for one in self.results)

    def maybe_throw(self, propagate: bool = True, callback: Callable[[str, Any], Any] | None = None) -> None:
        """Raise the first failure that is known now."""
        for one in self.results:
            one.maybe_throw(propagate=propagate, callback=callback)

    maybe_reraise = maybe_throw

    def forget(self) -> None:
        """Delete all of them from the store."""
        for one in self.results:
            one.forget()

    def revoke(
        self, terminate: bool = False, signal: str | None = None, wait: bool = False, timeout: float | None = None
    ) -> Any:
        """Revoke all of them, in one command."""
        ids = [one.id for one in self._leaves()]
        return self.app.control.revoke(
            ids, terminate=terminate, signal=signal or "SIGTERM", reply=wait, timeout=timeout or 1.0
        )

    def _leaves(self) -> list[AsyncResult[Any]]:
        return [leaf for one in self.results for leaf in (one._leaves() if isinstance(one, ResultSet) else (one,))]

    def _values(self, propagate: bool) -> list[Any]:
        return [
            one._values(propagate) if isinstance(one, ResultSet) else _value(one, propagate) for one in self.results
        ]

    def __iter__(self) -> Iterator[Any]:
        return iter(self.results)

    def __getitem__(self, index: int) -> Any:
        return self.results[index]

    def __len__(self) -> int:
        return len(self.results)

    def __eq__(self, other: object) -> bool:
        return other.results == self.results if isinstance(other, ResultSet) else NotImplemented

    __hash__ = None  # type: ignore[assignment]  # it changes

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: [{', '.join(str(one) for one in self.results)}]>"


class GroupResult(ResultSet):
    """The results of a group, with an id of its own."""

    def __init__(
        self, id: str, results: Iterable[Any], app: KernelQ | None = None, parent: AsyncResult[Any] | None = None
    ) -> None:
        super().__init__(results, app)
        self.id = id
        self.parent = parent

    @property
    def children(self) -> list[Any]:
        """The results."""
        return self.results

    def as_tuple(self) -> tuple[Any, list[Any]]:
        """Return it as it is stored among a task's children."""
        parent = self.parent.as_tuple() if self.parent is not None else None
        return (self.id, parent), [one.as_tuple() for one in self.results]

    def __eq__(self, other: object) -> bool:
        if isinstance(other, GroupResult):
            return other.id == self.id and other.results == self.results
        return other == self.id if isinstance(other, str) else NotImplemented

    def __hash__(self) -> int:  # type: ignore[override]  # its id does not change
        return hash(self.id)


def result_from_tuple(stored: Any, app: KernelQ) -> AsyncResult[Any] | GroupResult:
    """Return what `as_tuple` made, after JSON, as a result again. Raises ValueError where it is something else."""
    try:
        node, nodes = stored
        id, parent = node if isinstance(node, list | tuple) else (node, None)
    except (TypeError, ValueError):
        raise ValueError(f"{stored!r} is no stored result") from None
    before: Any = result_from_tuple(parent, app) if parent else None
    if nodes is not None:
        return GroupResult(str(id), [result_from_tuple(one, app) for one in nodes], app, before)
    return AsyncResult(str(id), app, parent=before)


def _value(result: AsyncResult[Any], propagate: bool) -> Any:
    return None if result.ignored else result.maybe_throw(propagate=propagate)


def _unknown(results: Iterable[AsyncResult[Any]]) -> dict[str, AsyncResult[Any]]:
    return {one.id: one for one in results if one._cache is None and not one.ignored}


def _all(results: Sequence[AsyncResult[Any]], propagate: bool) -> Waiting:
    missing = _unknown(results)
    while missing:
        ready = yield list(missing)
        for id in ready.keys() & missing.keys():
            one = missing.pop(id)
            one._learn(ready[id])
            one.maybe_throw(propagate=propagate)


def _each(results: Sequence[AsyncResult[Any]], timeout: float | None, propagate: bool) -> Iterator[tuple[str, Any]]:
    missing = _unknown(results)
    for one in results:
        if one.id not in missing:
            yield one.id, _value(one, propagate)
    ended = None if timeout is None else time.monotonic() + timeout
    while missing:
        backend = next(iter(missing.values())).backend
        ready = backend.wait(list(missing), left(ended))
        if not ready.keys() & missing.keys():
            check_time(ended, timeout, f"{len(missing)} of {len(results)} results")
        for id in [id for id in missing if id in ready]:
            one = missing.pop(id)
            one._learn(ready[id])
            yield id, one.maybe_throw(propagate=propagate)
