"""Notices on Redis against their contract, of the broker and of the result store."""

from __future__ import annotations

import time

import pytest

from kernelq.kernel.errors import BackendUnreachable, BrokerUnreachable
from kernelq.notices import TASK
from kernelq_redis.backend import RedisBackend
from kernelq_redis.transport import RedisTransport
from kernelq_testkit import NoticesConformance


class TestNotices(NoticesConformance):
    @pytest.fixture(params=[RedisTransport, RedisBackend])
    def notices(self, request, url, settings):
        owner = request.param(url, settings)
        notices = owner.notices()
        yield notices
        notices.close()
        owner.close()


def test_a_million_would_cost_nobody_a_key_each(client, url, settings, prefix):
    """One sorted set for each kind, which ends with what it holds."""
    notices = RedisTransport(url, settings).notices()
    notices.put(TASK, [str(number) for number in range(5000)], 600)

    assert [f"{prefix}kq:notes:task".encode()] == client.keys(f"{prefix}*")
    client.zadd(
        f"{prefix}kq:notes:task", {name: time.time() - 1 for name in client.zrange(f"{prefix}kq:notes:task", 0, -1)}
    )
    assert frozenset() == notices.kinds()
    assert [] == client.keys(f"{prefix}*")
    notices.close()


@pytest.mark.parametrize(("owner", "error"), [(RedisTransport, BrokerUnreachable), (RedisBackend, BackendUnreachable)])
def test_a_server_that_is_away_is_told(owner, error, settings):
    notices = owner("redis://127.0.0.1:1/0", settings).notices()

    with pytest.raises(error):
        notices.kinds()
