"""Celery's own receiver and state of events, fed from a KernelQ app's broker."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

from celery import Celery
from celery.events.receiver import EventReceiver
from celery.events.state import State

from kernelq import KernelQ
from kernelq_testkit.waiting import eventually


class Seen(list[dict[str, Any]]):
    """The events that Celery's receiver took, in order, and what its `State` made of them."""

    def __init__(self) -> None:
        super().__init__()
        self.state = State()

    def take(self, event: dict[str, Any]) -> None:
        """Take one."""
        self.state.event(dict(event))
        self.append(event)

    def wait(self, count: int) -> list[str]:
        """Wait for so many; return the types of all."""
        eventually(lambda: len(self) >= count, 30, wanted=f"{count} events; there are {list(self)}")
        return [one["type"] for one in self]

    def of(self, type: str) -> list[dict[str, Any]]:
        """Return those of one type."""
        return [one for one in self if one["type"] == type]

    def wait_for(self, type: str, count: int = 1) -> list[dict[str, Any]]:
        """Wait for so many of one type; return them."""
        eventually(lambda: len(self.of(type)) >= count, 30, wanted=f"{count} {type}; there are {list(self)}")
        return self.of(type)


class Receiver(EventReceiver):  # type: ignore[misc]  # Celery has no types
    """Celery's, which asks no worker for a heartbeat."""

    def on_consume_ready(self, *args: Any, **options: Any) -> None:
        """Do nothing."""

    def take(self) -> None:
        """Take events until `should_stop`."""
        for _ in self.consume(limit=None, safety_interval=0.1):
            pass


@contextlib.contextmanager
def celerys_receiver(app: KernelQ, celery: Celery) -> Iterator[Seen]:
    """Yield what comes, once the receiver hears what is sent on the exchange that `celery` is configured with."""
    seen, hears = Seen(), threading.Event()
    with app.transport.connection() as connection, app.transport.connection() as other:
        handlers = {"*": seen.take, "kqt-probe": lambda event: hears.set()}
        receiver = Receiver(connection, handlers=handlers, app=celery)
        thread = threading.Thread(target=receiver.take)
        thread.start()
        try:
            with celery.events.Dispatcher(other) as dispatcher:
                for _ in range(600):
                    dispatcher.send("kqt-probe")
                    if hears.wait(0.05):
                        break
            assert hears.is_set()
            yield seen
        finally:
            receiver.should_stop = True
            thread.join(30)
            assert not thread.is_alive()
