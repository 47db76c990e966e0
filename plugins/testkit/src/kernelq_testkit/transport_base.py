"""What the conformance classes of lanes, senders and queue administration share."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from kernelq.kernel.errors import KernelQError
from kernelq_testkit.consuming import Consuming
from kernelq_testkit.loop import HubLoop, SteppedLoop

if TYPE_CHECKING:
    from kernelq.kernel.contracts.transport import Transport, TransportCapability


class TransportKit:
    """Subclass with a fixture `transport_factory`: it returns a function that makes a transport of one fresh broker.

    The function is called several times and in forked children, and must give the same queues each time where the
    transport declares MULTIPROCESS; without it, the first transport is used throughout.
    """

    loop_class: ClassVar[type[SteppedLoop]] = HubLoop
    """`SteppedLoop` hides kombu's hub."""

    quiet: ClassVar[float] = 0.5
    """Seconds after which a test believes that nothing comes."""

    patience: ClassVar[float] = 30.0
    """Seconds that a test waits for what must come."""

    soon: ClassVar[float] = 10.0
    """Seconds that a loaded machine may take for what comes at once, and not after a lease has ended."""

    lease_limit: ClassVar[float] = 25.0
    """Seconds within which the messages of a killed consumer must come again, where LEASE is declared."""

    @pytest.fixture
    def transport_factory(self) -> Callable[[], Transport]:
        """Return what makes a transport. Override it."""
        raise NotImplementedError("give your subclass a fixture named transport_factory")

    @pytest.fixture
    def transport(self, transport_factory: Callable[[], Transport]) -> Transport:
        """The transport under test."""
        return transport_factory()

    @pytest.fixture
    def queue(self) -> str:
        """A queue name that nobody else uses."""
        return f"kit-{uuid.uuid4().hex[:12]}"

    @pytest.fixture
    def loop(self) -> Iterator[SteppedLoop]:
        """The event loop."""
        loop = self.loop_class()
        yield loop
        loop.close()

    @pytest.fixture
    def consume(self, transport: Transport, loop: SteppedLoop) -> Iterator[Callable[..., Consuming]]:
        """Open lanes, ``consume("queue", …)``; they are closed after the test."""
        opened: list[Consuming] = []

        def consume(*queues: str) -> Consuming:
            opened.append(Consuming(transport, loop, *queues, patience=self.patience))
            return opened[-1]

        yield consume
        for consuming in opened:
            with suppress(KernelQError):  # a test may have cut the lane off from its broker
                consuming.lane.close()

    @pytest.fixture
    def send(self, transport: Transport) -> Iterator[Callable[..., Any]]:
        """Publish messages: ``send(message, …)``."""
        sender = transport.sender()
        yield lambda *messages: sender.publish_many(messages)
        sender.close()

    def can(self, transport: Transport, capability: TransportCapability) -> bool:
        """Tell whether `transport` declares `capability`."""
        return capability in transport.capabilities
