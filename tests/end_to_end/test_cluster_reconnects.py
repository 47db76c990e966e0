"""Two workers, of which one loses its broker for a moment."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from kernelq import KernelQ
from kernelq.events.records import Worker
from kernelq.keys import STATE
from kernelq_gossip.keys import GOSSIP
from kernelq_testkit import eventually
from kernelq_testkit.faultproxy import Fault, FaultProxy
from kernelq_testkit.running import RunningWorker

REDIS = os.environ.get("KERNELQ_TEST_REDIS_URL", "redis://127.0.0.1:6379/15")


@pytest.fixture
def make_app() -> Iterator[Any]:
    """A function that makes apps of one cluster, each by its own way to the broker."""
    name, made = f"kqg-{uuid.uuid4().hex[:10]}", []

    def make(url: str) -> KernelQ:
        prefix = {"global_keyprefix": f"{name}:"}
        made.append(
            KernelQ("t", broker=url, backend=None, worker_heartbeat_interval=0.5, broker_transport_options=prefix)
        )
        return made[-1]

    yield make
    for app in made:
        app.close()
    import redis

    with redis.Redis.from_url(REDIS) as client:
        for key in client.scan_iter(f"{name}:*", count=10_000):
            client.delete(key)


def members(running: RunningWorker) -> list[Worker]:
    """Whom it sees now, also while it has no connection."""
    cluster = running.worker.context.get(GOSSIP)
    return cluster.members() if cluster is not None else []


def test_a_worker_that_connects_again_sees_the_others_again_and_has_missed_nothing(make_app: Any) -> None:
    with FaultProxy("127.0.0.1", 6379) as proxy:
        far, near = make_app(REDIS.replace(":6379", f":{proxy.port}")), make_app(REDIS)
        with RunningWorker(near, hostname="near@test") as one, RunningWorker(far, hostname="far@test") as other:
            (before,) = eventually(lambda: members(other))
            (same,) = eventually(lambda: members(one))
            assert ("near@test", "far@test") == (before.hostname, same.hostname)

            proxy.set(Fault.RESET)
            eventually(lambda: other.worker.info()["Consumer"]["restarts"])
            one.worker.context[STATE].revoke(["r1"])
            proxy.set(Fault.NONE)

            (after,) = eventually(lambda: [each for each in members(other) if each is not before])
            assert "near@test" == after.hostname
            eventually(lambda: ["r1"] == list(other.worker.context[STATE].revoked), wanted="what its neighbour knows")
