from __future__ import annotations

import asyncio
import json
import pickle
import signal
import threading
import time
import zlib
from types import SimpleNamespace

import pytest

from kernelq.kernel.errors import BackendUnreachable
from kernelq.outcome import Record
from kernelq_redis.backend import RedisBackend
from kernelq_testkit.waiting import eventually


@pytest.fixture
def open_backend(settings):
    made = []

    def make(url, **given):
        made.append(RedisBackend(url, SimpleNamespace(**vars(settings), **given)))
        return made[-1]

    yield make
    for backend in made:
        backend.close()


@pytest.fixture
def backend(open_backend, url):
    return open_backend(url)


def payload(state="SUCCESS", result=None):
    return json.dumps({"status": state, "result": result, "traceback": None, "children": []}).encode()


def record(task_id, state="SUCCESS", expires=60.0, result=None):
    return Record(task_id, state, payload(state, result), expires)


def subscriptions(client, prefix):
    return sum(count for _, count in client.pubsub_numsub(*client.pubsub_channels(f"{prefix}*")))


def test_results_lie_as_celery_lays_them(backend, client, prefix):
    """Key, value and time to live, and the message that wakes Celery's clients (celery/backends/redis.py)."""
    with client.pubsub() as listener:
        listener.subscribe(f"{prefix}celery-task-meta-a")
        assert "subscribe" == listener.get_message(timeout=10)["type"]
        backend.store_many([record("a", expires=100), record("b", expires=None), record("c", expires=0)])
        assert payload() == listener.get_message(timeout=10)["data"]
    assert payload() == client.get(f"{prefix}celery-task-meta-a")
    assert 90 < client.ttl(f"{prefix}celery-task-meta-a") <= 100
    assert (-1, -1) == (client.ttl(f"{prefix}celery-task-meta-b"), client.ttl(f"{prefix}celery-task-meta-c"))
    assert 3 == len(list(client.scan_iter(f"{prefix}*", count=10_000)))


def test_a_prefix_gets_celerys_underscore(url, client, prefix):
    """``global_keyprefix`` of the results is separated by one where it ends in no separator itself."""
    options = {"global_keyprefix": f"{prefix}x"}
    backend = RedisBackend(url, SimpleNamespace(result_backend_transport_options=options))
    backend.store_many([record("a")])
    backend.close()
    assert client.exists(f"{prefix}x_celery-task-meta-a")


@pytest.mark.parametrize(
    "write",
    [
        lambda meta: json.dumps(meta).encode(),
        lambda meta: json.dumps(meta, separators=(",", ":")).encode(),
        lambda meta: pickle.dumps(meta, 4),
        lambda meta: b"\x82\xa6status" + b"\xa7" + meta["status"].encode() + b"\xa6result\xc0",
    ],
    ids=["json", "dense json", "pickle", "msgpack"],
)  # fmt: skip
def test_a_success_that_celery_stored_stays(backend, client, prefix, write):
    """Whatever it is serialised with; a failure gives way."""
    for state, stays in (("SUCCESS", True), ("FAILURE", False)):
        theirs = write({"status": state, "result": None})
        client.set(f"{prefix}celery-task-meta-a", theirs)
        assert {"a": theirs} == backend.wait(["a"], 0)
        backend.store_many([record("a", "FAILURE", result="ours")])
        assert stays is (theirs == backend.get("a"))


def test_a_compressed_result_says_its_state_beside_it(backend, client, prefix):
    """Nobody can see in it how the task ended; expiry and forgetting take both."""
    hidden = {state: b"\x00celery-compressed\x00application/x-gzip\x00" + zlib.compress(payload(state)) for state in ("STARTED", "SUCCESS")}  # fmt: skip  # noqa: E501
    backend.store_many([Record("a", "STARTED", hidden["STARTED"], 60)])
    assert {} == backend.wait(["a"], 0)
    assert {} == backend.wait(["a"], 0.05)
    backend.store_many([Record("a", "SUCCESS", hidden["SUCCESS"], 60)])
    backend.store_many([record("a", "FAILURE")])
    assert {"a": hidden["SUCCESS"]} == backend.wait(["a"], 10)
    backend.forget(["a"])
    assert [] == list(client.scan_iter(f"{prefix}*", count=10_000))


def test_many_records_in_few_scripts(backend, client):
    before = client.info("commandstats")
    backend.store_many([record(str(n)) for n in range(640)])
    assert 640 == len(backend.wait([str(n) for n in range(640)], 10))
    assert before is not None


def test_sixty_four_threads_wait_at_once(backend, open_backend, url, client, prefix):
    """Each gets its own result; together they have one subscription each, on one connection."""
    other = open_backend(url)
    ids = [f"t{n}" for n in range(64)]
    found = {}

    def wait(task_id):
        found.update(backend.wait([task_id], 60))

    threads = [threading.Thread(target=wait, args=(task_id,)) for task_id in ids]
    for thread in threads:
        thread.start()
    eventually(lambda: 64 == subscriptions(client, prefix), 30)
    other.store_many([record(task_id, result=task_id) for task_id in ids])
    for thread in threads:
        thread.join(30)
    assert {task_id: payload(result=task_id) for task_id in ids} == found
    assert 1 == sum(thread.name == "kernelq-results" for thread in threading.enumerate())


