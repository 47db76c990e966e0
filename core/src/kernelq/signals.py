"""Signals: told to functions connected in code, under the names of the hooks and of Celery's signals.

``task_failure.connect(function, sender=task)`` is for people who package nothing; a plugin implements the hook of the
same name. A receiver takes the hook's arguments as keywords, and leaves out those it does not want.
"""

from __future__ import annotations

import inspect
import threading
import weakref
from collections.abc import Callable, Hashable
from typing import Any, TypeVar, overload

import attrs

F = TypeVar("F", bound=Callable[..., Any])

_lock = threading.Lock()


@attrs.frozen(eq=False)
class _Receiver:
    """One connected function; what `receivers` hands to the hooks."""

    signal: Signal
    uid: Hashable
    sender: Callable[[], Any] | None
    function: Callable[[], Callable[..., Any] | None]
    wants: frozenset[str] | None
    """The arguments that the function takes, None for all."""

    def __call__(self, sender: Any = None, **arguments: Any) -> Any:
        function = self.function()
        if function is None or (self.sender is not None and not _same(self.sender(), sender)):
            return None
        arguments.update(sender=sender, signal=self.signal)
        if self.wants is not None:
            arguments = {name: value for name, value in arguments.items() if name in self.wants}
        return function(**arguments)

    def __repr__(self) -> str:
        return repr(self.function())


class Signal:
    """Something that happens, and the functions that are told of it. Thread-safe."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.version = 0
        """How often a connection was made or undone; what was compiled from the receivers before is stale."""
        self._receivers: tuple[_Receiver, ...] = ()

    @overload
    def connect(self, function: F, *, sender: Any = ..., weak: bool = ..., dispatch_uid: Hashable = ...) -> F: ...
    @overload
    def connect(
        self, function: None = ..., *, sender: Any = ..., weak: bool = ..., dispatch_uid: Hashable = ...
    ) -> Callable[[F], F]: ...
    def connect(
        self, function: F | None = None, *, sender: Any = None, weak: bool = True, dispatch_uid: Hashable = None
    ) -> F | Callable[[F], F]:
        """Call `function` whenever this happens, or happens to `sender`; also a decorator.

        `sender` is a task, a task's name, or whatever the signal has for sender. `weak`: the connection ends when
        nobody else holds the function. Connecting the same function, or the same `dispatch_uid`, twice is once.
        """
        if function is None:
            return lambda decorated: self.connect(decorated, sender=sender, weak=weak, dispatch_uid=dispatch_uid)
        uid = (dispatch_uid if dispatch_uid is not None else _identity(function), _sender_key(sender))
        receiver = _Receiver(
            self,
            uid,
            None if sender is None else _reference(sender, weak, None),
            _reference(function, weak, lambda _: self._drop(uid)),
            _wanted(function),
        )
        with _lock:
            if all(one.uid != uid for one in self._receivers):
                self._change((*self._receivers, receiver))
        return function

    def disconnect(
        self, function: Callable[..., Any] | None = None, *, sender: Any = None, dispatch_uid: Hashable = None
    ) -> bool:
        """Undo `connect`; tell whether there was such a connection."""
        return self._drop((dispatch_uid if dispatch_uid is not None else _identity(function), _sender_key(sender)))

    def has_listeners(self, sender: Any = None) -> bool:
        """Tell whether anyone would be told; with `sender`, told of it."""
        return any(one.sender is None or sender is None or _same(one.sender(), sender) for one in self.receivers())

    def receivers(self) -> tuple[_Receiver, ...]:
        """Return the connected functions in the order of their connection."""
        return self._receivers

    def send(self, sender: Any = None, **arguments: Any) -> list[tuple[Callable[..., Any], Any]]:
        """Tell everyone; return (function, answer) of each. An error is logged, is the answer, and stops nobody."""
        answers = []
        for receiver in self._receivers:
            function = receiver.function()
            if function is None or (receiver.sender is not None and not _same(receiver.sender(), sender)):
                continue
            answer: Any
            try:
                answer = receiver(sender=sender, **arguments)
            except Exception as error:  # noqa: BLE001 - one receiver's error is no other's
                _log_error(self, function)
                answer = error
            answers.append((function, answer))
        return answers

    def _drop(self, uid: Hashable) -> bool:
        with _lock:
            kept = tuple(one for one in self._receivers if one.uid != uid)
            dropped = len(kept) < len(self._receivers)
            if dropped:
                self._change(kept)
            return dropped

    def _change(self, receivers: tuple[_Receiver, ...]) -> None:
        self._receivers = receivers
        self.version += 1

    def __repr__(self) -> str:
        return f"<Signal {self.name}: {len(self._receivers)} receivers>"


def receivers(name: str) -> tuple[Callable[..., Any], ...]:
    """Return what is connected to the signal of a hook's name; nothing for a name that is no signal."""
    signal = SIGNALS.get(name)
    return signal.receivers() if signal is not None else ()


