"""Notices: what a whole cluster is to know and keep, though no worker be up; revoked tasks, and queues that are paused.

They are kept by the broker, or by the result store where the broker cannot (RabbitMQ). A kind is one of `KINDS`; a name
is a task id, a group id, a stamp (`stamp_name`) or a queue.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from kernelq.app import KernelQ

TASK, GROUP, STAMP, QUEUE = "task", "group", "stamp", "queue"
KINDS = (TASK, GROUP, STAMP, QUEUE)
"""Revoked by id, by group, by stamped header; paused queues."""


class Notices(Protocol):
    """A store of notices: what ``notices()`` of a transport or of a result store returns, where it has that method.

    It opens lazily. What it cannot reach it raises as its kind of `kernelq.kernel.errors.Unreachable`, within
    ``broker_connection_timeout`` seconds. Thread-safe; after a fork the child opens its own connection.
    """

    def put(self, kind: str, names: Sequence[str], seconds: float | None = None) -> None:
        """Keep notices for so many seconds from now (None: until they are removed); those that are there, anew."""

    def find(self, kind: str, names: Sequence[str]) -> set[str]:
        """Return those of `names` of which there is a notice; one round trip."""

    def remove(self, kind: str, names: Sequence[str]) -> int:
        """Take notices away; return how many there were."""

    def kinds(self) -> frozenset[str]:
        """Return the kinds of which there is any notice; cheap, since workers ask it every second."""

    def names(self, kind: str, limit: int = 1000) -> list[str]:
        """Return the names of a kind, sorted, at most `limit`."""

    def close(self) -> None:
        """Free everything. May be called twice; a later call opens again."""


def open_notices(app: KernelQ) -> Notices | None:
    """Return the store of the broker in use, else of the result store; None where neither keeps notices."""
    transport = getattr(app.transport, "current", app.transport)  # of several brokers, the one in use
    for owner in (transport, app.backend):
        make = getattr(owner, "notices", None)
        if make is not None:
            found: Notices = make()
            return found
    return None


def stamp_name(header: str, value: object) -> str:
    """Return the name of a stamp: a header with one of its values."""
    return json.dumps([header, value if isinstance(value, str) else str(value)], ensure_ascii=False)


def stamp_names(headers: Mapping[str, Any]) -> list[str]:
    """Return the names of the stamps in ``{header: value}`` or ``{header: [value, …]}``."""
    several = {name: value if isinstance(value, list | tuple) else (value,) for name, value in headers.items()}
    return [stamp_name(name, one) for name, values in several.items() for one in values]


REVOKING = {"revoke": (TASK, "task_id"), "terminate": (TASK, "task_id"), "revoke_group": (GROUP, "group_id"),
            "revoke_by_stamped_headers": (STAMP, "headers")}  # fmt: skip
"""The control commands that revoke, with the argument that says what."""


def revoked_by(command: str, arguments: Mapping[str, Any]) -> tuple[str, list[str]]:
    """Return the kind and the names of the notices that a control command makes; no names where it makes none."""
    kind, argument = REVOKING.get(command, ("", ""))
    given = arguments.get(argument)
    if kind == STAMP and isinstance(given, list | tuple):  # as words of a command line (celery/worker/control.py)
        given = dict(str(word).partition("=")[::2] for word in given)
    if isinstance(given, Mapping):
        return kind, stamp_names(given)
    return kind, [given] if isinstance(given, str) else [str(one) for one in given or ()]
