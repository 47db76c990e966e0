"""What goes wrong in greenlets that no task waits for."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any

import gevent
from gevent.hub import Hub, HubDestroyed

log = logging.getLogger("kernelq.gevent")


@contextmanager
def hub_errors_logged(hub: Hub) -> Iterator[None]:
    """Log what is raised in callbacks and in greenlets that tasks have left behind; none of it ends the host.

    Left to itself the hub prints it, and passes `SystemExit` and `KeyboardInterrupt` on to the main greenlet: a task
    could end the host by ``gevent.spawn(sys.exit)``.
    """
    usual = hub.handle_error

    def handle_error(
        context: Any, kind: type[BaseException], error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is HubDestroyed:
            usual(context, kind, error, trace)
        elif not issubclass(kind, gevent.GreenletExit):
            # In a greenlet of its own: a handler may wait for its lock, and the hub must not.
            gevent.spawn(_log, repr(context), error if isinstance(error, BaseException) else kind(), trace)

    hub.handle_error = handle_error
    try:
        yield
    finally:
        hub.handle_error = usual


def _log(context: str, error: BaseException, trace: TracebackType | None) -> None:
    try:
        log.error("%s failed", context, exc_info=(type(error), error, trace))
    except BaseException:  # noqa: BLE001  # a handler's own error would come back here for ever
        traceback.print_exc()
