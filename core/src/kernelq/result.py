"""Results: what came of a task, asked by its id."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from kernelq import meta
from kernelq.context import current
from kernelq.exceptions import IncompleteStream, NoResultBackend
from kernelq.states import FAILURE, PROPAGATE_STATES, READY_STATES, SUCCESS
from kernelq.waiting import Waiting, adrive, drive

if TYPE_CHECKING:
    from kernelq.app import KernelQ
    from kernelq.kernel.contracts.backend import ResultBackend
    from kernelq.resultset import GroupResult

R = TypeVar("R")
NO_BACKEND = (
    "results are not kept: the setting result_backend is off; "
    "type result_backend='sqlite:///kernelq.db' in the settings, and restart the workers"
)
WOULD_BLOCK = (
    "Never call result.get() within a task: it holds a slot while it waits for another. Link the tasks "
    "(task.s() | other.s()), or use `with allow_join_result():` where you know that it cannot deadlock"
)
_allowed: ContextVar[bool] = ContextVar("kernelq_allow_join", default=False)


class RemoteTraceback(Exception):
    """The traceback from the worker, shown as the cause of the exception that `get` raises."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


@contextmanager
def allow_join_result() -> Iterator[None]:
    """Let `get` wait within a task, in this context."""
    token = _allowed.set(True)
    try:
        yield
    finally:
        _allowed.reset(token)


def assert_will_not_block() -> None:
    """Raise RuntimeError within a task, unless `allow_join_result` says otherwise."""
    running = current()
    if running is not None and not running.called_directly and not running.is_eager and not _allowed.get():
        raise RuntimeError(WOULD_BLOCK)


