"""When a message counts as sent: in memory, on disk, or on replicas too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import attrs

from kernelq.kernel.errors import BrokerUnreachable, ConfigurationError
from kernelq_redis.wire import Command, ReplyError

if TYPE_CHECKING:
    from kernelq_redis.wire import Wire

LEVELS = ("memory", "fsync", "replica")
_SHARE = 0.8  # of the connection timeout, so that Redis answers before the socket's own deadline


@attrs.frozen
class Durability:
    """What ``broker_transport_options["confirm"]`` asks for.

    "memory": Redis has it. "fsync": it is on Redis' disk. "replica": `replicas` (``confirm_replicas``) have it too.
    """

    level: str = "memory"
    replicas: int = 1
    command: Command | None = None
    """What is sent after each publication; None: nothing."""

    def check(self, wire: Wire) -> Durability:
        """Return what this server needs for the level, before anything is sent to it.

        Raises `kernelq.kernel.errors.ConfigurationError` where it cannot hold it.
        """
        if self.level != "fsync":
            return self
        try:
            wire.call("WAITAOF", 1, 0, 1)
        except ReplyError as error:
            if _syncs_always(wire):
                return attrs.evolve(self, command=None)
            raise ConfigurationError(
                'broker_transport_options: confirm="fsync" needs Redis 7.2 with appendonly yes, or any Redis with '
                f"appendonly yes and appendfsync always; this one says: {error}"
            ) from error
        return self

    def judge(self, reply: Any) -> None:
        """Take the reply to `command`. Raises BrokerUnreachable where the level was not reached in time."""
        if isinstance(reply, Exception):
            raise BrokerUnreachable(f'Redis has the message in memory, but cannot confirm "{self.level}": {reply}')
        reached, wanted = (reply, self.replicas) if self.level == "replica" else (reply[0], 1)
        if reached < wanted:
            where = f"{reached} of {wanted} replicas" if self.level == "replica" else "its disk not in time"
            raise BrokerUnreachable(f"Redis has the message in memory, and on {where}: sent again, it may come twice")


def durability(options: Mapping[str, Any], timeout: float) -> Durability:
    """Return what the transport's `options` ask for; `timeout` is that of the connection, in seconds.

    Raises `kernelq.kernel.errors.ConfigurationError`.
    """
    level = options.get("confirm") or "memory"
    replicas = options.get("confirm_replicas", 1)
    if level not in LEVELS:
        raise ConfigurationError(f"broker_transport_options: confirm is one of {', '.join(LEVELS)}, not {level!r}")
    if not isinstance(replicas, int) or isinstance(replicas, bool) or replicas < 1:
        raise ConfigurationError(f"broker_transport_options: confirm_replicas is a number above 0, not {replicas!r}")
    ms = int(timeout * _SHARE * 1000)
    commands: dict[str, Command] = {"fsync": ("WAITAOF", 1, 0, ms), "replica": ("WAIT", replicas, ms)}
    return Durability(level, replicas, commands.get(level))


def _syncs_always(wire: Wire) -> bool:
    try:
        found = wire.call("CONFIG", "GET", "append*")
    except ReplyError:
        return False  # an ACL may forbid CONFIG; then nobody knows
    values = dict(zip(found[::2], found[1::2], strict=True))
    return values.get(b"appendonly") == b"yes" and values.get(b"appendfsync") == b"always"
