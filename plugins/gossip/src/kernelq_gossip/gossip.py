"""The step Gossip: follows the other workers of the cluster, and takes part in elections."""

from __future__ import annotations

import logging
from typing import Any

from kernelq.handles import Timer
from kernelq.kernel.contracts.transport import TransportCapability
from kernelq.kernel.keys import Context
from kernelq.kernel.settings import Settings
from kernelq.kernel.step import Step
from kernelq.keys import APP, CONNECTION, EVENTS, LOOP, TRANSPORT, WORKER
from kernelq_gossip.inbox import Inbox
from kernelq_gossip.keys import GOSSIP
from kernelq_gossip.members import Members
from kernelq_gossip.settings import GossipSettings

log = logging.getLogger("kernelq.gossip")

EVERY = 5.0
"""Seconds between two looks at who has fallen silent."""


class Gossip(Step):
    """Provides the cluster as the events of the other workers show it; its clock moves on with each of them.

    Elections need the plugin `events`, by which this worker speaks itself.
    """

    requires = (APP, WORKER, TRANSPORT, CONNECTION, LOOP)
    wants = (EVENTS,)
    provides = (GOSSIP,)
    after = ("Mingle",)

    def __init__(self) -> None:
        self._inbox: Inbox | None = None
        self._timer: Timer | None = None
        self._cluster: Members | None = None

    @classmethod
    def enabled(cls, settings: Settings) -> bool | str:
        """Tell whether the settings want it."""
        return not settings.section(GossipSettings).worker_without_gossip or "off: --without-gossip"

    def start(self, ctx: Context) -> None:
        """Listen. Raises `BrokerLost`."""
        app, worker, loop = ctx[APP], ctx[WORKER], ctx[LOOP]
        events = ctx.get(EVENTS)
        ctx[GOSSIP] = self._cluster = cluster = Members(app, worker, loop, events.send if events else None)
        if TransportCapability.FANOUT not in ctx[TRANSPORT].capabilities:
            log.info("gossip: messages do not reach all workers on this broker")
            return
        self._inbox = Inbox(app, ctx[CONNECTION], cluster.on_event)
        self._inbox.open()
        self._timer = loop.call_repeatedly(EVERY, cluster.drop_silent)

    def stop(self, ctx: Context) -> None:
        """Listen no more."""
        timer, self._timer = self._timer, None
        inbox, self._inbox = self._inbox, None
        if timer is not None:
            timer.cancel()
        if inbox is not None:
            inbox.close()
        if self._cluster is not None:
            self._cluster.close()

    def info(self, ctx: Context) -> dict[str, Any]:
        """Return who is there, and how many joined, left, were lost, and were elected."""
        cluster, inbox = self._cluster, self._inbox
        shown = cluster.info() if cluster is not None else {}
        return {**shown, "malformed": inbox.malformed if inbox is not None else 0}