class AsyncResult(Generic[R]):
    """The result of one task. Await it, or call `get`; it asks the store only when it must.

    Two are equal where their ids are; so is one and the id as text.
    """

    def __init__(
        self,
        id: str,
        app: KernelQ,
        *,
        backend: ResultBackend | None = None,
        parent: AsyncResult[Any] | None = None,
        ignored: bool = False,
    ) -> None:
        self.id = id
        self.app = app
        self.parent = parent
        self.ignored = ignored
        """The sender asked for no result: `get` returns None at once."""
        self._given_backend = backend
        self._cache: dict[str, Any] | None = None
        self._callbacks: tuple[tuple[Callable[[Any], Any], Callable[[Any], Any] | None], ...] = ()

    # Waiting

    def get(
        self,
        timeout: float | None = None,
        propagate: bool = True,
        interval: float | None = None,
        no_ack: bool = True,
        follow_parents: bool = True,
        callback: Callable[[str, Any], Any] | None = None,
        disable_sync_subtasks: bool = True,
    ) -> R:
        """Wait for the task and return its result, or raise what it raised.

        `timeout` is in seconds. With `propagate` off the exception is returned. With `follow_parents` a failure of a
        task before it in its chain is raised too. `interval` and `no_ack` are there for Celery's sake and do nothing.
        Raises `TimeoutError`, `kernelq.kernel.errors.BackendUnreachable`, `NoResultBackend`, and RuntimeError
        within a task.
        """
        if self.ignored:
            return None  # type: ignore[return-value]  # nobody will ever know the result
        if disable_sync_subtasks:
            assert_will_not_block()
        value = drive(self._waiting(propagate, follow_parents), self.backend, timeout, self.id)
        if callback is not None:
            callback(self.id, value)
        return value  # type: ignore[no-any-return]  # the type is the task's promise

    def wait(self, *args: Any, **options: Any) -> R:
        """Do as `get`."""
        return self.get(*args, **options)

    async def aget(self, timeout: float | None = None, propagate: bool = True, follow_parents: bool = True) -> R:
        """Do as `get` without blocking the event loop; also within a task."""
        if self.ignored:
            return None  # type: ignore[return-value]  # as in `get`
        steps = self._waiting(propagate, follow_parents)
        return await adrive(steps, self.backend, timeout, self.id)  # type: ignore[no-any-return]  # as in `get`

    def __await__(self) -> Generator[Any, None, R]:
        return self.aget().__await__()

    def _waiting(self, propagate: bool, follow_parents: bool) -> Waiting:
        parents = {one.id: one for one in self._parents()} if follow_parents and propagate else {}
        while self._cache is None:
            ready = yield [self.id, *parents]
            if self.id in ready:
                self._learn(ready[self.id])
                break
            for id in ready.keys() & parents.keys():
                parent = parents.pop(id)
                parent._learn(ready[id])
                parent.maybe_throw()
        return self.maybe_throw(propagate=propagate)

    def _parents(self) -> Iterator[AsyncResult[Any]]:
        node = self.parent
        while node is not None:
            yield node
            node = node.parent

    def then(
        self, callback: Callable[[AsyncResult[R]], Any], on_error: Callable[[AsyncResult[R]], Any] | None = None
    ) -> AsyncResult[R]:
        """Call `callback` with this result, or `on_error` after a failure, once this object knows that it is ready.

        It knows when it has been waited for or asked; nothing is polled behind your back.
        """
        self._callbacks += ((callback, on_error),)
        if self._cache is not None:
            self._call_back()
        return self

    # Asking

    @property
    def state(self) -> str:
        """The state now: one of `kernelq.states`, or the task's own. An unknown id is PENDING."""
        return self._meta()["status"]  # type: ignore[no-any-return]  # `meta.read` has checked it

    status = state

    @property
    def result(self) -> Any:
        """What the task returned, its exception, or what it last told by `update_state`."""
        return self._meta()["result"]

    info = result

    @property
    def traceback(self) -> str | None:
        """The traceback of a failure, as text."""
        return self._meta().get("traceback")

    def ready(self) -> bool:
        """Tell whether the task has ended: SUCCESS, FAILURE or REVOKED."""
        return self.state in READY_STATES

    def successful(self) -> bool:
        """Tell whether the state is SUCCESS."""
        return self.state == SUCCESS

    def failed(self) -> bool:
        """Tell whether the state is FAILURE."""
        return self.state == FAILURE

    def exists(self) -> bool:
        """Tell whether anything is stored for this id."""
        return self._cache is not None or self.backend.get(self.id) is not None

    @property
    def children(self) -> list[AsyncResult[Any] | GroupResult] | None:
        """The results of the tasks that this task sent; None while nothing is known."""
        from kernelq.resultset import result_from_tuple

        stored = self._meta().get("children")
        return None if stored is None else [result_from_tuple(one, self.app) for one in stored]

    @property
    def date_done(self) -> datetime | None:
        """When the task ended, in UTC."""
        text = self._meta().get("date_done")
        return datetime.fromisoformat(text) if isinstance(text, str) else text

    @property
    def name(self) -> str | None:
        """The task's name; needs ``result_extended``, as do args, kwargs, worker, retries and queue."""
        return self._meta().get("name")

    @property
    def args(self) -> Any:
        """The positional arguments."""
        return self._meta().get("args")

    @property
    def kwargs(self) -> Any:
        """The keyword arguments."""
        return self._meta().get("kwargs")

    @property
    def worker(self) -> str | None:
        """The node that ran the task."""
        return self._meta().get("worker")

    @property
    def retries(self) -> int | None:
        """How often the task had been retried."""
        return self._meta().get("retries")

    @property
    def queue(self) -> str | None:
        """The queue the task came from."""
        return self._meta().get("queue")

    def maybe_throw(self, propagate: bool = True, callback: Callable[[str, Any], Any] | None = None) -> Any:
        """Return the result as it is known now, or raise the task's exception."""
        known = self._meta()
        value = known["result"]
        if propagate and known["status"] in PROPAGATE_STATES and isinstance(value, BaseException):
            raise _with_traceback(value, known.get("traceback"))
        if callback is not None:
            callback(self.id, value)
        return value

    maybe_reraise = maybe_throw

    # Following what the task sent

    def iterdeps(self, intermediate: bool = False) -> Iterator[tuple[Any, Any]]:
        """Yield (parent, result) for this and all that it led to.

        Raises `IncompleteStream` at the first that is not ready, unless `intermediate`.
        """
        stack: deque[tuple[Any, Any]] = deque([(None, self)])
        while stack:
            parent, node = stack.popleft()
            yield parent, node
            if node.ready():
                stack.extend((node, child) for child in node.children or ())
            elif not intermediate:
                raise IncompleteStream(str(node.id))

    def collect(self, intermediate: bool = False, **options: Any) -> Iterator[tuple[Any, Any]]:
        """Yield (result, value) for this and all that it led to; `options` as in `get`."""
        for _, node in self.iterdeps(intermediate):
            yield node, node.get(**options)

    def get_leaf(self) -> Any:
        """Return the value of the last task that this one led to."""
        value = None
        for _, node in self.iterdeps():
            value = node.get()
        return value

    # Changing

    def forget(self) -> None:
        """Delete the result, and those of the tasks before it in its chain, from the store."""
        self._cache = None
        self.backend.forget([self.id, *(one.id for one in self._parents())])

    def revoke(
        self, terminate: bool = False, signal: str | None = None, wait: bool = False, timeout: float | None = None
    ) -> Any:
        """Tell the workers not to run the task; `terminate` ends it with `signal` (TERM) where it runs."""
        return self.app.control.revoke(
            self.id, terminate=terminate, signal=signal or "SIGTERM", reply=wait, timeout=timeout or 1.0
        )

    def as_tuple(self) -> tuple[Any, None]:
        """Return it as it is stored among a task's children."""
        return (self.id, self.parent.as_tuple() if self.parent is not None else None), None

    def as_list(self) -> list[str]:
        """Return its id and those before it in its chain."""
        return [self.id, *(one.id for one in self._parents())]

    @property
    def task_id(self) -> str:
        """The id."""
        return self.id

    @property
    def backend(self) -> ResultBackend:
        """The store. Raises `NoResultBackend`."""
        backend = self._given_backend or self.app.backend
        if backend is None:
            raise NoResultBackend(NO_BACKEND)
        return backend

    def _meta(self) -> dict[str, Any]:
        return self._cache if self._cache is not None else self._learn(self.backend.get(self.id))

    def _learn(self, payload: bytes | None) -> dict[str, Any]:
        from kernelq.backends import reader

        known = meta.read(payload, reader(self.app)) if payload is not None else meta.pending()
        if known["status"] in READY_STATES:
            self._cache = known
            self._call_back()
        return known

    def _call_back(self) -> None:
        failed = self._meta()["status"] in PROPAGATE_STATES
        waiting, self._callbacks = self._callbacks, ()
        for callback, on_error in waiting:
            call = on_error if failed else callback
            if call is not None:
                call(self)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, AsyncResult):
            return bool(other.id == self.id)
        return other == self.id if isinstance(other, str) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.id)

    def __str__(self) -> str:
        return self.id

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.id}>"


