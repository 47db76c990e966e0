"""The step Agent: a service of the app's own, with the consumer's connection and for as long as it lasts."""

from __future__ import annotations

import contextlib
from importlib import import_module
from typing import Any, Protocol

from kernelq.kernel.errors import BrokerLost, ConfigurationError
from kernelq.kernel.keys import Context
from kernelq.kernel.settings import Settings
from kernelq.kernel.step import Step
from kernelq.keys import APP, CONNECTION, LANE, LOOP
from kernelq_worker.options import WorkerSettings


class Service(Protocol):
    """What ``worker_agent`` names: a class that is called with the consumer's kombu connection, as Celery's is.

    Each connection has a service of its own. All of it runs in the supervisor, in the thread of the loop, so nothing
    of it may block: take messages with a kombu consumer on that connection, whose callbacks the loop calls, and do
    what takes long in a thread or in a task.
    """

    def start(self) -> None:
        """Begin. What it raises ends the worker; an error of the connection has the consumer connect anew."""

    def stop(self) -> None:
        """End and free everything. Called once, also after a failed `start`; the connection may be lost by then."""


class Agent(Step):
    """Starts the service that ``worker_agent`` names, and stops it before the connection is closed."""

    requires = (APP, CONNECTION, LOOP)
    wants = (LANE,)

    def __init__(self) -> None:
        self._service: Service | None = None
        self._lost: tuple[type[BaseException], ...] = ()
        self._name = ""

    @classmethod
    def enabled(cls, settings: Settings) -> bool | str:
        """Tell whether a service is named."""
        return bool(settings.section(WorkerSettings).worker_agent) or "off: worker_agent is not set"

    def start(self, ctx: Context) -> None:
        """Make the service, and start it. Raises `ConfigurationError` where there is no such class, `BrokerLost`."""
        made = service(ctx[APP].conf.section(WorkerSettings).worker_agent)
        self._name = f"{made.__module__}.{made.__qualname__}"
        connection = ctx[CONNECTION]
        self._lost = (*connection.connection_errors, *connection.channel_errors)
        try:
            self._service = made(connection)
            self._service.start()
        except self._lost as error:
            raise BrokerLost(f"service {self._name}: {error}") from error

    def stop(self, ctx: Context) -> None:
        """Stop the service."""
        started, self._service = self._service, None
        if started is not None:
            with contextlib.suppress(*self._lost):
                started.stop()

    def info(self, ctx: Context) -> dict[str, Any]:
        """Return which service runs."""
        return {"service": self._name}


def service(given: Any) -> Any:
    """Return the class that ``worker_agent`` is, or names: ``module:Class``. Raises `ConfigurationError`."""
    found = given
    if isinstance(given, str):
        module, _, name = given.partition(":") if ":" in given else given.rpartition(".")
        try:
            found = getattr(import_module(module), name) if module else None
        except (ImportError, AttributeError) as error:
            raise ConfigurationError(f"worker_agent: there is no {given!r} ({error}); write module:Class") from error
    missing = [name for name in ("start", "stop") if not callable(getattr(found, name, None))]
    if not isinstance(found, type) or missing:
        raise ConfigurationError(
            f"worker_agent: {given!r} is no class with the methods start and stop; see kernelq_worker.consumer.agent"
        )
    return found
