"""Replies that name the nodes which their sender knows of, so that who has asked knows whom to wait for."""

# mypy: allow-untyped-calls
# kombu is typed in parts only.

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

from kernelq.asking import NODES

MOST = 200
"""Nodes; where more are known, none is named, and the timeout ends the wait: each reply would name them all."""


def naming(node: Any, known: Callable[[], Sequence[str]]) -> Callable[..., None]:
    """Return the `reply` of a kombu node, as kombu has it (kombu/pidbox.py, ``_publish_reply``), with one header more.

    `known` returns the names, this node's too.
    """
    from kombu.entity import Exchange
    from kombu.exceptions import InconsistencyError
    from kombu.messaging import Producer

    mailbox = node.mailbox

    def reply(data: Any, exchange: str, routing_key: str, ticket: str, **more: Any) -> None:
        headers = {"ticket": ticket, "clock": mailbox.clock.forward()}
        names = list(known())
        if 0 < len(names) <= MOST:
            headers[NODES] = names
        to = Exchange(exchange, type="direct", delivery_mode="transient", durable=False)
        with contextlib.suppress(InconsistencyError):  # who has asked is gone
            Producer(node.channel, auto_declare=False).publish(
                data, exchange=to, routing_key=routing_key, declare=[to], headers=headers, retry=True,
                serializer=mailbox.serializer,
            )  # fmt: skip

    return reply
