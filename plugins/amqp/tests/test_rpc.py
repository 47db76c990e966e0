"""Results as messages: the contract as far as it applies, and Celery at the other end."""

from __future__ import annotations

import asyncio
import socket
import threading
from types import SimpleNamespace

import pytest
from kombu import Connection

from kernelq import KernelQ
from kernelq.kernel.errors import BackendUnreachable, ConfigurationError
from kernelq_amqp.rpc import RpcBackend
from kernelq_testkit.child import run_in_child
from kernelq_testkit.result_backend import ResultBackendConformance, record
from kernelq_testkit.running import RunningWorker
from kernelq_testkit.waiting import eventually

pytestmark = pytest.mark.broker


class Addressed(RpcBackend):
    """Sends results without an address to this process, as if it had sent the tasks, and waits for them to come."""

    def store_many(self, records):
        for each in records:
            each.reply_to = each.reply_to or self.reply_to()
        super().store_many(records)
        for each in records:
            eventually(lambda each=each: self.get(each.task_id) is not None, 10)


@pytest.fixture
def make(amqp_url):
    made = []

    def make(kind=RpcBackend, url=amqp_url):
        made.append(kind("rpc://", SimpleNamespace(broker_url=url, broker_connection_timeout=2)))
        return made[-1]

    yield make
    for each in made:
        each.close()


class TestRpc(ResultBackendConformance):
    @pytest.fixture
    def backend(self, make):
        return make(Addressed)

    def test_other_states_give_way(self, backend, task_id):
        """A later message replaces an earlier one, as soon as it has come."""
        for state in ("STARTED", "RETRY", "FAILURE", "SUCCESS"):
            backend.store_many([record(task_id, state, payload=state.encode())])
            eventually(lambda state=state: backend.get(task_id) == state.encode(), 10)

    def test_unready_state_ends_no_wait(self, backend, task_id):
        """The state of what comes is read from it."""
        backend.store_many([record(task_id, "STARTED", payload=b'{"status": "STARTED"}')])
        assert backend.wait([task_id], 0.2) == {}

    def test_success_is_never_overwritten(self, backend, task_id):
        """What comes after a SUCCESS is dropped."""
        backend.store_many([record(task_id, payload=b'{"status": "SUCCESS", "n": 1}')])
        for state in ("FAILURE", "SUCCESS"):
            backend.store_many([record(task_id, state, payload=b'{"status": "%s", "n": 2}' % state.encode())])
        backend.store_many([record("after-" + task_id)])
        assert b'"n": 1' in backend.get(task_id)

    def test_forked_child(self, backend, task_id):
        """A child takes its own results only; those of its parent are no concern of it, and stay."""
        backend.store_many([record(task_id)])
        before = backend.reply_to()

        def child():
            assert backend.get(task_id) is None
            assert backend.reply_to() != before
            backend.store_many([record(task_id + "-child")])
            assert backend.get(task_id + "-child") == b"{}"
            backend.close()

        assert run_in_child(child) == ""
        assert backend.get(task_id) == b"{}"
        assert backend.reply_to() == before


def test_who_is_not_waited_for_costs_nothing(make):
    """A record without an address, and one whose caller is gone, are dropped without an error."""
    backend = make()
    gone = record("gone")
    gone.reply_to = "kit-nobody-has-this-queue"
    backend.store_many([record("nobody"), gone])
    assert backend.get("nobody") is None


