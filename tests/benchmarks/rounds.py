"""One round of one peer: enqueue, start to first task, drain, processor time, latency, memory."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import psutil

from tests.benchmarks.servers import cores

HERE = Path(__file__).parent
PATIENCE = 180.0


@attrs.frozen
class Site:
    """Where a round is run: the folder, the peer's module, and the address of its server, where it has one."""

    folder: Path
    peer: str
    server: str = ""

    @property
    def environment(self) -> dict[str, str]:
        """What the processes of the round are started with."""
        environment = {**os.environ, "PYTHONPATH": str(HERE / "peers"), "BENCH_SERVER": self.server}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        return environment


def one_round(peer: str, tasks: int, calls: int, server: str = "") -> dict[str, float]:
    """Measure `peer` once, in a new folder. Workers run on the last core, servers on the first."""
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as name:
        site = Site(Path(name), peer, server)
        figures |= _drained(site, "enqueue", "drain with results", tasks)
        if server:
            figures |= _drained(site, "enqueue_ignored", "drain, results ignored", tasks)
        _client(site, "mark", 1)
        with _worker(site) as (process, started):
            figures["start to first task, ms"] = (_marks(site, process, 1)[0] - started) * 1e3
            figures |= _client(site, "latency", calls)
            figures["PSS of an idle worker, MB"] = _pss(process) / 1e6
    return figures


def _drained(site: Site, what: str, name: str, tasks: int) -> dict[str, float]:
    marks = site.folder / "marks"
    marks.unlink(missing_ok=True)
    figures = _client(site, what, tasks)
    with _worker(site) as (process, _):
        before: list[float] = []
        first, last = _marks(site, process, 2, lambda: before.append(_cpu(process)))
        spent = _cpu(process) - before[0]
    marks.unlink()
    figures[f"{name}, tasks/s"] = (tasks + 1) / (last - first)
    if site.server:
        figures[f"{name}, CPU µs"] = spent / tasks * 1e6
    return figures


def _client(site: Site, what: str, count: int) -> dict[str, float]:
    # Where there is a server it has the first core, and no worker runs while tasks are sent.
    core = cores()[1] if site.server and what != "latency" else cores()[0]
    command = ["taskset", "-c", str(core), sys.executable, str(HERE / "client.py"), site.peer, what, str(count)]
    done = subprocess.run(
        command, cwd=site.folder, env=site.environment, capture_output=True, text=True, timeout=PATIENCE
    )
    if done.returncode:
        raise RuntimeError(f"{site.peer} {what} left with {done.returncode}\n{done.stdout}\n{done.stderr}")
    return dict(json.loads(done.stdout))


@contextlib.contextmanager
def _worker(site: Site) -> Iterator[tuple[subprocess.Popen[bytes], float]]:
    script = f"import {site.peer} as peer, json; print(json.dumps(peer.worker()))"
    asked = subprocess.run(
        [sys.executable, "-c", script], cwd=site.folder, env=site.environment, capture_output=True, check=True
    )
    command = ["taskset", "-c", str(cores()[1]), *json.loads(asked.stdout)]
    log = site.folder / "worker.log"
    with log.open("ab") as output:
        started = time.monotonic()
        process = subprocess.Popen(command, cwd=site.folder, env=site.environment, stdout=output, stderr=output)
    try:
        yield process, started
    except TimeoutError as error:
        raise TimeoutError(f"{site.peer}: {error}\n{log.read_text()[-4000:]}") from None
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _marks(
    site: Site, worker: subprocess.Popen[bytes], count: int, on_more: Callable[[], Any] = lambda: None
) -> list[float]:
    until = time.monotonic() + PATIENCE
    marks, seen = site.folder / "marks", 0
    while time.monotonic() < until:
        lines = marks.read_text().splitlines() if marks.exists() else []
        if len(lines) > seen:
            seen = len(lines)
            on_more()
        if seen >= count:
            return [float(line) for line in lines[:count]]
        if worker.poll() is not None:
            raise TimeoutError(f"the worker has left with {worker.returncode}")
        time.sleep(0.005)
    raise TimeoutError(f"{seen} of {count} marks after {PATIENCE} s")


def _family(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    root = psutil.Process(process.pid)
    return [root, *root.children(recursive=True)]


def _pss(process: subprocess.Popen[bytes]) -> float:
    return float(sum(one.memory_full_info().pss for one in _family(process)))


def _cpu(process: subprocess.Popen[bytes]) -> float:
    """Return the seconds of processor time of a worker's processes, ended ones too."""
    seconds = 0.0
    for one in _family(process):
        with contextlib.suppress(psutil.NoSuchProcess):
            times = one.cpu_times()
            seconds += times.user + times.system
            seconds += (times.children_user + times.children_system) if one.pid == process.pid else 0.0
    return seconds