def _identity(function: Any) -> Hashable:
    bound_to = getattr(function, "__self__", None)
    return (id(bound_to), id(function.__func__)) if hasattr(function, "__func__") else id(function)


def _sender_key(sender: Any) -> Hashable:
    return sender if isinstance(sender, str | None) else id(sender)


def _same(wanted: Any, sender: Any) -> bool:
    """Tell whether a sender is the wanted one: itself, or by a task's name, which the publishing signals send."""
    if wanted is sender:
        return True
    wanted_name = wanted if isinstance(wanted, str) else getattr(wanted, "name", None)
    sender_name = sender if isinstance(sender, str) else getattr(sender, "name", None)
    return wanted_name is not None and wanted_name == sender_name


def _reference(target: Any, weak: bool, gone: Callable[[Any], Any] | None) -> Callable[[], Any]:
    if weak and not isinstance(target, str):
        try:
            return weakref.WeakMethod(target, gone) if inspect.ismethod(target) else weakref.ref(target, gone)
        except TypeError:  # of a type that has no weak references
            return lambda: target
    return lambda: target


def _wanted(function: Callable[..., Any]) -> frozenset[str] | None:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # a builtin that does not tell
        return None
    if any(one.kind is one.VAR_KEYWORD for one in parameters):
        return None
    return frozenset(one.name for one in parameters if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY))


def _log_error(signal: Signal, function: Callable[..., Any]) -> None:
    import logging

    log = logging.getLogger("kernelq.signals")
    log.exception("signal %s: %r raised; the others are still told", signal.name, function)


before_task_publish = Signal("before_task_publish")
after_task_publish = Signal("after_task_publish")
task_received = Signal("task_received")
task_prerun = Signal("task_prerun")
task_postrun = Signal("task_postrun")
task_success = Signal("task_success")
task_retry = Signal("task_retry")
task_failure = Signal("task_failure")
task_internal_error = Signal("task_internal_error")
task_revoked = Signal("task_revoked")
task_rejected = Signal("task_rejected")
task_unknown = Signal("task_unknown")
celeryd_init = Signal("celeryd_init")
celeryd_after_setup = Signal("celeryd_after_setup")
import_modules = Signal("import_modules")
worker_init = Signal("worker_init")
worker_before_create_process = Signal("worker_before_create_process")
worker_process_init = Signal("worker_process_init")
worker_process_shutdown = Signal("worker_process_shutdown")
worker_ready = Signal("worker_ready")
heartbeat_sent = Signal("heartbeat_sent")
worker_shutting_down = Signal("worker_shutting_down")
worker_shutdown = Signal("worker_shutdown")
setup_logging = Signal("setup_logging")
after_setup_logger = Signal("after_setup_logger")
after_setup_task_logger = Signal("after_setup_task_logger")
on_after_configure = Signal("on_after_configure")
on_after_finalize = Signal("on_after_finalize")

SIGNALS = {value.name: value for value in tuple(globals().values()) if isinstance(value, Signal)}
"""Every signal by its name."""
