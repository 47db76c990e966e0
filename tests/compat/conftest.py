"""Real workers and clients of Celery, the newest and 5.4, and of KernelQ, on one queue of a real broker."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from kernelq_testkit.waiting import patience

PEERS = Path(__file__).parent / "peers"
REDIS = os.environ.get("KERNELQ_TEST_REDIS_URL", "redis://127.0.0.1:6379/15")
AMQP = os.environ.get("KERNELQ_TEST_AMQP_URL", "amqp://guest:guest@127.0.0.1:5672//")
COMMANDS = {
    "kernelq_peer": ["-m", "kernelq", "-A", "kernelq_peer", "worker", "-P", "threads", "-c", "4"],
    "celery_peer": ["-m", "celery", "-A", "celery_peer", "worker", "-P", "threads", "-c", "4", "--without-mingle",
                    "--without-gossip"],
}  # fmt: skip


@attrs.frozen
class Site:
    """One queue on one broker, and the interpreter of one release of Celery."""

    python: str
    folder: Path
    environment: dict[str, str]

    @property
    def on_redis(self) -> bool:
        """Whether the broker is Redis."""
        return bool(self.environment["COMPAT_PREFIX"])

    def interpreter(self, module: str) -> str:
        """Return the interpreter that runs a peer."""
        return self.python if module == "celery_peer" else sys.executable

    @contextlib.contextmanager
    def worker(self, module: str) -> Iterator[subprocess.Popen[bytes]]:
        """Run a worker of a peer meanwhile; it says what it did where the test fails."""
        log = self.folder / f"{module}.log"
        with log.open("wb") as output:
            command = [self.interpreter(module), *COMMANDS[module], "-l", "info"]
            process = subprocess.Popen(command, cwd=PEERS, env=self.environment, stdout=output, stderr=output)
        try:
            yield process
        except BaseException:
            sys.stdout.write(log.read_text())
            raise
        finally:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(30)
            process.kill()
            process.wait()

    def client(self, module: str, calls: list[dict[str, Any]]) -> tuple[float, list[dict[str, Any]]]:
        """Send `calls` from a client of a peer; return when, and what it saw of each."""
        command = [self.interpreter(module), "client.py", module, json.dumps(calls)]
        done = subprocess.run(
            command, cwd=PEERS, env=self.environment, capture_output=True, text=True, timeout=patience(120)
        )
        assert 0 == done.returncode, done.stderr
        sent_at, outcomes = json.loads(done.stdout)
        return sent_at, outcomes


def _celery_54() -> str:
    """Return the interpreter of an environment with Celery 5.4, which is made where it is not there."""
    folder = Path(__file__).parents[2] / ".nox" / f"celery-5.4-{sys.version_info[0]}.{sys.version_info[1]}"
    folder.parent.mkdir(exist_ok=True)
    python = folder / "bin" / "python"
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "made").exists():
            subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
            wanted = ["celery[redis,msgpack]>=5.4,<5.5", "kombu<5.5"]
            subprocess.run([str(python), "-m", "pip", "install", "-q", *wanted], check=True)
            (folder / "made").touch()
    return str(python)


@pytest.fixture(params=["celery-newest", "celery-5.4"])
def python(request: pytest.FixtureRequest) -> str:
    """The interpreter that Celery runs in."""
    return sys.executable if request.param == "celery-newest" else _celery_54()


@pytest.fixture(params=["redis", "amqp"])
def site(request: pytest.FixtureRequest, python: str, tmp_path: Path) -> Iterator[Site]:
    """A queue of the test's own; results are in Redis."""
    name = f"compat-{uuid.uuid4().hex[:12]}"
    redis = request.param == "redis"
    added = {
        "COMPAT_BROKER": REDIS if redis else AMQP,
        "COMPAT_BACKEND": REDIS,
        "COMPAT_PREFIX": f"{name}:" if redis else "",
        "COMPAT_QUEUE": name,
        "C_FORCE_ROOT": "1",  # a Celery worker that accepts pickle refuses to run as root
        "PYTHONPATH": str(PEERS),
    }
    yield Site(python, tmp_path, {**os.environ, **added})
    _delete_keys(name) if redis else _delete_queue(name)


def _delete_keys(name: str) -> None:
    import redis

    with redis.Redis.from_url(REDIS) as client:
        for key in client.scan_iter(f"{name}:*"):
            client.delete(key)


def _delete_queue(name: str) -> None:
    from kombu import Connection

    with Connection(AMQP) as connection:
        for queue in (name, f"{name}.dlq"):
            with connection.channel() as channel:
                channel.queue_delete(queue)
                channel.exchange_delete(queue)
