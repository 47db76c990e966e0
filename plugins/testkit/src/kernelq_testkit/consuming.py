"""A lane with what it delivered: what the conformance classes of transports share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from kernelq.delivery import Settlement, Verdict
from kernelq_testkit import waiting

if TYPE_CHECKING:
    from kernelq.delivery import Delivery
    from kernelq.kernel.contracts.transport import Lane, Transport
    from kernelq_testkit.loop import SteppedLoop


class Consuming:
    """An open lane in a stepped loop, and every delivery that it handed over."""

    def __init__(self, transport: Transport, loop: SteppedLoop, *queues: str, patience: float = 10.0) -> None:
        self.patience = patience
        self.lane: Lane = transport.lane()
        self.loop = loop
        self.deliveries: list[Delivery] = []
        self.lane.open(loop, queues, self.deliveries.extend)

    def __len__(self) -> int:
        return len(self.deliveries)

    @property
    def ids(self) -> list[str]:
        """The task ids that came, in order."""
        return [delivery.headers["id"] for delivery in self.deliveries]

    def take(self, count: int, timeout: float | None = None) -> list[Delivery]:
        """Give credit for `count` more deliveries and wait for them; fails when they do not come in time (seconds)."""
        timeout = waiting.patience(self.patience if timeout is None else timeout)
        start = len(self.deliveries)
        self.lane.want(count)
        came = self.loop.run_until(lambda: len(self.deliveries) >= start + count, timeout)
        taken = self.deliveries[start:]
        assert came, f"{count} deliveries were wanted, {len(taken)} came in {timeout} s"
        return taken

    def settle(self, deliveries: Iterable[Delivery], verdict: Verdict = Verdict.ACK, **fields: Any) -> None:
        """Settle `deliveries` in one batch, and let the lane send it."""
        self.lane.settle([Settlement(delivery, verdict, **fields) for delivery in deliveries])
        self.loop.run_for(0.05)

    def quiet(self, seconds: float, credit: int = 10) -> bool:
        """Give `credit` and tell whether nothing came for `seconds`."""
        start = len(self.deliveries)
        self.lane.want(credit)
        return not self.loop.run_until(lambda: len(self.deliveries) > start, seconds)
