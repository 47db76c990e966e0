"""Sending events (celery/events/dispatcher.py)."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

from kernelq import nodenames
from kernelq.events import event as wire
from kernelq.events.backlog import MOST, Backlog
from kernelq.events.outlet import Outlet, connect
from kernelq.failover import attempts
from kernelq.kernel.errors import BrokerLost, BrokerUnreachable, Unreachable

if TYPE_CHECKING:
    from kernelq.app import KernelQ

PAUSE = 5.0
"""Seconds after a failed attempt to connect, for which events are kept and no further attempt is made."""


class Dispatcher:
    """Sends events over `connection`, or `channel`, else over a connection of its own that opens with the first event.

    Of `groups`, the parts of types before the dash, all are sent by default. Events of a `buffer_group` are collected,
    and go out as a list at the next `flush`, which comes by itself after `buffer_limit` of them; `on_send_buffered`
    is called before that. While the broker is away events are kept, at most `most`; the oldest are dropped, counted in
    `dropped`. Without `buffer_while_offline`, `send` raises `Unreachable` instead. Thread-safe, not across a fork.
    """

    def __init__(
        self,
        app: KernelQ,
        connection: Any = None,
        hostname: str | None = None,
        enabled: bool = True,
        channel: Any = None,
        buffer_while_offline: bool = True,
        *,
        serializer: str | None = None,
        groups: Iterable[str] | None = None,
        delivery_mode: int = wire.TRANSIENT,
        buffer_group: Iterable[str] = (),
        buffer_limit: int = 24,
        on_send_buffered: Callable[[], None] | None = None,
        most: int = MOST,
    ) -> None:
        self.app = app
        self.hostname = hostname or nodenames.anon_nodename()
        self.pid = os.getpid()
        self.clock = app.clock
        self.enabled = enabled
        self.groups = set(groups or ())
        self.buffer_while_offline = buffer_while_offline
        self.buffer_group = frozenset(buffer_group)
        self.buffer_limit = buffer_limit
        self.on_send_buffered = on_send_buffered
        self.on_enabled: set[Callable[[], Any]] = set()
        self.on_disabled: set[Callable[[], Any]] = set()
        self.backlog = Backlog(most)
        self._given = (connection or channel.connection.client, channel) if connection or channel else None
        self._how: dict[str, Any] = {"serializer": serializer, "delivery_mode": delivery_mode}
        self._outlet: Outlet | None = None
        self._publishing = threading.Lock()
        self._not_before = 0.0

    @property
    def dropped(self) -> int:
        """Events that were given up."""
        return self.backlog.dropped

    def enable(self) -> None:
        """Send from now on."""
        self.enabled = True
        for callback in list(self.on_enabled):
            callback()

    def disable(self) -> None:
        """Send nothing from now on; the connection is closed."""
        if self.enabled:
            self.enabled = False
            self.close()
            for callback in list(self.on_disabled):
                callback()

    def wants(self, group: str) -> bool:
        """Tell whether events of this group are sent."""
        return self.enabled and (not self.groups or group in self.groups)

    def send(self, type: str, *, blind: bool = False, **fields: Any) -> None:
        """Send an event; `blind`: without a clock, and without moving the app's.

        Raises what the serializer raises for fields that it cannot write, and see the class.
        """
        group = wire.group(type)
        if not self.wants(group):
            return
        made = self._make(type, blind, fields)
        if group not in self.buffer_group:
            self.backlog.add(wire.routing_key(type), [made])
            self.flush()
            return
        self.backlog.add(wire.list_key(group), [made])
        if len(self.backlog) >= self.buffer_limit:
            self.flush()
        elif self.on_send_buffered is not None:
            self.on_send_buffered()

    def send_many(self, events: Sequence[tuple[str, Mapping[str, Any]]]) -> None:
        """Send several of one group, as (type, fields), in one message."""
        if events and self.wants(group := wire.group(events[0][0])):
            self.backlog.add(wire.list_key(group), [self._make(type, False, fields) for type, fields in events])
            self.flush()

    def publish(self, type: str, fields: Mapping[str, Any], producer: Any, blind: bool = False, **how: Any) -> None:
        """Publish one event by a kombu producer of yours, now, whether enabled or not; `how` is for its ``publish``.

        Raises `BrokerLost`.
        """
        made = self._make(type, blind, fields)
        outlet = Outlet(producer.connection, self.app.conf, self.hostname, **self._how)
        outlet.publish(wire.routing_key(type), made, producer, **how)

    def flush(self, raises: bool = False) -> bool:
        """Publish everything that waits; return whether nothing does any more.

        Where the broker is away, with `raises` or without `buffer_while_offline`, it raises `Unreachable`.
        """
        with self._publishing:
            try:
                if len(self.backlog):
                    self._opened().drain(self.backlog)
            except Unreachable:
                self._drop_outlet()
                if not self.buffer_while_offline:
                    self.backlog.clear()
                if raises or not self.buffer_while_offline:
                    raise
        return not len(self.backlog)

    def close(self) -> None:
        """Close the connection that it opened; one that was given stays. What waits, waits on."""
        with self._publishing:
            self._drop_outlet()

    def __enter__(self) -> Dispatcher:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _make(self, type: str, blind: bool, fields: Mapping[str, Any]) -> dict[str, Any]:
        clock = None if blind else self.clock.forward()
        return wire.event(type, self.hostname, self.pid, clock, **fields)

    def _opened(self) -> Outlet:
        if self._outlet is None:
            connection, channel = self._given or (self._connect(), None)
            self._outlet = Outlet(connection, self.app.conf, self.hostname, channel=channel, **self._how)
        return self._outlet

    def _connect(self) -> Any:
        now = time.monotonic()
        if now < self._not_before:
            raise BrokerLost("events: the broker was away a moment ago")
        failure: BrokerUnreachable | None = None
        for transport in attempts(self.app.transport):
            try:
                return connect(transport, self.app.conf.broker_connection_timeout)
            except BrokerUnreachable as error:
                failure = error
        self._not_before = time.monotonic() + PAUSE
        assert failure is not None
        raise failure

    def _drop_outlet(self) -> None:
        outlet, self._outlet = self._outlet, None
        if outlet is not None and self._given is None:
            outlet.close()
