"""The app: tasks, settings, and the way to the broker and the result store."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType, ModuleType, TracebackType
from typing import TYPE_CHECKING, Any, Concatenate, Literal, ParamSpec, TypeVar, overload

from kernelq import signals
from kernelq.arguments import sequence
from kernelq.forks import after_fork
from kernelq.once import once
from kernelq.registry import Registry
from kernelq.task import Task

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from datetime import datetime, tzinfo

    from kernelq.amqp import Messages
    from kernelq.clock import Clock
    from kernelq.command import Command
    from kernelq.conf import Conf
    from kernelq.control import ControlClient
    from kernelq.events.entry import Events
    from kernelq.executor import Executor
    from kernelq.kernel.contracts.backend import ResultBackend
    from kernelq.kernel.contracts.transport import Sender, Transport
    from kernelq.kernel.discovery import Discovery
    from kernelq.kernel.hooks import Hooks
    from kernelq.kernel.step import Step
    from kernelq.publishing import Publisher
    from kernelq.result import AsyncResult
    from kernelq.signature import Signature

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T", bound=Task[..., Any])


class KernelQ:
    """An application: a set of tasks, their settings, a broker and a result store.

    `main` names tasks of the script that is run, where a module would be ``__main__``. `broker`, `backend` and further
    keywords are settings (`kernelq.conf.Conf`); the environment (``KERNELQ_BROKER_URL``) wins over them, and what
    code sets later wins over both. Settings are read when they are first needed, plugins are loaded after that.
    Thread-safe; several apps live side by side. As a context manager it closes itself.
    """

    def __init__(
        self,
        main: str | None = None,
        *,
        broker: str | Sequence[str] | None = None,
        backend: str | None = None,
        include: Sequence[str] = (),
        discovery: Discovery | None = None,
        **settings: Any,
    ) -> None:
        self.main = main
        given = {"broker_url": broker, "result_backend": backend, "include": tuple(include) or None}
        self._given = {**{name: value for name, value in given.items() if value is not None}, **settings}
        self._given_discovery = discovery
        self._registry = Registry(self)
        self._tasks = self._registry.tasks
        self._steps: dict[str, list[type[Step]]] = {}
        self._commands: list[Command] = []
        self._plugins: list[object] = []
        self._finalized = False
        self._renew()
        after_fork(self._renew)

    def _renew(self) -> None:
        # A thread may hold the lock while another forks; in the child nobody would ever release it.
        self._lock = threading.RLock()
        self._local = threading.local()
        self._registry.renew()
        if "clock" in self.__dict__:
            self.clock.renew()

    # Settings

    @property
    def conf(self) -> Conf:
        """The settings. Raises `kernelq.kernel.errors.ConfigurationError` where one of them is wrong."""
        conf: Conf | None = self.__dict__.get("_conf")
        return conf if conf is not None else self._configure()

    def config_from_object(self, source: Any, *, namespace: str | None = None) -> None:
        """Take settings from a mapping, an object, a module, or the name of a module or TOML file.

        With `namespace` ``"CELERY"`` from names like ``CELERY_BROKER_URL``, as in Django's settings. The environment
        wins over them.
        """
        from kernelq.sources import update_from_object

        update_from_object(self.conf, source, namespace)

    def _configure(self) -> Conf:
        with self._lock:
            if "_conf" in self.__dict__:
                return self.conf
            from kernelq.conf import Conf
            from kernelq.sources import update_from_environment

            conf = Conf()
            self.hooks.event("declare_settings", settings=conf)
            conf.update(self._given, source="the app's arguments")
            update_from_environment(conf)
            self._conf = conf
            self.hooks.event("on_after_configure", sender=self, source=conf)
            return conf

    # Plugins

    @once
    def discovery(self) -> Discovery:
        """The plugins that are installed, and those given to this app."""
        from kernelq.kernel.discovery import Discovery

        return self._given_discovery if self._given_discovery is not None else Discovery()

    @once
    def hooks(self) -> Hooks:
        """Everyone who wants to know: plugins of the group ``kernelq.hooks``, `register` and `kernelq.signals`."""
        from kernelq.kernel.hooks import Hooks

        hooks = Hooks(extra=signals.receivers)
        for found in self.discovery.found("kernelq.hooks"):
            hooks.register(found.load(), found.name)
        for plugin in self._plugins:
            hooks.register(plugin)
        return hooks

    def register(self, plugin: object) -> None:
        """Add a plugin in code: a module or object with functions marked by `kernelq.hookimpl`."""
        with self._lock:
            self._plugins.append(plugin)
            if "hooks" in self.__dict__:
                self.hooks.register(plugin)
            declare = getattr(plugin, "declare_settings", None)
            if declare is not None and "_conf" in self.__dict__:
                declare(self.conf)
            self.__dict__.pop("_publisher", None)  # it has compiled the hooks without this one

    def add_step(self, step: type[Step], blueprint: str = "worker") -> type[Step]:
        """Add a step to a blueprint, as an entry point of ``kernelq.steps.<blueprint>`` would; also a decorator."""
        self._steps.setdefault(blueprint, []).append(step)
        return step

    def added_steps(self, blueprint: str) -> list[type[Step]]:
        """Return the steps added to a blueprint by `add_step`."""
        return list(self._steps.get(blueprint, ()))

    def control_command(self, command: Command) -> Command:
        """Add a command made by `kernelq.inspect_command` or `kernelq.control_command`; also a decorator."""
        self._commands.append(command)
        return command

    def added_commands(self) -> list[Command]:
        """Return the commands added by `control_command`."""
        return list(self._commands)

    # Tasks

    @property
    def tasks(self) -> Mapping[str, Task[..., Any]]:
        """The tasks by name; asking finalises the app."""
        self.finalize()
        return MappingProxyType(self._tasks)

    @overload
    def task(self, function: Callable[P, Awaitable[R]], /) -> Task[P, R]: ...
    @overload
    def task(self, function: Callable[P, R], /) -> Task[P, R]: ...
    @overload
    def task(
        self, function: None = ..., /, *, bind: Literal[True], **options: Any
    ) -> Callable[[Callable[Concatenate[Any, P], R]], Task[P, R]]: ...
    @overload
    def task(self, function: None = ..., /, **options: Any) -> Callable[[Callable[P, R]], Task[P, R]]: ...
    def task(self, function: Callable[..., Any] | None = None, /, **options: Any) -> Any:
        """Make a task of a function; a decorator, with or without options.

        Options: `name`, `base` (a subclass of `Task`), `bind` (the function takes the task first), and every attribute
        of `base`. Raises TypeError for an option that `base` has not, `ConfigurationError` for a name taken already.
        """
        if function is None:
            return lambda decorated: self._registry.add_function(decorated, **options)
        if not callable(function):
            raise TypeError("@app.task takes options as keywords: @app.task(name=…)")
        return self._registry.add_function(function, **options)

    def register_task(self, task: T | type[T]) -> T:
        """Add a task that is written as a class: an instance (or the class) of a subclass of `Task` with a `run`."""
        return self._registry.add_object(task)

    def task_name(self, name: str, module: str | None) -> str:
        """Return the automatic name of a task: module and function; `main` stands for the script that is run."""
        return self._registry.name(name, module)

    def finalize(self) -> None:
        """Declare the tasks complete, once; tells the hook `on_after_finalize`."""
        if self._finalized:
            return
        with self._lock:
            first, self._finalized = not self._finalized, True
            if first:
                self.conf  # noqa: B018 - settings are complete before tasks are
                self.hooks.event("on_after_finalize", sender=self)

    def import_modules(self) -> list[ModuleType]:
        """Import the modules of ``imports`` and ``include``, as a worker does when it starts."""
        from importlib import import_module

        self.hooks.event("import_modules", sender=self)
        return [import_module(name) for name in (*self.conf.imports, *self.conf.include)]

    # Sending

    @once
    def amqp(self) -> Messages:
        """Makes task messages without sending them."""
        from kernelq.amqp import Messages

        return Messages(self)

    @once
    def _publisher(self) -> Publisher:
        from kernelq.publishing import Publisher

        return Publisher(self)

    @once
    def sender(self) -> Sender:
        """The sender that this app publishes with."""
        return self.write_transport.sender()

    def send_task(
        self, name: str, args: Iterable[Any] = (), kwargs: Mapping[str, Any] | None = None, **options: Any
    ) -> AsyncResult[Any]:
        """Send a task by name, known here or not; options as in `Task.apply_async`."""
        from kernelq.amqp import check_options

        check_options(name, options)
        message = self.amqp.build(name, sequence(args), kwargs, options, self._tasks.get(name))
        return self._publisher.send(message, options)

    def send_many(self, signatures: Iterable[Signature]) -> list[AsyncResult[Any]]:
        """Send several signatures in one go, all of them or, where the broker can, none; in order."""
        with self._publisher.batch():
            return [one.apply_async() for one in signatures]

    async def asend_many(self, signatures: Iterable[Signature]) -> list[AsyncResult[Any]]:
        """Do as `send_many` without blocking the event loop."""
        return await self._publisher.couriers.send(lambda: self.send_many(signatures))

    def _send(
        self, task: Task[..., Any], given: Iterable[Any], kwargs: Mapping[str, Any], options: Mapping[str, Any]
    ) -> AsyncResult[Any]:
        args = sequence(given)
        task.check_arguments(tuple(args), kwargs)
        if self.conf.task_always_eager:
            from kernelq.eager import apply

            return apply(task, tuple(args), dict(kwargs), dict(options))
        if not options:
            return self._publisher.send(self.amqp.plain(task, args, kwargs), options)
        options = {"ignore_result": task.ignore_result, **options}
        return self._publisher.send(self.amqp.build(task.name, args, kwargs, options, task), options)

    def signature(self, task: Any, *args: Any, **options: Any) -> Signature:
        """Return a signature of a task, by name or object, or of the dict that one is on the wire."""
        from kernelq.signature import signature

        return signature(task, *args, app=self, **options)

    # What is asked for by name

    @once
    def transport(self) -> Transport:
        """The broker that workers consume from; one out of those in the settings. It connects to nothing yet."""
        from kernelq.brokers import open_transport

        return open_transport(self, "read")

    @once
    def write_transport(self) -> Transport:
        """The broker that messages are sent to; the same object where the settings do not tell them apart."""
        from kernelq.brokers import open_transport

        return open_transport(self, "write")

    @once
    def backend(self) -> ResultBackend | None:
        """The result store, by the scheme of ``result_backend``; None where results are not kept."""
        from kernelq.schemes import open_backend

        return open_backend(self)

    @once
    def control(self) -> ControlClient:
        """Asks running workers, and tells them."""
        from kernelq.control import ControlClient

        return ControlClient(self)

    @once
    def events(self) -> Events:
        """Watches the cluster by its events, and sends some."""
        from kernelq.events.entry import Events

        return Events(self)

    def executor(self, hostname: str, *, eager: bool = False) -> Executor:
        """Return what runs jobs of this app's tasks: ``executor(job) -> Outcome``."""
        from kernelq.executor import Executor

        return Executor(self, hostname, eager=eager)

    def AsyncResult(self, task_id: str) -> AsyncResult[Any]:
        """Return the result of a task that was sent, by its id."""
        from kernelq.result import AsyncResult

        return AsyncResult(task_id, app=self)

    # Time and names

    @once
    def timezone(self) -> tzinfo:
        """The time zone of times that have none: the setting ``timezone``, else UTC, or the local zone."""
        from kernelq.zones import zone

        return zone(self.conf)

    @once
    def clock(self) -> Clock:
        """The logical clock, carried and moved on by every control command, reply and event of this process."""
        from kernelq.clock import Clock

        return Clock()

    def now(self) -> datetime:
        """Return the time, in the app's time zone."""
        from datetime import datetime

        return datetime.now(self.timezone)

    def new_id(self) -> str:
        """Return a new random task id."""
        from kernelq.ids import new_id

        return new_id()

    @property
    def thread_oid(self) -> str:
        """The id that this thread of this process takes replies under (kombu.common.oid_from); with rpc, its queue."""
        if (self.conf.result_backend or "").startswith("rpc:"):
            return self.backend.reply_to()  # type: ignore[union-attr, no-any-return]  # the backend rpc has it
        oid: str | None = self._local.__dict__.get("oid")
        if oid is None:
            from kernelq.nodenames import reply_id

            oid = self._local.oid = reply_id(self)
        return oid

    def close(self) -> None:
        """Free every connection. May be called twice; a later use opens again."""
        with self._lock:
            for name in ("sender", "backend", "control", "_publisher"):
                part = self.__dict__.pop(name, None)
                if part is not None and hasattr(part, "close"):
                    part.close()
            for name in ("transport", "write_transport"):
                self.__dict__.pop(name, None)

    def __enter__(self) -> KernelQ:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<KernelQ {self.main or ''}>".replace(" >", ">")
