"""A server that cannot hold the promises is refused, with what to type."""

from __future__ import annotations

import logging

import pytest

from kernelq.kernel.errors import ConfigurationError
from kernelq_redis.checks import check
from kernelq_redis.wire import ReplyError


class Answers:
    """Answers as a server with these settings; None: it forbids to ask."""

    def __init__(self, version="7.0.15", settings=None):
        self.version = version
        self.settings = settings

    def call(self, *command):
        if command[0] == "INFO":
            return f"# Server\r\nredis_version:{self.version}\r\n".encode()
        if self.settings is None:
            raise ReplyError("NOPERM this user has no permissions")
        return [command[2].encode(), self.settings[command[2]].encode()]


GOOD = {"maxmemory-policy": "noeviction", "appendonly": "yes"}


def test_a_good_server_passes_in_silence(caplog):
    """No warning."""
    check(Answers(settings=GOOD), "redis://h", warn=True)
    assert [] == caplog.records


@pytest.mark.parametrize("version", ["6.0.16", "5.0.1"])
def test_an_old_server_is_refused(version):
    """It has no BLMOVE."""
    with pytest.raises(ConfigurationError, match=f"{version}; KernelQ needs 6.2"):
        check(Answers(version, GOOD), "redis://h", warn=False)


def test_eviction_is_refused():
    """It would drop tasks."""
    with pytest.raises(ConfigurationError, match="CONFIG SET maxmemory-policy noeviction"):
        check(Answers(settings=GOOD | {"maxmemory-policy": "allkeys-lru"}), "redis://h", warn=False)


@pytest.mark.parametrize(
    ("settings", "words"),
    [(None, "does not tell its maxmemory-policy"), (GOOD | {"appendonly": "no"}, "appendonly off")],
)
def test_what_may_lose_messages_is_told_once(settings, words, caplog):
    """The caller says whether it was told before."""
    with caplog.at_level(logging.WARNING):
        check(Answers(settings=settings), "redis://h", warn=False)
        assert "" == caplog.text
        check(Answers(settings=settings), "redis://h", warn=True)
    assert words in caplog.text


def test_a_real_server_passes(url):
    """The one of the tests."""
    from kernelq_redis.location import locate
    from kernelq_redis.wire import Wire

    wire = Wire(locate(url), 4.0, "kernelq-test")
    check(wire, url, warn=False)
    wire.close()
