from __future__ import annotations

import ssl
from types import SimpleNamespace

import pytest

from kernelq.kernel.errors import ConfigurationError
from kernelq_redis.location import Location, locate


def settings(**given):
    return SimpleNamespace(**given)


@pytest.mark.parametrize(
    ("url", "nodes", "db", "login", "safe"),
    [
        ("redis://", (("localhost", 6379),), 0, (None, None), "redis://localhost:6379/0"),
        ("redis://h", (("h", 6379),), 0, (None, None), "redis://h:6379/0"),
        ("redis://h:1//", (("h", 1),), 0, (None, None), "redis://h:1/0"),
        ("redis://:hush@h:1/3", (("h", 1),), 3, (None, "hush"), "redis://:**@h:1/3"),
        ("redis://me:hush@[::1]:1/2", (("::1", 1),), 2, ("me", "hush"), "redis://me:**@[::1]:1/2"),
        ("redis://me:hu/s@h%23@h/2", (("h", 6379),), 2, ("me", "hu/s@h#"), "redis://me:**@h:6379/2"),
        ("redis://h?virtual_host=4&socket_timeout=9", (("h", 6379),), 4, (None, None), "redis://h:6379/4"),
        ("rediss://h/1", (("h", 6379),), 1, (None, None), "rediss://h:6379/1"),
    ],
)
def test_a_server_by_its_url(url, nodes, db, login, safe):
    """User, password, host, port and database, and a form without the password for logs."""
    found = locate(url)
    assert (nodes, db, login) == (found.nodes, found.db, (found.username, found.password))
    assert safe == found.safe_url()
    assert "hush" not in repr(found)


@pytest.mark.parametrize("url", ["redis+socket:///run/r.sock?virtual_host=2", "unix:///run/r.sock?db=2"])
def test_a_unix_socket(url):
    """As kombu writes it, and as redis-py does."""
    found = locate(url)
    assert ("/run/r.sock", 2, ()) == (found.path, found.db, found.nodes)
    assert "redis+socket:///run/r.sock?virtual_host=2" == found.safe_url()


def test_sentinels_as_celery_writes_them():
    """The master's name is a transport option; the default port is that of sentinels."""
    options = {"master_name": "m", "sentinel_kwargs": {"password": "hush"}}
    url = "sentinel://:hush@a:1;sentinel://b/2"
    found = locate(url, settings(broker_transport_options=options))
    assert ((("a", 1), ("b", 26379)), 2, "m", "hush") == (found.nodes, found.db, found.master, found.password)
    assert "sentinel://:**@a:1;sentinel://b:26379/2" == found.safe_url()
    assert "hush" not in repr(found)
    again = locate(url, settings(result_backend_transport_options=options), results=True)
    assert again == found
    with pytest.raises(ConfigurationError, match='broker_transport_options = {"master_name"'):
        locate(url)


def test_equal_is_what_one_transaction_spans():
    """Host, port and database decide; how TLS is checked does not."""
    assert locate("redis://h/1") == locate("redis://h:6379/1")
    assert locate("redis://h/1") != locate("redis://h/2")
    assert Location((("h", 1),), tls={}) == Location((("h", 1),), tls={"ssl_ca_certs": "x"})


def test_tls_from_the_url_over_the_settings():
    """Celery's query form and its settings; certificates are checked unless someone says otherwise."""
    given = {"ssl_ca_certs": "/ca.pem", "ssl_cert_reqs": ssl.CERT_OPTIONAL}
    found = locate("redis://h", settings(broker_use_ssl=given)).tls
    assert ("/ca.pem", "optional", False) == (
        found["ssl_ca_certs"],
        found["ssl_cert_reqs"],
        found["ssl_check_hostname"],
    )
    found = locate("rediss://h?ssl_cert_reqs=CERT_NONE", settings(broker_use_ssl=given)).tls
    assert ("none", False) == (found["ssl_cert_reqs"], found["ssl_check_hostname"])
    found = locate("redis://h", settings(redis_backend_use_ssl=True), results=True).tls
    assert ("required", True) == (found["ssl_cert_reqs"], found["ssl_check_hostname"])
    assert locate("redis://h", settings(redis_backend_use_ssl=True)).tls is None
    assert "required" == locate("rediss://h").tls["ssl_cert_reqs"]


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("redis+cluster://h", "sentinel://"),
        ("redis-cluster://h", "Redis Cluster is not served"),
        ("http://h", "http:// is no Redis"),
        ("redis://:hush@h:port/0", "write redis://"),
        ("redis://:hush@h:99999/0", "write redis://"),
        ("redis://h/name", "a database of Redis is a number"),
        ("redis://h?databse=1", "'databse'"),
        ("rediss://h?ssl_ca_cert=x", "Did you mean 'ssl_ca_certs'"),
        ("rediss://h?ssl_cert_reqs=maybe", "required, optional or none"),
        ("unix://", "name the socket's file"),
    ],
)
def test_what_cannot_be_is_refused_in_words(url, told):
    """The error names the setting, says what to write, and shows no password."""
    with pytest.raises(ConfigurationError) as caught:
        locate(url)
    assert told in str(caught.value)
    assert str(caught.value).startswith("broker_url: ")
    assert "hush" not in str(caught.value)