def test_many_wait_on_one_connection(make):
    """64 threads and 1,000 coroutines; one thread more than before."""
    backend = make(Addressed)
    backend.reply_to()
    before = threading.active_count()
    found = []
    threads = [
        threading.Thread(target=lambda n=n: found.append(backend.wait([f"thread-{n}"], 60)[f"thread-{n}"]))
        for n in range(64)
    ]
    for thread in threads:
        thread.start()
    assert before + 64 == threading.active_count()

    async def scene():
        waiters = [asyncio.create_task(backend.wait_async([f"coroutine-{n}"], 60)) for n in range(1000)]
        await asyncio.sleep(0)
        records = [record(f"coroutine-{n}", payload=b"%d" % n) for n in range(1000)]
        records += [record(f"thread-{n}", payload=b"t%d" % n) for n in range(64)]
        await asyncio.to_thread(backend.store_many, records)
        return await asyncio.gather(*waiters)

    assert [{f"coroutine-{n}": b"%d" % n} for n in range(1000)] == asyncio.run(scene())
    for thread in threads:
        thread.join(60)
    assert {b"t%d" % n for n in range(64)} == set(found)
    assert backend._replies._callbacks == {}


def test_a_broken_connection_is_replaced_and_nothing_lost(make):
    """The queue outlives its consumer: what comes meanwhile is taken by the next."""
    backend = make(Addressed)
    queue = backend.reply_to()
    backend.store_many([record("before")])
    gone = []
    for number in range(5):  # the broker sends some of them into the connection that has gone
        gone.append(eventually(lambda: _waiting(backend, gone), 30, wanted="a new connection"))
        gone[-1].sock.shutdown(socket.SHUT_RDWR)
        after = record(f"after-{number}")
        after.reply_to = queue
        RpcBackend.store_many(backend, [after])
        assert backend.wait([f"after-{number}"], 30) == {f"after-{number}": b"{}"}


def _waiting(backend, gone):
    """Return the connection on which results are waited for, where it is another than those that are gone."""
    links = backend._replies._connector._links
    own = [each for each in links if each.client_properties["connection_name"] == "kernelq rpc results"]
    return next((each for each in own if each.connected and each not in gone), None)


def test_no_queue_is_left_behind(make, amqp_url):
    """`close` deletes it."""
    backend = make()
    queue = backend.reply_to()
    backend.close()
    with Connection(amqp_url) as connection, pytest.raises(connection.channel_errors, match="no queue"):
        connection.default_channel.queue_declare(queue, passive=True)


def test_without_a_broker_it_says_so(make, free_port):
    """BackendUnreachable for a result; a setting that names no RabbitMQ is a mistake."""
    waiting = record("x")
    waiting.reply_to = "somewhere"
    with pytest.raises(BackendUnreachable):
        make(url=f"amqp://127.0.0.1:{free_port}//").store_many([waiting])
    with pytest.raises(ConfigurationError, match="amqp://"):
        make(url="redis://localhost/")


@pytest.fixture
def app(amqp_url, amqp_queue):
    app = KernelQ("rpc", broker=amqp_url, backend="rpc://")
    app.conf.task_default_queue = amqp_queue

    @app.task(name="rpc.add")
    def add(a, b):
        return a + b

    @app.task(name="rpc.fail")
    def fail():
        raise ValueError("no")

    yield app
    app.close()


def test_a_celery_client_gets_results_from_a_kernelq_worker(app, celery):
    """And a KernelQ client too, failures as well."""
    with RunningWorker(app):
        assert 5 == celery.send_task("rpc.add", (2, 3)).get(timeout=30)
        with pytest.raises(Exception, match="no"):
            celery.send_task("rpc.fail").get(timeout=30)
        assert 7 == app.tasks["rpc.add"].delay(3, 4).get(timeout=30)
        with pytest.raises(ValueError, match="no"):
            app.tasks["rpc.fail"].delay().get(timeout=30)


def test_a_kernelq_client_gets_results_from_a_celery_worker(app, celery):
    """Celery's worker publishes to the queue that our message names."""
    from celery.contrib.testing.worker import start_worker

    @celery.task(name="rpc.add", shared=False)
    def add(a, b):
        return a + b

    with start_worker(celery, perform_ping_check=False, pool="solo", shutdown_timeout=30):
        results = [app.tasks["rpc.add"].delay(n, 1) for n in range(3)]
        assert [1, 2, 3] == [result.get(timeout=30) for result in results]
