"""Making connections with bounded waits, and saying in KernelQ's words what went wrong with them."""

from __future__ import annotations

import contextlib
import logging
import socket
import ssl
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import amqp
from kombu.utils.url import maybe_sanitize_url, parse_url

from kernelq.forks import after_fork
from kernelq.kernel.errors import BrokerLost, BrokerUnreachable, ConfigurationError, Unreachable
from kernelq_amqp.control import ControlConnection
from kernelq_amqp.ended import Ended
from kernelq_amqp.link import Link
from kernelq_amqp.options import option
from kernelq_amqp.publisher import Unroutable

if TYPE_CHECKING:
    from kernelq.kernel.settings import Settings

log = logging.getLogger("kernelq.amqp")

CONNECTION_TIMEOUT = 4.0
"""Seconds, where the settings name no ``broker_connection_timeout``."""
IDLE_HEARTBEAT = 60.0
"""Seconds between heartbeats of a connection that nobody ticks for; after two the broker closes it."""
USER_TIMEOUT = 10_000
"""Milliseconds after which the kernel gives up a connection that acknowledges nothing."""

LOST = (*amqp.Connection.connection_errors, *amqp.Connection.channel_errors, amqp.exceptions.AMQPError, OSError)


class Connector:
    """Knows how to connect to one URL. It connects to nothing by itself."""

    def __init__(self, url: str, settings: Settings | None) -> None:
        self.url = url
        self.settings = settings
        self.timeout = float(self.option("broker_connection_timeout", CONNECTION_TIMEOUT))
        self._links: WeakSet[Link] = WeakSet()
        self._controls: WeakSet[ControlConnection] = WeakSet()
        self.ended = Ended()
        self.driven: WeakSet[Link] = WeakSet()
        """The links that the event loop reads and writes."""
        parts = parse_url(url)
        self.secure = parts["transport"] == "amqps" or bool(self.option("broker_use_ssl", False))
        self.host = parts["hostname"] or "127.0.0.1"
        self._port = parts["port"] or (5671 if self.secure else 5672)
        self._user = parts["userid"] or "guest"
        self._password = parts["password"] or "guest"
        self._vhost = parts["virtual_host"] or "/"
        after_fork(self.forked)

    def option(self, name: str, default: Any = None) -> Any:
        """Return the setting `name`, or `default` where it is not set or None."""
        return option(self.settings, name, default)

    def link(self, name: str, *, idle: bool = False, timeout: float | None = None) -> Link:
        """Return a connected link; raises BrokerUnreachable within `timeout`, or the connection timeout.

        `idle`: nobody ticks for it while it is not used, so its heartbeat is slow, and the broker closes it then.
        """
        link = Link(
            self.timeout if timeout is None else timeout,
            host=f"[{self.host}]:{self._port}" if ":" in self.host else f"{self.host}:{self._port}",
            userid=self._user,
            password=self._password,
            virtual_host=self._vhost,
            login_method=self.option("broker_login_method", None),
            ssl=self.tls(),
            heartbeat=IDLE_HEARTBEAT if idle else self.option("broker_heartbeat"),
            client_properties={"connection_name": f"kernelq {name}"},
            socket_settings={socket.TCP_USER_TIMEOUT: USER_TIMEOUT},
        )
        with self.reaching():
            try:
                link.connect()
            except BaseException:
                link.abort()
                raise
        self._links.add(link)
        return link

    def control(self) -> ControlConnection:
        """Return a new kombu connection, not yet connected; it beats by itself once it is in an event loop."""
        options = {
            "client_properties": {"connection_name": "kernelq control"},
            "read_timeout": self.timeout,
            "write_timeout": self.timeout,
            "socket_settings": {socket.TCP_USER_TIMEOUT: USER_TIMEOUT},
        }
        made = ControlConnection(
            self.url,
            ssl=self.tls(),
            connect_timeout=self.timeout,
            heartbeat=self.option("broker_heartbeat"),
            login_method=self.option("broker_login_method", None),
            transport_options=options | dict(self.option("broker_transport_options", {})),
        )
        made.on_loss = self.broke
        self._controls.add(made)
        return made

    def broke(self, error: BaseException) -> None:
        """Note that the broker was lost: no control connection to it is closed with a handshake that nobody answers.

        What a silent network does to one connection it does to all of them, so no other is waited for either.
        """
        silent = isinstance(error.__cause__, (amqp.exceptions.ConnectionForced, TimeoutError))
        for control in list(self._controls):
            control.lose(silent)
        if silent:
            for link in list(self.driven):
                link.lost = True
        if isinstance(error.__cause__, amqp.exceptions.PreconditionFailed):
            log.warning(
                "RabbitMQ has closed the channel (%s); where it speaks of a timeout, a task ran longer than the "
                "broker's consumer_timeout: raise that, or its messages come twice",
                error.__cause__,
            )

    def tls(self) -> Any:
        """Return py-amqp's TLS options: False, or a dict. Where the certificate is verified, so is the host's name."""
        if not self.secure:
            return False
        given = self.option("broker_use_ssl", True)
        options: dict[str, Any] = dict(given) if isinstance(given, dict) else {}
        if options.get("cert_reqs", ssl.CERT_REQUIRED) == ssl.CERT_REQUIRED:
            options.setdefault("cert_reqs", ssl.CERT_REQUIRED)
            options.setdefault("server_hostname", self.host)
        if not options.get("server_hostname"):  # "" says: any name will do
            options["server_hostname"] = None
        return {name: value for name, value in options.items() if value is not None}

    def safe_url(self) -> str:
        """Return the URL with its password replaced by ``**``."""
        return str(maybe_sanitize_url(self.url))

    @contextlib.contextmanager
    def reaching(self) -> Iterator[None]:
        """Turn errors of the connection into BrokerUnreachable, a refused password into ConfigurationError."""
        try:
            yield
        except (amqp.exceptions.AccessRefused, amqp.exceptions.NotAllowed) as error:
            raise ConfigurationError(
                f"{self.safe_url()} refuses: {error}; mend user, password or virtual host in broker_url"
            ) from error
        except LOST as error:
            text = f"the broker {self.safe_url()} cannot be reached: {_said(error)}"
            raise BrokerUnreachable(text) from error

    @contextlib.contextmanager
    def holding(self) -> Iterator[None]:
        """Turn errors of the connection into BrokerLost."""
        try:
            yield
        except BrokerLost:
            raise
        except (Unreachable, Unroutable) as error:
            raise BrokerLost(str(error)) from error
        except LOST as error:
            raise BrokerLost(f"the connection to {self.safe_url()} broke: {_said(error)}") from error

    def forked(self) -> None:
        """Leave the parent's connections alone; called in a forked child."""
        for link in list(self._links):
            link.forget()
        self._links = WeakSet()


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
