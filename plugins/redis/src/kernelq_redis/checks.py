"""Whether a server can hold the promises."""

from __future__ import annotations

import logging
import re

from kernelq.kernel.errors import ConfigurationError
from kernelq_redis.wire import ReplyError, Wire

log = logging.getLogger(__name__)

OLDEST = (6, 2)
"""The first release that has LMOVE, BLMOVE and RPOP with a count."""


def check(wire: Wire, url: str, warn: bool) -> None:
    """Look at the server's version and settings; `url` is for messages. With `warn`, log what may lose messages.

    Raises `kernelq.kernel.errors.ConfigurationError` where it is too old, or drops data when its memory is full.
    """
    info = wire.call("INFO", "server")
    found = re.search(rb"redis_version:((\d+)\.(\d+)\S*)", info)
    if found is not None and (int(found[2]), int(found[3])) < OLDEST:
        raise ConfigurationError(f"Redis at {url} is {found[1].decode()}; KernelQ needs 6.2 or later")
    settings = _settings(wire)
    policy = settings.get(b"maxmemory-policy", b"").decode()
    if policy and policy != "noeviction":
        raise ConfigurationError(
            f"Redis at {url} has maxmemory-policy {policy}: it would drop queues and tasks when its memory is full. "
            "Type: redis-cli CONFIG SET maxmemory-policy noeviction, and set it in redis.conf"
        )
    if not warn:
        return
    if not policy:
        log.warning(
            "Redis at %s does not tell its maxmemory-policy; with any but noeviction it drops tasks when it is full",
            url,
        )
    if settings.get(b"appendonly") == b"no":
        log.warning(
            "Redis at %s has appendonly off: what was sent since its last snapshot is lost when it is restarted", url
        )


def _settings(wire: Wire) -> dict[bytes, bytes]:
    found: dict[bytes, bytes] = {}
    for name in ("maxmemory-policy", "appendonly"):
        try:
            answer = wire.call("CONFIG", "GET", name)
        except ReplyError:  # an ACL, or a service, may forbid it
            return {}
        found.update(zip(answer[::2], answer[1::2], strict=True))
    return found
