"""SenderConformance: the publishing side of a transport."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from kernelq.kernel.contracts.transport import TransportCapability as Can
from kernelq.kernel.errors import BrokerUnreachable
from kernelq_testkit.child import run_in_child
from kernelq_testkit.messages import message, messages
from kernelq_testkit.transport_base import TransportKit

if TYPE_CHECKING:
    from kernelq.kernel.contracts.transport import Transport

THREADS = 8
EACH = 25


class SenderConformance(TransportKit):
    """Holds a sender to `kernelq.kernel.contracts.transport.Sender`.

    Subclass it with the fixtures `transport_factory` and `unreachable_transport`.
    """

    unreachable_limit = 10.0
    """Seconds within which a publish without a broker must fail."""

    @pytest.fixture
    def unreachable_transport(self) -> Transport | None:
        """Return a transport whose broker does not answer; None where that cannot be. Override it."""
        raise NotImplementedError("give your subclass a fixture named unreachable_transport")

    def test_one_and_many_arrive_in_order(self, transport: Transport, consume: Any, queue: str) -> None:
        """`publish` and `publish_many` keep the order of their calls."""
        sender = transport.sender()
        sent = messages(queue, 6)
        sender.publish(sent[0])
        sender.publish_many(sent[1:4])
        sender.publish_many([])
        sender.publish_many(sent[4:])
        sender.close()
        lane = consume(queue)
        lane.take(6)
        assert lane.ids == [each.id for each in sent]

    def test_published_before_anyone_consumes(self, transport: Transport, consume: Any, queue: str) -> None:
        """A queue that nobody has consumed yet keeps what is published."""
        sender = transport.sender()
        sender.publish(message(queue))
        sender.close()
        consume(queue).take(1)

    def test_closed_sender_opens_again(self, transport: Transport, consume: Any, queue: str) -> None:
        """`close` may come first, twice, and before another publish."""
        sender = transport.sender()
        sender.close()
        sender.publish(message(queue))
        sender.close()
        sender.close()
        sender.publish(message(queue))
        sender.close()
        consume(queue).take(2)

    def test_threads_share_a_sender(self, transport: Transport, consume: Any, queue: str) -> None:
        """What several threads publish at once arrives, each message once."""
        sender = transport.sender()
        failures: list[BaseException] = []

        def publish() -> None:
            try:
                for _ in range(EACH):
                    sender.publish(message(queue))
            except BaseException as error:  # noqa: BLE001 - it is raised again below
                failures.append(error)

        threads = [threading.Thread(target=publish) for _ in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        sender.close()
        assert failures == []
        lane = consume(queue)
        lane.take(THREADS * EACH, timeout=30)
        assert len(set(lane.ids)) == THREADS * EACH
        assert lane.quiet(self.quiet)

    def test_forked_child(self, transport: Transport, consume: Any, queue: str) -> None:
        """A child publishes with the sender it inherited, and its parent's connection is unharmed.

        Without MULTIPROCESS the child must be told that it cannot: `BrokerUnreachable`.
        """
        sender = transport.sender()
        sender.publish(message(queue, id="before"))
        failure = run_in_child(lambda: sender.publish(message(queue, id="child")))
        sender.publish(message(queue, id="after"))
        sender.close()
        if self.can(transport, Can.MULTIPROCESS):
            assert failure == ""
            expected = ["before", "child", "after"]
        else:
            assert "BrokerUnreachable" in failure
            expected = ["before", "after"]
        lane = consume(queue)
        lane.take(len(expected))
        assert lane.ids == expected

    def test_unreachable_broker(self, unreachable_transport: Transport | None, queue: str) -> None:
        """Without a broker a publish raises BrokerUnreachable in time, and shows no password."""
        if unreachable_transport is None:
            return
        sender = unreachable_transport.sender()
        start = time.monotonic()
        with pytest.raises(BrokerUnreachable) as caught:
            sender.publish(message(queue))
        sender.close()
        assert time.monotonic() - start < self.unreachable_limit
        assert "secret" not in str(caught.value)
