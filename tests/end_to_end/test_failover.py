"""Brokers that die under workers and clients: real servers, started and killed here."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from kernelq import KernelQ
from kernelq.kernel.errors import BrokerUnreachable
from kernelq_worker.worker import Worker

pytestmark = pytest.mark.broker


class Server:
    """A Redis server of the test's own, with a password; it keeps nothing."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as bound:
            bound.bind(("127.0.0.1", 0))
            self.port = bound.getsockname()[1]
        self.folder = folder
        folder.mkdir()
        self.process: subprocess.Popen[bytes] | None = None

    def url(self, db: int = 0) -> str:
        return f"redis://:hush@127.0.0.1:{self.port}/{db}"

    def client(self, db: int = 0) -> redis.Redis:
        return redis.Redis.from_url(self.url(db))

    def start(self) -> Server:
        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        log = (self.folder / "log").open("ab")
        with log:
            self.process = subprocess.Popen(
                [*command, "--requirepass", "hush"], cwd=self.folder, stdout=log, stderr=log
            )
        deadline = time.monotonic() + 30
        with self.client() as client:
            while True:
                try:
                    client.ping()
                    return self
                except redis.ConnectionError:
                    assert time.monotonic() < deadline, (self.folder / "log").read_text()
                    threading.Event().wait(0.02)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[list[Server]]:
    made = [Server(tmp_path / name) for name in ("one", "two")]
    try:
        yield [server.start() for server in made]
    finally:
        for server in made:
            server.kill()


@pytest.fixture
def app(servers: list[Server], tmp_path: Path) -> Iterator[Any]:
    """Makes apps on both servers, as a worker and its clients have each their own."""
    with contextlib.ExitStack() as stack:

        def make(**settings: Any) -> KernelQ:
            given = {"broker_url": [server.url() for server in servers], **settings}
            app = stack.enter_context(KernelQ("failover", result_backend=f"sqlite:///{tmp_path}/r.db", **given))

            @app.task(name="double")
            def double(number: int) -> int:
                return 2 * number

            @app.task(name="relay")
            def relay(number: int) -> str:
                return double.delay(number).id

            return app

        yield make


@pytest.fixture
def run() -> Iterator[Any]:
    """Runs workers in threads."""
    running: list[tuple[Worker, threading.Thread]] = []

    def start(app: KernelQ) -> Worker:
        worker = Worker(app, pool="threads", concurrency=2)
        thread = threading.Thread(target=worker.run)
        running.append((worker, thread))
        thread.start()
        assert worker.wait_ready(30)
        return worker

    yield start
    for worker, thread in running:
        worker.shutdown("cold")
        thread.join(60)
        assert not thread.is_alive()


def test_a_worker_and_a_client_go_to_the_next_broker(app: Any, run: Any, servers: list[Server], until: Any) -> None:
    """Each by itself; what the worker tells of itself shows which one it uses, and no password."""
    worker, client = run(app()), app()
    task = client.tasks["double"]
    assert 4 == task.delay(2).get(timeout=60)

    servers[0].kill()
    assert 6 == task.delay(3).get(timeout=60)

    port = str(servers[1].port)
    assert port in worker.app.transport.safe_url()
    (stats,) = client.control.inspect(timeout=30, limit=1).stats().values()
    assert (port, port in stats["broker"]["url"]) == (str(stats["broker"]["port"]), True)
    assert [f"redis://:**@127.0.0.1:{servers[0].port}/0"] == stats["broker"]["alternates"]
    assert "round-robin" == stats["broker"]["failover_strategy"]
    (report,) = client.control.inspect(timeout=30, limit=1).report().values()
    assert f"127.0.0.1:{port}/0 (else redis://:**@127.0.0.1:{servers[0].port}/0)" in report["ok"]
    assert "hush" not in str(stats) + str(report)


def test_it_goes_back_where_the_first_comes_back_and_the_second_goes(app: Any, run: Any, servers: list[Server]) -> None:
    """With both away it tries both, and takes the one that answers."""
    run(app())
    task = app().tasks["double"]
    assert 2 == task.delay(1).get(timeout=60)
    servers[0].kill()
    assert 4 == task.delay(2).get(timeout=60)
    servers[1].kill()
    with pytest.raises(BrokerUnreachable):
        task.delay(3)
    servers[0].start()
    assert 8 == task.delay(4).get(timeout=60)


def test_what_tasks_send_goes_to_the_next_broker_too(app: Any, run: Any, servers: list[Server]) -> None:
    """From the host's own sender, which had begun with the first."""
    run(app())
    client = app()
    relay = client.tasks["relay"]
    assert 2 == client.AsyncResult(relay.delay(1).get(timeout=60)).get(timeout=60)
    servers[0].kill()
    assert 4 == client.AsyncResult(relay.delay(2).get(timeout=60)).get(timeout=60)


