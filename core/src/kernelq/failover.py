"""Several brokers, of which one is in use: the next takes its place when it is lost."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from kernelq import brokers
from kernelq.forks import after_fork
from kernelq.kernel.errors import BrokerUnreachable, Unreachable

if TYPE_CHECKING:
    from kombu.connection import Connection

    from kernelq.conf import Conf
    from kernelq.delivery import DeadLetter, QueueInfo
    from kernelq.kernel.contracts.transport import Lane, QueueAdmin, Sender, Transport, TransportCapability
    from kernelq.message import Message

T = TypeVar("T")
log = logging.getLogger("kernelq.broker")

SHARES = 3
"""Into so many parts a sender's time is divided: a broker that hangs can take two, one on an old connection and one on
a new, and the next broker has the third."""


class Shortened:
    """An app's settings with another ``broker_connection_timeout``."""

    def __init__(self, conf: Conf, seconds: float) -> None:
        self._conf = conf
        self.broker_connection_timeout = seconds

    def __getattr__(self, name: str) -> Any:
        return getattr(self._conf, name)


class Failover:
    """A `Transport` over several. Lanes, connections and senders are those of the broker in use, at first the first.

    Whoever loses a broker calls `advance`; senders go to the next by themselves. Thread-safe.
    """

    def __init__(self, urls: Sequence[str], make: Callable[[str, Any], Transport], conf: Conf) -> None:
        self.urls = list(urls)
        self.seconds = conf.broker_connection_timeout
        self.moves = 0
        """How often the broker in use was changed."""
        self._make = make
        self._conf = conf
        self._order = brokers.strategy(conf.broker_failover_strategy)(list(urls))
        self._members = {url: make(url, conf) for url in urls}
        self._writers: dict[str, Transport] = {}
        self.url = self.urls[0]
        """The broker in use."""
        self.capabilities: frozenset[TransportCapability] = frozenset.intersection(
            *(member.capabilities for member in self._members.values())
        )
        """What all of them can."""
        self._forked()
        after_fork(self._forked)

    def _forked(self) -> None:
        self._lock = threading.Lock()

    @property
    def current(self) -> Transport:
        """The transport of the broker in use."""
        return self._members[self.url]

    @property
    def alternates(self) -> list[str]:
        """The URLs, without passwords, of the brokers that are not in use."""
        return [member.safe_url() for url, member in self._members.items() if url != self.url]

    def next_url(self, tried: Collection[str]) -> str | None:
        """Return the broker to try after those in `tried`, as the strategy has it; None where there is no other."""
        left = [url for url in self.urls if url not in tried]
        if not left:
            return None
        with self._lock:
            for _ in range(2 * len(self.urls)):
                url = next(self._order, None)
                if url in left:
                    return url
        return left[0]

    def advance(self) -> str:
        """Put the next broker in use; return its URL without password."""
        self.url = self.next_url((self.url,)) or self.url
        self.moves += 1
        return self.current.safe_url()

    def connection(self) -> Connection:
        """Return a kombu connection to the broker in use."""
        return self.current.connection()

    def lane(self) -> Lane:
        """Return a lane of the broker in use."""
        return self.current.lane()

    def sender(self) -> FailoverSender:
        """Return a sender that begins with the broker in use."""
        return FailoverSender(self)

    def member_sender(self, url: str) -> Sender:
        """Return a new sender to one of the brokers, which gives up in time for another to be tried."""
        writer = self._writers.get(url)
        if writer is None:
            writer = self._make(url, Shortened(self._conf, self.seconds / SHARES))
            writer = self._writers.setdefault(url, writer)  # a transport tells its senders of a fork while it lives
        return writer.sender()

    def admin(self) -> FailoverAdmin:
        """Return the queue administration of the first broker that answers."""
        return FailoverAdmin(self)

    def member_admin(self, url: str) -> QueueAdmin:
        """Return the queue administration of one of the brokers."""
        return self._members[url].admin()

    def safe_url(self) -> str:
        """Return the URL of the broker in use with its password replaced by ``**``."""
        return self.safe(self.url)

    def safe(self, url: str) -> str:
        """Return the URL of one of the brokers with its password replaced by ``**``."""
        return self._members[url].safe_url()


