"""Celery's own client and worker on the same queue, with what its messages may carry."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime

import pytest
from celery.contrib.testing.worker import start_worker

from kernelq import KernelQ
from kernelq_testkit.running import RunningWorker

pytestmark = pytest.mark.broker


@pytest.fixture
def kernelq(amqp_url, amqp_queue):
    app = KernelQ("interop", broker=amqp_url, backend="rpc://")
    app.conf.task_default_queue = amqp_queue
    yield app
    app.close()


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"compression": "zlib"},
        {"serializer": "json", "priority": 5, "headers": {"mine": [1, None, "ü"]}},
        {"countdown": 0.5},
        {"expires": 60},
        {"eta": datetime.now(UTC)},
    ],
    ids=["plain", "compressed", "headers", "countdown", "expires", "eta"],
)
def test_celery_sends_kernelq_runs(celery, kernelq, options):
    """Whatever a call may carry; the result goes back."""

    @kernelq.task(name="interop.add")
    def add(a, b):
        return a + b

    with RunningWorker(kernelq):
        assert "x" * 3000 + "y" == celery.send_task("interop.add", ("x" * 3000, "y"), **options).get(timeout=30)


def test_celery_delays_and_kernelq_waits(celery, kernelq):
    """A countdown that Celery leaves to the worker waits in the broker, and ends in time."""
    ran = []

    @kernelq.task(name="interop.when")
    def when():
        ran.append(time.time())

    with RunningWorker(kernelq):
        start = time.time()
        celery.send_task("interop.when", countdown=3).get(timeout=30)
    assert 2.9 <= ran[0] - start < 3 + 10


def test_kernelq_sends_celery_runs(celery, kernelq):
    """Plain, delayed through the levels, compressed."""

    @celery.task(name="interop.add", shared=False)
    def add(a, b):
        return a + b

    with start_worker(celery, perform_ping_check=False, pool="solo", shutdown_timeout=30):
        sent = [
            kernelq.send_task("interop.add", (1, 1)),
            kernelq.send_task("interop.add", (1, 2), countdown=3),
            kernelq.send_task("interop.add", ("x" * 3000, ""), compression="gzip"),
        ]
        assert [2, 3, "x" * 3000] == [result.get(timeout=30) for result in sent]


def test_a_retry_after_a_delay_goes_to_its_queue(celery, kernelq):
    """A task that came through the levels is retried by Celery's worker: the new message arrives."""
    tries = []
    done = threading.Event()

    @celery.task(name="interop.again", bind=True, shared=False)
    def again(self):
        tries.append(self.request.retries)
        if self.request.retries < 1:
            raise self.retry(countdown=0)
        done.set()

    with start_worker(celery, perform_ping_check=False, pool="solo", shutdown_timeout=30):
        kernelq.send_task("interop.again", countdown=2.5)
        assert done.wait(30)
    assert [0, 1] == tries