async def test_a_thousand_coroutines_wait_at_once(backend, open_backend, url, client, prefix):
    """On one connection too, and the event loop goes on meanwhile."""
    other = open_backend(url)
    ids = [f"c{n}" for n in range(1000)]
    waiting = [asyncio.create_task(backend.wait_async([task_id], 60)) for task_id in ids]
    while subscriptions(client, prefix) < 1000:
        await asyncio.sleep(0.01)
    await asyncio.to_thread(other.store_many, [record(task_id) for task_id in ids])
    found = await asyncio.wait_for(asyncio.gather(*waiting), 60)
    assert [{task_id: payload()} for task_id in ids] == found


def test_who_waits_for_many_gets_them_as_they_come(backend, open_backend, url):
    """Waiting again for the rest subscribes to nothing anew, and misses nothing."""
    other = open_backend(url)
    left = {f"m{n}" for n in range(500)}

    def store():
        for n in range(500):
            other.store_many([record(f"m{n}")])

    thread = threading.Thread(target=store)
    thread.start()
    while left:
        got = backend.wait(sorted(left), 30)
        assert got
        left -= got.keys()
    thread.join(30)


def test_the_subscribers_connection_is_killed(backend, open_backend, url, client, prefix):
    """It subscribes anew and reads again: what was stored meanwhile is not missed."""
    other = open_backend(url)
    backend._subscriber.name = name = f"kq-{prefix[4:14]}"
    found = {}
    threads = [threading.Thread(target=lambda n=n: found.update(backend.wait([f"k{n}"], 60))) for n in range(20)]
    for thread in threads:
        thread.start()
    eventually(lambda: 20 == subscriptions(client, prefix), 30)
    for n in range(20):
        for one in client.client_list(_type="pubsub"):
            if one["name"] == name:
                client.client_kill_filter(_id=one["id"])
        other.store_many([record(f"k{n}")])
    for thread in threads:
        thread.join(60)
    assert {f"k{n}": payload() for n in range(20)} == found


def test_a_restarted_server_is_waited_for(start_server, open_backend):
    """A short absence is no failure."""
    server = start_server()
    backend = open_backend(server.url, redis_socket_timeout=20.0)
    found = {}
    waiter = threading.Thread(target=lambda: found.update(backend.wait(["a"], 60)))
    waiter.start()
    with server.client() as client:
        eventually(lambda: client.pubsub_channels(), 30)
    server.kill()
    server.start()
    backend.store_many([record("a")])
    waiter.join(60)
    assert {"a": payload()} == found


@pytest.mark.parametrize("how", ["killed", "stopped"])
def test_a_store_that_is_away_is_told_in_time(start_server, open_backend, how):
    """Those who wait, with and without an event loop, and those who come later; within the timeout and a bit."""
    server = start_server()
    backend = open_backend(server.url, redis_socket_timeout=1.0)
    problems = []

    def wait():
        try:
            backend.wait(["a"], None)
        except BackendUnreachable as error:
            problems.append(error)

    waiters = [threading.Thread(target=wait) for _ in range(3)]
    for waiter in waiters:
        waiter.start()
    with server.client() as client:
        eventually(lambda: client.pubsub_channels(), 30)
    if how == "killed":
        server.kill()
    else:
        server.signal(signal.SIGSTOP)
    started = time.monotonic()
    for waiter in waiters:
        waiter.join(30)
    assert 3 == len(problems)
    with pytest.raises(BackendUnreachable):
        asyncio.run(backend.wait_async(["b"], None))
    with pytest.raises(BackendUnreachable):
        backend.store_many([record("a")])
    with pytest.raises(BackendUnreachable):
        backend.get("a")
    assert time.monotonic() - started < 20.0
    if how == "stopped":
        server.signal(signal.SIGCONT)


def test_closing_tells_who_waits(backend, client, prefix):
    """In another thread; a later call opens again."""
    problems = []

    def wait():
        try:
            backend.wait(["a"], None)
        except BackendUnreachable as error:
            problems.append(str(error))

    waiter = threading.Thread(target=wait)
    waiter.start()
    eventually(lambda: subscriptions(client, prefix), 30)
    backend.close()
    waiter.join(30)
    assert ["closed meanwhile"] == [problem[-16:] for problem in problems]
    backend.store_many([record("a")])
    assert {"a": payload()} == backend.wait(["a"], 10)


def test_two_apps_with_one_database_can_settle_together(url, settings):
    """What a lane compares."""
    one, two = RedisBackend(url, settings), RedisBackend(url, settings)
    assert one.location == two.location
    assert one.location != RedisBackend("redis://127.0.0.1:6379/9", settings).location


def test_tls(tls_server, tls_options):
    """Stored, waited for and read by TLS."""
    backend = RedisBackend(
        f"rediss://127.0.0.1:{tls_server.port}/0", SimpleNamespace(redis_backend_use_ssl=tls_options)
    )
    timer = threading.Timer(0.1, lambda: backend.store_many([record("a", result="x" * 100_000)]))
    timer.start()
    assert {"a": payload(result="x" * 100_000)} == backend.wait(["a"], 30)
    timer.join()
    backend.close()