def test_a_worker_starts_where_the_first_broker_is_away(app: Any, run: Any, servers: list[Server]) -> None:
    """Also where it may not try again: all brokers are one attempt."""
    servers[0].kill()
    run(app(broker_connection_retry_on_startup=False))

    assert 4 == app().tasks["double"].delay(2).get(timeout=60)


def test_the_banner_shows_the_brokers_without_passwords(
    app: Any, run: Any, servers: list[Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    from kernelq_worker import banner

    worker = run(app(broker_write_url=servers[0].url(1)))
    text = banner.text(worker)

    assert f"127.0.0.1:{servers[0].port}/0 (else redis://:**@127.0.0.1:{servers[1].port}/0), sending to" in text
    assert "hush" not in text


def test_messages_go_to_the_write_url_and_come_from_the_read_url(
    app: Any, run: Any, servers: list[Server], until: Any
) -> None:
    """A proxy, or a shovel, stands between the two; here it is the test."""
    parted = {"broker_read_url": servers[0].url(1), "broker_write_url": servers[0].url(2)}
    run(app(**parted))
    result = app(**parted).tasks["double"].delay(21)
    with servers[0].client(1) as read, servers[0].client(2) as write:
        (queue,) = [name for name in write.keys("celery*") if write.type(name) == b"list"]
        assert [] == [name for name in read.keys("celery*") if read.type(name) == b"list"]
        read.lpush(queue, write.rpop(queue))

    assert 42 == result.get(timeout=60)


FULL = os.environ.get("KERNELQ_TEST_SCALE") == "full"
IN_TIME = 5.5 if FULL else 10.0
"""Seconds: four and a half by default, else with room for a machine that others load. One broker after the other would
take twelve."""
LONGEST_GAP = 2.0 if FULL else 3.5
"""Seconds that a loop may stand still; whoever waits in it waits for four."""


class TestDelayWithoutABroker:
    """`delay()` raises within five seconds by default, whatever is wrong with the brokers."""

    @pytest.fixture
    def silent(self) -> Iterator[str]:
        """A server that takes connections and never says a word."""
        with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
            yield f"redis://127.0.0.1:{server.getsockname()[1]}/0"

    @pytest.fixture
    def refusing(self) -> Iterator[str]:
        with socket.socket() as bound:
            bound.bind(("127.0.0.1", 0))
            yield f"redis://127.0.0.1:{bound.getsockname()[1]}/0"

    @pytest.fixture(params=["silent", "refusing", "silent, refusing", "silent, silent, silent"])
    def brokers(self, request: pytest.FixtureRequest, silent: str, refusing: str) -> list[str]:
        urls = {"silent": silent, "refusing": refusing}
        return [urls[name].replace("/0", f"/{number}") for number, name in enumerate(request.param.split(", "))]

    def test_a_thread_is_told(self, app: Any, brokers: list[str]) -> None:
        task = app(broker_url=brokers).tasks["double"]
        began = time.monotonic()
        with pytest.raises(BrokerUnreachable):
            task.delay(1)
        assert time.monotonic() - began < IN_TIME

    def test_a_coroutine_is_told_and_its_loop_goes_on(self, app: Any, brokers: list[str]) -> None:
        task = app(broker_url=brokers).tasks["double"]
        gaps = []

        async def scene() -> None:
            sending = asyncio.create_task(task.adelay(1))
            last = time.monotonic()
            while not sending.done():
                await asyncio.sleep(0.01)
                gaps.append(time.monotonic() - last)
                last = time.monotonic()
            await sending

        began = time.monotonic()
        with pytest.raises(BrokerUnreachable):
            asyncio.run(scene())
        assert time.monotonic() - began < IN_TIME
        assert max(gaps, default=0.0) < LONGEST_GAP

    def test_the_next_broker_is_found_in_that_time(self, app: Any, silent: str, servers: list[Server]) -> None:
        app(broker_url=[silent, servers[0].url()]).tasks["double"].delay(1)
        with servers[0].client() as client:
            assert [1] == [client.llen(name) for name in client.keys("celery*") if client.type(name) == b"list"]


def test_the_command_line_reports_the_brokers(app: Any, servers: list[Server]) -> None:

    from kernelq.cli.main import root

    output = io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.suppress(SystemExit):
        root.main(["-b", ";".join(server.url() for server in servers), "report"])

    assert f"redis://:**@127.0.0.1:{servers[0].port}/0 (else" in output.getvalue()
    assert "hush" not in output.getvalue()
