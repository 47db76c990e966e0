from __future__ import annotations

from kernelq.conf import Conf
from kernelq_redis import hooks
from kernelq_redis.settings import RedisSettings


def test_the_settings_become_known():
    conf = Conf()
    hooks.declare_settings(conf)
    conf.update(redis_max_connections=3)
    assert 3 == conf.section(RedisSettings).redis_max_connections
