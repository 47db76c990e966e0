"""One control command over the wire, and the answers to it (kombu/pidbox.py has the format)."""

# mypy: allow-untyped-calls
# kombu is typed in parts only.

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import attrs

if TYPE_CHECKING:
    from kernelq.clock import Clock

log = logging.getLogger("kernelq.control")

Reply = dict[str, Any]
"""What one node answered, by its name: ``{"celery@host": {"ok": "pong"}}``."""

Count = Callable[[Any], Callable[[], int | None]]
"""Has a channel count the nodes that get what it sends to all; what it returns tells the number, None where unknown."""

Attended = Callable[[Any, str], bool]
"""Tells, given a connection, whether anybody listens to a queue."""

NODES = "nodes"
"""The header of a reply that names the nodes that its sender knows of, itself too; Celery's have none."""
GRACE = 0.1
"""Seconds of silence after which those that were named and are gone are waited for no longer, and after which no other
than those that were named is expected."""
LONGEST_GRACE = 2.0


@attrs.frozen
class Call:
    """A command with whom it is for and how long to wait; see `kernelq.control.ControlClient.broadcast`."""

    command: str
    arguments: Mapping[str, Any]
    destination: Sequence[str] | None = None
    pattern: str | None = None
    matcher: str | None = None
    reply: bool = False
    timeout: float = 1.0
    limit: int | None = None
    callback: Callable[[Reply], Any] | None = None

    def expected(self, reached: int | None) -> int | None:
        """Return how many answers there can be, where that is known; `reached`: how many nodes got the command."""
        if self.limit is not None:
            return self.limit
        if self.destination:
            return len(set(self.destination))
        if self.pattern and reached:
            return None  # which of them it names, only they know
        return reached

    def means(self, node: str) -> bool:
        """Tell whether a node of this name is to answer, where no destination says so."""
        if not self.pattern:
            return True
        from kombu.matcher import match

        return bool(match(node, self.pattern, self.matcher))  # type: ignore[arg-type]  # it is annotated for bytes


class Inbox:
    """Takes the answers to one question. Those to others, and what is no answer, are dropped."""

    def __init__(self, clock: Clock, ticket: str, callback: Callable[[Reply], Any] | None) -> None:
        self.replies: list[Reply] = []
        self.named: set[str] = set()
        """Nodes of which those that answered know."""
        self._clock, self._ticket, self._callback = clock, ticket, callback

    def take(self, body: Any, message: Any) -> None:
        """Take a message; kombu's callback."""
        headers = message.headers or {}
        self._clock.adjust(headers.get("clock"))
        if headers.get("ticket", self._ticket) != self._ticket:
            return
        if not isinstance(body, dict):
            log.warning("a control reply is no mapping, and is dropped: %.99r", body)
            return
        self.replies.append(body)
        named = headers.get(NODES)
        if isinstance(named, list | tuple):
            self.named.update(one for one in named if isinstance(one, str))
        if self._callback is not None:
            self._callback(body)

    def missing(self, call: Call) -> set[str]:
        """Return the nodes of which others know, and that have not answered."""
        answered = {node for reply in self.replies for node in reply}
        return {node for node in self.named - answered if call.means(node)}

    def unreadable(self, message: Any, error: Exception) -> None:
        """Note a reply that cannot be decoded; kombu's callback."""
        log.warning("a control reply cannot be read, and is dropped: %s: %s", type(error).__name__, error)


def ask(mailbox: Any, call: Call, count: Count | None = None, attended: Attended | None = None) -> list[Reply] | None:
    """Send a command over a mailbox that is bound to a connection; return the answers, None where none are wanted.

    It waits until all nodes that got it have answered, else until the timeout. How many they are, `count` has a channel
    find out; who they are, their answers say, and `attended`, which of them are gone. Where neither is known, and a
    limit or destination does not say it, the timeout ends the wait.
    """
    channel = mailbox.connection.channel()
    try:
        if not call.reply:
            _publish(mailbox, call, channel)
            return None
        return _replies(mailbox, call, channel, count, attended)
    finally:
        channel.close()


def _replies(mailbox: Any, call: Call, channel: Any, count: Count | None, attended: Attended | None) -> list[Reply]:
    from kombu.messaging import Consumer

    ticket, queue = str(uuid4()), mailbox.reply_queue
    inbox = Inbox(mailbox.clock, ticket, call.callback)
    consumer = Consumer(
        channel,
        [queue],
        accept=mailbox.accept,
        no_ack=True,
        callbacks=[inbox.take],
        on_decode_error=inbox.unreadable,
    )
    try:
        with consumer:
            reached = count(channel) if count is not None else None
            _publish(mailbox, call, channel, ticket)
            expected = call.expected(reached() if reached is not None else None)
            if expected is None and attended is not None:
                _wait_for_named(mailbox, inbox, call, attended)
            else:
                _wait(mailbox.connection, inbox, call.timeout, expected)
    finally:
        channel.after_reply_message_received(queue.name)
    return inbox.replies


def _wait(connection: Any, inbox: Inbox, timeout: float, expected: int | None) -> None:
    ends = time.monotonic() + timeout
    while expected is None or len(inbox.replies) < expected:
        left = ends - time.monotonic()
        if left <= 0:
            return
        try:
            connection.drain_events(timeout=left)
        except TimeoutError:
            return


def _wait_for_named(mailbox: Any, inbox: Inbox, call: Call, attended: Attended) -> None:
    """Wait until all those have answered that are named by others and still there, and then a moment for the rest."""
    connection, gone, grace = mailbox.connection, set[str](), GRACE
    ends = time.monotonic() + call.timeout
    while (left := ends - time.monotonic()) > 0:
        try:
            connection.drain_events(timeout=min(left, grace) if inbox.named else left)
            continue
        except TimeoutError:
            pass
        for node in inbox.missing(call) - gone:
            if not attended(connection, f"{node}.{mailbox.namespace}.pidbox"):
                gone.add(node)
        if inbox.named and not inbox.missing(call) - gone:
            return
        grace = min(2 * grace, LONGEST_GRACE)


def _publish(mailbox: Any, call: Call, channel: Any, ticket: str | None = None) -> None:
    destination = list(call.destination) if call.destination is not None else None
    mailbox._publish(
        call.command,
        dict(call.arguments),
        destination=destination,
        reply_ticket=ticket,
        channel=channel,
        timeout=call.timeout,
        pattern=call.pattern,
        matcher=call.matcher,
    )


def check_destination(destination: Any) -> None:
    """Raise TypeError for a destination that is no list of node names."""
    if destination is not None and not isinstance(destination, list | tuple):
        raise TypeError(
            f"destination is a list of node names, not {destination!r}; type destination=[{str(destination)!r}]"
        )
