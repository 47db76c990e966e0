"""Making kombu connections with bounded waits, and saying in KernelQ's words what went wrong with them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from kombu.connection import Connection
from kombu.exceptions import OperationalError
from kombu.utils.url import maybe_sanitize_url

from kernelq.kernel.errors import BrokerLost, BrokerUnreachable, ConfigurationError, Unreachable

if TYPE_CHECKING:
    from kernelq.kernel.settings import Settings

CONNECTION_TIMEOUT = 4.0
"""Seconds, where the settings name no ``broker_connection_timeout``."""

HEARTBEAT = 10.0
"""Seconds between AMQP heartbeats, where the settings name no ``broker_heartbeat``."""


class Connector:
    """Knows how to connect to one URL. It connects to nothing by itself."""

    def __init__(self, url: str, settings: Settings | None) -> None:
        self.url = url
        self.settings = settings
        self.timeout = float(self.option("broker_connection_timeout", CONNECTION_TIMEOUT))
        probe = self._probe(url)
        self.driver = str(probe.transport.driver_type)
        implements = probe.transport.implements
        self.fanout = "fanout" in (implements.exchange_type or ())
        self.asynchronous = bool(implements.asynchronous)
        self.virtual = hasattr(probe.transport, "cycle")
        self.lost: tuple[type[Exception], ...] = (
            *probe.connection_errors, *probe.channel_errors, OperationalError, OSError
        )  # fmt: skip
        poller = getattr(getattr(probe.transport, "cycle", None), "poller", None)
        if poller is not None:
            poller.close()  # kombu's Redis transport opens one before it is connected

    @staticmethod
    def _probe(url: str) -> Connection:
        try:
            probe = Connection(url)
            assert probe.transport
        except (KeyError, ImportError) as error:
            scheme = url.partition(":")[0]
            raise ConfigurationError(
                f"broker_url: neither KernelQ nor kombu has a transport for {scheme}:// here ({error}); "
                f"mend the URL, or install what serves it; without a server: sqlite:///kernelq.db"
            ) from error
        return probe

    def option(self, name: str, default: Any) -> Any:
        """Return the setting `name`, or `default` where it is not set or None."""
        value = getattr(self.settings, name, None)
        return default if value is None else value

    def connection(self, heartbeat: bool = False) -> Connection:
        """Return a new kombu connection, not yet connected."""
        options = self._defaults() | dict(self.option("broker_transport_options", {}))
        return Connection(
            self.url,
            ssl=self.option("broker_use_ssl", False),
            connect_timeout=self.timeout,
            heartbeat=float(self.option("broker_heartbeat", HEARTBEAT)) if heartbeat else 0,
            transport_options=options,
        )

    def connected(self, heartbeat: bool = False) -> Connection:
        """Return a new kombu connection that stands; raises BrokerUnreachable within the timeout."""
        connection = self.connection(heartbeat)
        with self.reaching():
            connection.ensure_connection(max_retries=0)  # `connect` tries twice, two seconds apart
        return connection

    def safe_url(self) -> str:
        """Return the URL with its password replaced by ``**``."""
        return str(maybe_sanitize_url(self.url))

    @contextmanager
    def reaching(self) -> Iterator[None]:
        """Turn kombu's errors into BrokerUnreachable."""
        with self._as(BrokerUnreachable, "the broker {url} cannot be reached: {error}"):
            yield

    @contextmanager
    def holding(self) -> Iterator[None]:
        """Turn kombu's errors into BrokerLost."""
        with self._as(BrokerLost, "the connection to {url} broke: {error}"):
            yield

    @contextmanager
    def _as(self, kind: type[Unreachable], text: str) -> Iterator[None]:
        try:
            yield
        except Unreachable as error:
            if isinstance(error, kind):
                raise
            raise kind(str(error)) from error
        except self.lost as error:
            detail = f"{type(error).__name__}: {error}"
            raise kind(text.format(url=self.safe_url(), error=detail)) from error

    def _defaults(self) -> dict[str, Any]:
        if self.driver == "amqp":
            return {
                "client_properties": {"connection_name": "kernelq"},
                "read_timeout": self.timeout,
                "write_timeout": self.timeout,
            }
        if self.driver == "redis":
            return {"socket_connect_timeout": self.timeout, "socket_timeout": self.timeout}
        return {}


def forget(connection: Connection | None) -> None:
    """Close the descriptor of a connection that was inherited by a fork, without a word to its broker.

    Sockets of redis-py know by themselves whose they are.
    """
    amqp = getattr(connection, "_connection", None)
    sock = getattr(getattr(amqp, "_transport", None), "sock", None)
    if sock is not None:
        sock.close()
