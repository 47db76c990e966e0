"""The step Connection: a kombu connection for control commands and events."""

from __future__ import annotations

import contextlib
from typing import Any

from kombu.exceptions import OperationalError

from kernelq.kernel.errors import BrokerLost
from kernelq.kernel.keys import Context
from kernelq.kernel.step import Step
from kernelq.keys import CONNECTION, LOOP, TRANSPORT
from kernelq_worker.consumer.registration import Registration

POLL = 0.05
"""Seconds between looks at a connection whose transport is not asynchronous: 20 a second."""
RATE = 2
"""Looks at the heartbeat in the time that the broker and the worker have agreed on."""


class Connection(Step):
    """Provides a connected kombu connection, whose messages the loop brings in, and whose heartbeat it keeps up."""

    requires = (TRANSPORT, LOOP)
    provides = (CONNECTION,)

    def __init__(self) -> None:
        self._connection: Any = None
        self._timers: list[Any] = []
        self._registration: Registration | None = None

    def start(self, ctx: Context) -> None:
        """Connect. Raises `BrokerLost`."""
        loop: Any = ctx[LOOP]
        self._connection = connection = ctx[TRANSPORT].connection()
        errors = (*connection.connection_errors, *connection.channel_errors)
        try:
            connection.ensure_connection(max_retries=0)  # the consumer tries again, and may take another broker
            if connection.transport.implements.asynchronous:
                self._registration = Registration(loop.hub, errors, _lost)
                connection.register_with_event_loop(self._registration)
            else:
                self._timers.append(loop.call_repeatedly(POLL, self._poll))
        except (OperationalError, *connection.connection_errors) as error:
            raise _lost(error) from error
        interval = connection.get_heartbeat_interval()
        if interval and not hasattr(connection, "broken"):  # one that has this looks after its own heart
            self._timers.append(loop.call_repeatedly(interval / RATE, self._beat))
        ctx[CONNECTION] = connection

    def stop(self, ctx: Context) -> None:
        """Close it."""
        timers, self._timers = self._timers, []
        for timer in timers:
            timer.cancel()
        registration, self._registration = self._registration, None
        if registration is not None:
            registration.clear()
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(*connection.connection_errors, *connection.channel_errors):
                connection.release()

    def _poll(self) -> None:
        connection = self._connection
        try:
            while connection is self._connection:
                connection.drain_events(timeout=0.001)
        except TimeoutError:
            return
        except connection.connection_errors as error:
            raise _lost(error) from error

    def _beat(self) -> None:
        connection = self._connection
        try:
            connection.heartbeat_check(rate=RATE)
        except (*connection.connection_errors, *connection.channel_errors) as error:
            connection.collect()  # nobody is there to shake hands with
            raise _lost(error) from error


def _lost(error: BaseException) -> BrokerLost:
    return BrokerLost(f"control connection: {error}")
