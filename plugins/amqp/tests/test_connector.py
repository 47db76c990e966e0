"""URLs, TLS options and errors in KernelQ's words; nothing connects."""

from __future__ import annotations

import ssl
from types import SimpleNamespace

import amqp
import pytest

from kernelq.kernel.errors import BrokerLost, BrokerUnreachable, ConfigurationError
from kernelq_amqp.connector import Connector


def connector(url="amqp://me:secret@host//", **settings):
    return Connector(url, SimpleNamespace(**settings))


def test_urls_are_celerys():
    """Host, port, user and virtual host, with their defaults."""
    plain = connector("amqp://")
    assert ("127.0.0.1", 5672, "guest", "guest", "/") == (
        plain.host, plain._port, plain._user, plain._password, plain._vhost,
    )  # fmt: skip
    secure = connector("amqps://u%40x:p%2Fw@h/v%2F1")
    assert ("h", 5671, "u@x", "p/w", "v/1") == (
        secure.host, secure._port, secure._user, secure._password, secure._vhost,
    )  # fmt: skip


def test_a_verified_certificate_has_the_hosts_name():
    """Unless the settings say another name, or any."""
    assert connector().tls() is False
    verified = connector("amqps://host//").tls()
    assert {"cert_reqs": ssl.CERT_REQUIRED, "server_hostname": "host"} == verified
    assert "other" == connector(broker_use_ssl={"server_hostname": "other"}).tls()["server_hostname"]
    assert "server_hostname" not in connector(broker_use_ssl={"server_hostname": ""}).tls()
    assert {"cert_reqs": ssl.CERT_NONE} == connector(broker_use_ssl={"cert_reqs": ssl.CERT_NONE}).tls()
    assert 5671 == connector(broker_use_ssl=True)._port


@pytest.mark.parametrize(
    "error", [OSError("x"), TimeoutError("x"), amqp.exceptions.ConnectionForced("x"), amqp.exceptions.NotFound("x")]
)
def test_errors_of_a_connection_are_a_lost_or_unreachable_broker(error):
    """Their text is kept, the password is not shown."""
    with pytest.raises(BrokerLost, match="x") as lost, connector().holding():
        raise error
    with pytest.raises(BrokerUnreachable, match="x"), connector().reaching():
        raise error
    assert "secret" not in str(lost.value)


def test_a_refusal_is_a_mistake():
    """Trying again would not help."""
    with pytest.raises(ConfigurationError, match=r"me:\*\*@host.*broker_url"), connector().reaching():
        raise amqp.exceptions.AccessRefused("no")