class EagerResult(AsyncResult[R]):
    """The result of a task that was run in this process; nothing is asked of any store."""

    def __init__(
        self, id: str, app: KernelQ, value: Any, state: str, traceback: str | None = None, name: str | None = None
    ) -> None:
        super().__init__(id, app)
        self._cache = {
            "status": state, "result": value, "traceback": traceback, "children": [], "name": name,
        }  # fmt: skip

    def get(self, timeout: float | None = None, propagate: bool = True, **options: Any) -> R:  # type: ignore[override]  # the rest is moot
        """Return the result, or raise what the task raised."""
        return self.maybe_throw(propagate=propagate)  # type: ignore[no-any-return]  # the type is the task's promise

    async def aget(self, timeout: float | None = None, propagate: bool = True, follow_parents: bool = True) -> R:
        """Do as `get`."""
        return self.get(propagate=propagate)

    def ready(self) -> bool:
        """Return True: it was run before this was made."""
        return True

    def forget(self) -> None:
        """Do nothing: nothing is stored."""

    def revoke(self, *args: Any, **options: Any) -> None:
        """Do nothing: it has run."""


def _with_traceback(error: BaseException, text: str | None) -> BaseException:
    if text and error.__cause__ is None:
        error.__cause__ = RemoteTraceback(text)
    return error
