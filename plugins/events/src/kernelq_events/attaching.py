"""The step Events: the consumer stands, so events go out over its broker."""

from __future__ import annotations

from kernelq.kernel.keys import Context
from kernelq.kernel.step import Step
from kernelq.keys import CONNECTION, EVENTS, WORKER
from kernelq_events.courier import Courier
from kernelq_events.keys import COURIER


class Events(Step):
    """Attaches the courier while there is a connection; between two it keeps what is sent.

    The courier has connections of its own: a broker that takes no messages, as RabbitMQ does when it is short of
    memory, must not hold up the replies to commands.
    """

    requires = (WORKER, CONNECTION, EVENTS, COURIER)

    def __init__(self) -> None:
        self._courier: Courier | None = None

    def start(self, ctx: Context) -> None:
        """Let events go out."""
        self._courier = ctx[COURIER]
        if self._courier is not None:
            self._courier.attach()

    def stop(self, ctx: Context) -> None:
        """Keep events back, unless the worker ends: then the last ones are to go out."""
        courier, self._courier = self._courier, None
        if courier is not None and ctx[WORKER].stopping is None:
            courier.detach()
