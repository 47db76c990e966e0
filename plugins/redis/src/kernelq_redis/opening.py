"""What happens before a lane's loop has its connections: dial, look at the server, load scripts, take the lease."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernelq_redis import depth
from kernelq_redis.bindings import bind
from kernelq_redis.checks import check
from kernelq_redis.dial import ERRORS
from kernelq_redis.link import Link, broker_lost
from kernelq_redis.scripts import ALL, JOIN, LOAD, call, run
from kernelq_redis.wire import ReplyError, Wire

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kernelq.handles import Loop
    from kernelq.kernel.settings import Settings
    from kernelq_redis.terms import Term, Terms


class Opening:
    """Opens the connections of one lane, each within ``broker_connection_timeout``; raises `BrokerLost`."""

    def __init__(self, terms: Terms, settings: Settings | None) -> None:
        self._terms = terms
        self._settings = settings

    def wire(self) -> Wire:
        """Return a connection to a server that can be used, which knows all scripts."""
        location = self._terms.location
        try:
            wire = Wire(location, self._terms.timeout, "kernelq-lane")
            try:
                check(wire, location.safe_url(), warn=not self._terms.warned)
                self._terms.warned = True
                for answer in wire.talk(LOAD, len(ALL)):
                    if isinstance(answer, ReplyError):
                        raise answer
            except BaseException:
                wire.close()
                raise
        except (*ERRORS, ReplyError) as error:
            raise broker_lost(location, error) from error
        return wire

    def begin(self, wire: Wire, term: Term, queues: Sequence[str]) -> int:
        """Take the lease of `term` on `queues`; return how many messages wait there."""
        keys = self._terms.keys
        try:
            self._bind(wire, queues)
            run(wire, call(JOIN, [keys.alive(queue) for queue in queues], [term.name, 1]))
            term.queues = list(queues)
            return int(run(wire, depth.packed(keys, queues)))
        except (*ERRORS, ReplyError) as error:
            raise broker_lost(self._terms.location, error) from error

    def _bind(self, wire: Wire, queues: Sequence[str]) -> None:
        commands = [("SADD", *each) for queue in queues for each in bind(self._terms.keys, self._settings, queue)]
        for answer in wire.many(commands):
            # A server whose memory is full knows the queues already, or there is nothing in them.
            if isinstance(answer, ReplyError) and not str(answer).startswith("OOM"):
                raise answer

    def link(self, wire: Wire, loop: Loop) -> Link:
        """Return the connection as the loop drives it."""
        return Link(wire, self._terms.location, loop)

    def waiting_link(self, loop: Loop) -> tuple[Link, int]:
        """Return a further connection, and the number by which the server knows it."""
        location = self._terms.location
        try:
            wire = Wire(location, self._terms.timeout, "kernelq-wait")
            try:
                client = int(wire.call("CLIENT", "ID"))
            except BaseException:
                wire.close()
                raise
        except (*ERRORS, ReplyError) as error:
            raise broker_lost(location, error) from error
        return Link(wire, location, loop, at_once=1 << 14), client
