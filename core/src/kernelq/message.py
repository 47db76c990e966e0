"""A message on its way to a broker."""

from __future__ import annotations

from typing import Any

import attrs

Own = tuple[str, str | None, str, str, str]
"""What a message has of its own beside its outline: root id, parent id, argsrepr, kwargsrepr, and where to reply."""


@attrs.frozen(eq=False)
class Outline:
    """What all messages of one task have in common that are sent without options."""

    headers: dict[str, Any]
    """All of them, in the order of the wire; what each message has of its own is None."""
    delivery_mode: int
    priority: int
    forms: dict[str, Any] = attrs.field(factory=dict)
    """What transports have made of it, by their names, so that they make it once."""


@attrs.define(eq=False)
class Message:
    """One task message, ready to be published; headers and properties are Celery's protocol 2.

    With an outline and no headers it makes headers and properties when they are asked for.
    """

    id: str
    """Task id; also the correlation id."""
    _headers: dict[str, Any] | None
    body: bytes
    """Serialised ``[args, kwargs, embed]``."""
    _properties: dict[str, Any] | None
    queue: str
    """The queue it is for. A transport without exchanges looks at nothing else."""
    exchange: str = ""
    routing_key: str = ""
    """With exchange "": the queue's name. Empty means that too."""
    content_type: str = "application/json"
    content_encoding: str = "utf-8"
    priority: int = 0
    """0 to 9, 9 the most urgent."""
    eta: float | None = None
    """Not before this time, in seconds since the epoch."""
    expires: float | None = None
    """Not after this time, in seconds since the epoch."""
    _outline: Outline | None = None
    _own: Own | None = None

    @property
    def headers(self) -> dict[str, Any]:
        """Protocol 2's headers; whoever asks may change them."""
        if self._headers is None:
            outline, (root_id, parent_id, argsrepr, kwargsrepr, _) = self._parts()
            self._headers = {
                **outline.headers,
                "id": self.id,
                "timelimit": list(outline.headers["timelimit"]),
                "root_id": root_id,
                "parent_id": parent_id,
                "argsrepr": argsrepr,
                "kwargsrepr": kwargsrepr,
                "stamps": {},
            }
        return self._headers

    @property
    def properties(self) -> dict[str, Any]:
        """AMQP properties: correlation_id, reply_to, delivery_mode, priority, expiration."""
        if self._properties is None:
            outline, own = self._parts()
            self._properties = {
                "correlation_id": self.id,
                "reply_to": own[4],
                "delivery_mode": outline.delivery_mode,
                "priority": outline.priority,
            }
        return self._properties

    @property
    def ignored(self) -> bool:
        """Whether the sender asks for no result."""
        headers = self._parts()[0].headers if self._headers is None else self._headers
        return bool(headers["ignore_result"])

    def sketch(self) -> tuple[Outline, Own] | None:
        """Return all that it is made of beside id, body and queue; None once somebody has asked for more."""
        return self._parts() if self._headers is None and self._properties is None else None

    def _parts(self) -> tuple[Outline, Own]:
        if self._outline is None or self._own is None:
            raise TypeError(f"the message {self.id} has neither headers and properties nor an outline")
        return self._outline, self._own
