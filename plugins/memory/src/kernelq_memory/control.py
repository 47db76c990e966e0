"""kombu's own memory transport, its state owned by one KernelQ transport, with a bell instead of polling.

Control commands and events go through it, tasks do not.
"""

# mypy: allow-untyped-calls
# kombu's transports, which it extends, are not annotated.

from __future__ import annotations

import contextlib
import socket
import threading
import time
from queue import Empty, SimpleQueue
from typing import Any

from kombu.connection import Connection
from kombu.transport import memory, virtual

BURST = 100
"""Messages handled in one turn of an event loop."""


class ControlState:
    """The exchanges, bindings and queues of one transport, and the bell that rings when a message comes."""

    def __init__(self) -> None:
        self.broker = virtual.BrokerState()
        self.queues: dict[str, Any] = {}
        self.auto_delete: set[str] = set()
        self.lock = threading.RLock()
        self.changed = threading.Condition()
        self.rings = 0
        self.doors: set[socket.socket] = set()

    def ring(self) -> None:
        """Wake every connection, those in an event loop and those that block."""
        with self.changed:
            self.rings += 1
            self.changed.notify_all()
            doors = list(self.doors)
        for door in doors:
            _knock(door)


def connect(state: object) -> Connection:
    """Return a kombu connection on `state`, a `ControlState`."""
    return Connection(
        "localhost",
        transport="kernelq_memory.control:Transport",
        transport_options={"kernelq_state": state},
    )


class Channel(memory.Channel):
    """A channel on the queues of its `ControlState`; unlike kombu's, it deletes auto-delete queues."""

    def __init__(self, connection: Any, **kwargs: Any) -> None:
        super().__init__(connection, **kwargs)
        self.own: ControlState = connection.own
        self.queues = self.own.queues
        self.reached = 0

    def exchange_declare(self, *args: Any, **kwargs: Any) -> Any:
        """Declare an exchange."""
        with self.own.lock:
            return super().exchange_declare(*args, **kwargs)

    def queue_declare(self, queue: Any = None, passive: bool = False, **kwargs: Any) -> Any:
        """Declare a queue; with ``auto_delete`` it goes with its last consumer."""
        with self.own.lock:
            declared = super().queue_declare(queue, passive=passive, **kwargs)
            if kwargs.get("auto_delete") and not passive:
                self.own.auto_delete.add(declared.queue)
            return declared

    def queue_bind(self, *args: Any, **kwargs: Any) -> Any:
        """Bind a queue to an exchange."""
        with self.own.lock:
            return super().queue_bind(*args, **kwargs)

    def queue_delete(self, queue: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Delete a queue with its bindings."""
        with self.own.lock:
            for exchange in self.state.exchanges.values():
                exchange["table"][:] = [row for row in exchange["table"] if row[2] != queue]
            self.state.queue_bindings_delete(queue)
            self.queues.pop(queue, None)
            self.own.auto_delete.discard(queue)

    def basic_publish(self, *args: Any, **kwargs: Any) -> Any:
        """Publish, and ring the bell."""
        with self.own.lock:
            published = super().basic_publish(*args, **kwargs)
        self.own.ring()
        return published

    def basic_cancel(self, consumer_tag: Any) -> Any:
        """Cancel a consumer, and delete its queue if it is an auto-delete one."""
        queue = self._tag_to_queue.get(consumer_tag)
        cancelled = super().basic_cancel(consumer_tag)
        if queue in self.own.auto_delete:
            self.queue_delete(queue)
        return cancelled

    def close(self) -> None:
        """Close the channel; queues of others stay."""
        with contextlib.suppress(ValueError):
            virtual.Channel.close(self)

    def _new_queue(self, queue: str, **kwargs: Any) -> None:
        self.queues.setdefault(queue, SimpleQueue())

    def _queue_for(self, queue: str) -> Any:
        return self.queues.setdefault(queue, SimpleQueue())

    def _put_fanout(self, exchange: str, message: Any, routing_key: Any = None, **kwargs: Any) -> None:
        queues = [queue for queue in self._lookup(exchange, routing_key) if queue in self.queues]
        self.reached = len(queues)
        for queue in queues:
            self._put(queue, message)

    def _purge(self, queue: str) -> int:
        dropped = 0
        with contextlib.suppress(Empty):
            while True:
                self._queue_for(queue).get(block=False)
                dropped += 1
        return dropped


class Transport(virtual.Transport):
    """kombu's memory transport as an asynchronous one, on the state given as ``kernelq_state``."""

    Channel = Channel
    driver_type = "memory"
    driver_name = "memory"
    implements = virtual.Transport.implements.extend(
        asynchronous=True, exchange_type=frozenset({"direct", "topic", "fanout"})
    )

    def __init__(self, client: Any, **kwargs: Any) -> None:
        super().__init__(client, **kwargs)
        self.own: ControlState = client.transport_options["kernelq_state"]
        self.state = self.own.broker
        self._door: tuple[socket.socket, socket.socket] | None = None

    def driver_version(self) -> str:
        """Return what kombu's memory transport returns."""
        return "N/A"

    def register_with_event_loop(self, connection: Any, loop: Any) -> None:
        """Handle messages in `loop`, which has ``add_reader``."""
        if self._door is None:
            ours, theirs = socket.socketpair()
            ours.setblocking(False)
            theirs.setblocking(False)
            self._door = ours, theirs
            with self.own.changed:
                self.own.doors.add(theirs)
        loop.add_reader(self._door[0].fileno(), self.on_readable, connection, loop)
        _knock(self._door[1])

    def on_readable(self, connection: Any, loop: Any) -> None:
        """Handle what has come, a burst at a time."""
        if self._door is None:
            return
        with contextlib.suppress(BlockingIOError):
            self._door[0].recv(4096)
        try:
            for _ in range(BURST):
                self.drain_events(connection, timeout=0)
        except TimeoutError:
            return
        if self._door is not None:
            _knock(self._door[1])

    def drain_events(self, connection: Any, timeout: float | None = None, **kwargs: Any) -> None:
        """Handle one message; raises TimeoutError when none came in `timeout` seconds."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            seen = self.own.rings
            try:
                self.cycle.get(self._deliver, timeout=timeout)  # type: ignore[union-attr]  # kombu sets it
            except Empty:
                left = None if deadline is None else deadline - time.monotonic()
                with self.own.changed:
                    if self.own.rings == seen and not self.own.changed.wait(left):
                        raise TimeoutError from None
            else:
                return

    def close_connection(self, connection: Any) -> None:
        """Close the channels and the door."""
        super().close_connection(connection)
        if self._door is not None:
            with self.own.changed:
                self.own.doors.discard(self._door[1])
            for end in self._door:
                end.close()
            self._door = None


def _knock(door: socket.socket) -> None:
    with contextlib.suppress(OSError):  # full: it is awake anyway; closed: it no longer listens
        door.send(b"\0")
