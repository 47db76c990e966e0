"""kombu's connection to the same Redis, for control commands and events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from kernelq_redis.settings import options, timeout

if TYPE_CHECKING:
    from kombu.connection import Connection

    from kernelq.kernel.settings import Settings
    from kernelq_redis.location import Location

OURS = frozenset({"confirm", "confirm_replicas", "delay", "lease", "celery_rescues"})
"""Transport options that kombu does not know."""


def connect(location: Location, settings: Settings | None) -> Connection:
    """Return a new kombu connection, not yet connected. Its fan-out channels and reply queues are Celery's.

    ``broker_transport_options`` (``global_keyprefix``, ``master_name``, …), TLS and login are passed on.
    """
    from kombu.connection import Connection  # kombu is loaded by those who need it

    seconds = timeout(settings)
    given = {name: value for name, value in options(settings).items() if name not in OURS}
    arguments: dict[str, Any] = {
        "connect_timeout": seconds,
        "transport_options": {"socket_connect_timeout": seconds, "socket_timeout": seconds, **given},
        "ssl": dict(location.tls) if location.tls is not None else False,
    }
    login = ""
    if location.username or location.password is not None:
        login = f"{quote(location.username or '', safe='')}:{quote(location.password or '', safe='')}@"
    if location.path:
        return Connection(f"redis+socket://{login}{location.path}?virtual_host={location.db}", **arguments)
    if location.master:
        arguments["transport_options"]["master_name"] = location.master
        arguments["transport_options"]["sentinel_kwargs"] = dict(location.sentinel_options)
        hosts = (f"sentinel://{login}{_host(host)}:{port}" for host, port in location.nodes)
        return Connection(f"{';'.join(hosts)}/{location.db}", **arguments)
    ((host, port),) = location.nodes
    return Connection(f"redis://{login}{_host(host)}:{port}/{location.db}", **arguments)


def _host(host: str) -> str:
    return f"[{host}]" if ":" in host else host
