"""`app.events`: what an app sees of the cluster, and tells it (celery/app/events.py)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from kernelq.events import dispatcher, receiver, state

if TYPE_CHECKING:
    from kernelq.app import KernelQ


class Events:
    """Makes the parts that watch and send events, with the app's broker and settings."""

    def __init__(self, app: KernelQ) -> None:
        self._app = app

    def Receiver(
        self,
        connection: Any = None,
        handlers: Mapping[str, receiver.Handler] | None = None,
        routing_key: str = "#",
        **more: Any,
    ) -> receiver.Receiver:
        """Return what takes events from the broker; arguments as in `kernelq.events.receiver.Receiver`."""
        return receiver.Receiver(self._app, connection, handlers, routing_key, **more)

    def State(self, *args: Any, **options: Any) -> state.State:
        """Return an empty state of a cluster; arguments as in `kernelq.events.state.State`."""
        return state.State(*args, **options)

    def Dispatcher(
        self,
        connection: Any = None,
        hostname: str | None = None,
        enabled: bool = True,
        channel: Any = None,
        **more: Any,
    ) -> dispatcher.Dispatcher:
        """Return what sends events; arguments as in `kernelq.events.dispatcher.Dispatcher`."""
        return dispatcher.Dispatcher(self._app, connection, hostname, enabled, channel, **more)

    @contextmanager
    def default_dispatcher(self, hostname: str | None = None, enabled: bool = True) -> Iterator[dispatcher.Dispatcher]:
        """Yield a dispatcher with a connection of its own, which is closed afterwards.

        Raises `kernelq.kernel.errors.Unreachable` from `send` where there is no broker.
        """
        made = self.Dispatcher(hostname=hostname, enabled=enabled, buffer_while_offline=False)
        try:
            yield made
        finally:
            made.close()
