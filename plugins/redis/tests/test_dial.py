"""Connections to servers of the test's own: plain, by TLS, through sentinels."""

from __future__ import annotations

import socket
import time
from types import SimpleNamespace

import pytest

from kernelq.kernel.errors import BrokerUnreachable, ConfigurationError
from kernelq_redis.dial import ERRORS, dial, unreachable
from kernelq_redis.location import locate
from kernelq_redis.wire import ReplyError, Wire
from kernelq_testkit.waiting import eventually


def role(location):
    wire = Wire(location, 5.0, "kq-test")
    try:
        return wire.call("ROLE")[0]
    finally:
        wire.close()


def test_login_database_and_name(start_server):
    """A user and a password log in; the database is chosen; CLIENT LIST shows the name."""
    server = start_server("--requirepass", "hush")
    wire = Wire(locate(f"redis://default:hush@127.0.0.1:{server.port}/3"), 5.0, "kq-test")
    info = wire.call("CLIENT", "INFO")
    assert b" name=kq-test " in info
    assert b" db=3 " in info
    wire.close()
    for login in ("", ":wrong-hush@"):
        location = locate(f"redis://{login}127.0.0.1:{server.port}/3")
        with pytest.raises(ReplyError) as caught:
            dial(location, 5.0)
        told = str(unreachable(BrokerUnreachable, location, caught.value))
        assert "redis://user:password@host" in told or "is wrong" in told
        assert "hush" not in told


def test_a_unix_socket(start_server, tmp_path):
    path = tmp_path / "r.sock"
    start_server("--unixsocket", str(path))
    assert b"master" == role(locate(f"redis+socket://{path}?virtual_host=1"))


def test_a_server_that_says_nothing_is_given_up_in_time():
    """The greeting has the same deadline as the connection."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        started = time.monotonic()
        with pytest.raises(TimeoutError):
            dial(locate(f"redis://127.0.0.1:{mute.getsockname()[1]}"), 0.3)
        assert 0.3 <= time.monotonic() - started < 5.0


def test_nobody_there():
    location = locate("redis://:hush@127.0.0.1:1/0")
    with pytest.raises(ERRORS) as caught:
        dial(location, 1.0)
    assert "redis://:**@127.0.0.1:1/0" in str(unreachable(BrokerUnreachable, location, caught.value))


def test_tls_with_certificates_of_both_sides(tls_server, tls_options):
    """The authority's file verifies the server, which asks for the client's certificate."""
    url = f"rediss://127.0.0.1:{tls_server.port}/1"
    assert b"master" == role(locate(url, SimpleNamespace(broker_use_ssl=tls_options)))
    query = "&".join(f"{name}={value}" for name, value in tls_options.items())
    assert b"master" == role(locate(f"{url}?{query}&ssl_cert_reqs=CERT_REQUIRED"))


def test_tls_refuses_a_stranger(tls_server, tls_options, certificates):
    """A server that another authority signed is refused, and the error says which setting to look at."""
    options = {**tls_options, "ssl_ca_certs": str(certificates / "stranger.pem")}
    location = locate(f"rediss://127.0.0.1:{tls_server.port}", SimpleNamespace(broker_use_ssl=options))
    with pytest.raises(ERRORS) as caught:
        dial(location, 5.0)
    assert "ssl_ca_certs" in str(unreachable(BrokerUnreachable, location, caught.value))
    unchecked = {**options, "ssl_cert_reqs": "none"}
    assert b"master" == role(locate(location.safe_url(), SimpleNamespace(broker_use_ssl=unchecked)))


def test_tls_checks_the_name(tls_server, tls_options):
    """The certificate is for 127.0.0.1, not for localhost."""
    options = SimpleNamespace(broker_use_ssl=tls_options)
    with pytest.raises(ERRORS):
        dial(locate(f"rediss://localhost:{tls_server.port}", options), 5.0)


def test_tls_files_that_are_not_there():
    location = locate("rediss://127.0.0.1:1", SimpleNamespace(broker_use_ssl={"ssl_ca_certs": "/nowhere/ca.pem"}))
    with pytest.raises(ConfigurationError, match="TLS options"):
        dial(location, 1.0)


@pytest.mark.slow
def test_sentinels_lead_to_the_master_also_after_a_failover(start_server, start_sentinel):
    """A sentinel that is away is passed over; when the master dies, connections go to the promoted replica."""
    master = start_server()
    replica = start_server("--replicaof", f"127.0.0.1 {master.port}")
    eventually(lambda: _replicates(replica), 30)
    sentinel = start_sentinel(master)
    url = f"sentinel://127.0.0.1:1;sentinel://127.0.0.1:{sentinel.port}/2"
    location = locate(url, SimpleNamespace(broker_transport_options={"master_name": "kq"}))
    with dial(location, 5.0) as sock:
        assert ("127.0.0.1", master.port) == sock.getpeername()
    with sentinel.client() as asked:
        eventually(lambda: asked.sentinel_slaves("kq"), 30)
    master.kill()

    def promoted():
        try:
            with dial(location, 5.0) as sock:
                return sock.getpeername()
        except ERRORS:
            return None

    assert ("127.0.0.1", replica.port) == eventually(promoted, 60)


def test_a_master_that_no_sentinel_knows(start_server, start_sentinel):
    sentinel = start_sentinel(start_server())
    options = SimpleNamespace(broker_transport_options={"master_name": "other"})
    with pytest.raises(ConnectionError, match="no master named 'other'"):
        dial(locate(f"sentinel://127.0.0.1:{sentinel.port}/0", options), 5.0)


def _replicates(server):
    with server.client() as client:
        return "up" == client.info("replication").get("master_link_status")
