from __future__ import annotations

from types import SimpleNamespace

import pytest

from kernelq.conf import Conf
from kernelq.kernel.errors import BadSetting
from kernelq_redis.settings import options, section, timeout, use_ssl


def test_values_come_from_an_apps_settings():
    conf = Conf(broker_connection_timeout=9.0, broker_transport_options={"a": 1}, broker_use_ssl=True)
    section(conf)
    conf.update(result_backend_transport_options={"b": 2}, redis_backend_use_ssl={"ssl_ca_certs": "x"})
    assert (9.0, {"a": 1}, {"b": 2}) == (timeout(conf), options(conf), options(conf, results=True))
    assert (True, {"ssl_ca_certs": "x"}) == (use_ssl(conf), use_ssl(conf, results=True))
    with pytest.raises(BadSetting):
        conf.update(redis_socket_timeout=0.0)


def test_defaults_where_nothing_is_set():
    for given in (None, SimpleNamespace(), Conf()):
        assert (4.0, {}, {}) == (timeout(given), options(given), options(given, results=True))
        assert (False, False, 16) == (
            use_ssl(given),
            use_ssl(given, results=True),
            section(given).redis_max_connections,
        )


def test_secrets_are_not_shown():
    """Options hold the passwords of sentinels and keys."""
    conf = Conf()
    section(conf)
    conf.update(result_backend_transport_options={"sentinel_kwargs": {"password": "hush"}})
    assert "hush" not in str(conf.as_dict())
