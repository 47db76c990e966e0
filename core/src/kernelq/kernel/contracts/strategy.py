"""Strategy: what becomes of a delivery."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from kernelq.delivery import Delivery, Settlement
    from kernelq.handles import StrategyHost
    from kernelq.request import Request
    from kernelq.task import Task

    Decision = Request | Settlement
    Handler = Callable[[Delivery], Decision]


class Strategy(Protocol):
    """Compiles, once per task type, the function that takes a delivery to a decision.

    The object behind an entry point of the group ``kernelq.strategies``; `Task.strategy` names it. `task` is None for
    deliveries whose name no task has. The handler returns a `Request` that is to run, or the `Settlement` that ends
    the delivery. It is called for each delivery in the supervisor: it must take microseconds and never block.
    """

    def __call__(self, task: Task[Any, Any] | None, host: StrategyHost) -> Handler:
        """Return the handler for `task`."""