class FailoverSender:
    """A `Sender` that stays with the broker that answers, and follows where `Failover.advance` goes.

    It raises `BrokerUnreachable` within ``broker_connection_timeout`` seconds in all. A message that a broker took
    without saying so is sent to the next one too: twice is possible, never is not.
    """

    def __init__(self, failover: Failover) -> None:
        self._failover = failover
        self._senders: dict[str, Sender] = {}
        self._url = failover.url
        self._moves = failover.moves

    def publish(self, message: Message) -> None:
        """Publish one message and return when a broker has it."""
        self._first(lambda sender: sender.publish(message))

    def publish_many(self, messages: Sequence[Message]) -> None:
        """Publish all of them, in order, to one broker."""
        self._first(lambda sender: sender.publish_many(messages))

    def close(self) -> None:
        """Free everything; a later publish opens again."""
        senders, self._senders = self._senders, {}
        for sender in senders.values():
            sender.close()

    def _first(self, send: Callable[[Sender], None]) -> None:
        failover = self._failover
        if self._moves != failover.moves:
            self._url, self._moves = failover.url, failover.moves
        url = self._url
        latest = time.monotonic() + failover.seconds * (1 - 1 / SHARES)
        tried: list[str] = []
        while True:
            try:
                send(self._sender(url))
                return
            except BrokerUnreachable as error:
                tried.append(url)
                following = failover.next_url(tried)
                if following is None:
                    raise
                self._url = following  # also where no time is left: the next publish begins there
                if time.monotonic() > latest:
                    raise
                log.warning("%s; sending to %s", error, failover.safe(following))
                url = following

    def _sender(self, url: str) -> Sender:
        sender = self._senders.get(url)
        if sender is None:
            # Of two threads that are here at once, one's is kept; the other's has connected to nothing.
            sender = self._senders.setdefault(url, self._failover.member_sender(url))
        return sender


class FailoverAdmin:
    """A `QueueAdmin` whose calls go to the broker in use, or else to the next that answers."""

    def __init__(self, failover: Failover) -> None:
        self._failover = failover

    def queues(self) -> list[QueueInfo]:
        """Return every queue that exists."""
        return self._first(lambda admin: admin.queues())

    def purge(self, queue: str) -> int:
        """Drop the ready and delayed messages of `queue`."""
        return self._first(lambda admin: admin.purge(queue))

    def dead(self, queue: str | None = None, limit: int = 100) -> list[DeadLetter]:
        """Return the newest buried messages."""
        return self._first(lambda admin: admin.dead(queue, limit))

    def dead_letter(self, letter_id: str) -> DeadLetter | None:
        """Return one buried message with its body."""
        return self._first(lambda admin: admin.dead_letter(letter_id))

    def replay(self, letter_ids: Iterable[str]) -> int:
        """Put buried messages back."""
        ids = list(letter_ids)
        return self._first(lambda admin: admin.replay(ids))

    def drop(self, letter_ids: Iterable[str]) -> int:
        """Delete buried messages."""
        ids = list(letter_ids)
        return self._first(lambda admin: admin.drop(ids))

    def _first(self, call: Callable[[QueueAdmin], T]) -> T:
        tried: list[str] = []
        url = self._failover.url
        while True:
            try:
                return call(self._failover.member_admin(url))
            except Unreachable:
                tried.append(url)
                following = self._failover.next_url(tried)
                if following is None:
                    raise
                url = following


def attempts(transport: Transport) -> Iterator[Transport]:
    """Yield the broker in use, then each of the others once, putting it in use.

    For a client that talks to workers: whoever breaks off the loop stays with the one that answered.
    """
    yield transport
    if isinstance(transport, Failover):
        for _ in transport.urls[1:]:
            transport.advance()
            yield transport
