"""See it work: a worker, real tasks, a killed host, every result."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console


@click.command("demo")
@click.argument("folder", type=click.Path(path_type=Path), required=False)
@click.option("--tasks", "most", default=3000, show_default=True, help="How many files to count, at most.")
@click.option("-c", "--concurrency", default=4, show_default=True, help="Threads of each host.")
@click.option("--hosts", default=2, show_default=True, help="Host processes.")
@click.option("--no-kill", is_flag=True, help="Let every host live.")
def demo(folder: Path | None, most: int, concurrency: int, hosts: int, no_kill: bool) -> None:
    """Count the words of every text file below FOLDER (default: Python's own library) with a real worker.

    It needs no server: broker and results are one SQLite file in a temporary folder. Halfway a host, one of the
    processes that run the tasks, is killed; every task is executed all the same.
    """
    from rich.console import Console

    from kernelq_worker.demo.corpus import text_files

    files = text_files(folder, most)
    console = Console()
    with tempfile.TemporaryDirectory(prefix="kernelq-demo-") as place:
        url = f"sqlite:///{place}/demo.db"
        os.environ.update(KERNELQ_BROKER_URL=url, KERNELQ_RESULT_BACKEND=url)
        _show(console, files, Path(place), concurrency, hosts, kill=not no_kill)


def _show(console: Console, files: list[str], place: Path, concurrency: int, hosts: int, *, kill: bool) -> None:
    from kernelq_worker.demo.process import DemoWorker
    from kernelq_worker.demo.tasks import app, combine, count_words

    console.rule("1. the boot graph: what a worker starts, in what order, and why")
    _print_graph()
    console.rule("2. a worker and its tasks")
    with app, DemoWorker(place, concurrency, hosts) as worker:
        console.print(f"worker up, hosts {worker.hosts(app)}, sending {len(files):,} tasks")
        began = time.perf_counter()
        results = app.send_many([count_words.s(path) for path in files])
        sent = time.perf_counter() - began
        victims: list[int] = []
        metas = _drain(console, app, [result.id for result in results], lambda: _kill(worker, app, victims, kill))
        took = time.perf_counter() - began
        counts = [meta["result"] for meta in metas.values() if meta["status"] == "SUCCESS"]
        words = combine.delay(counts).get(timeout=30)
        console.rule("3. what came of it")
        _report(console, len(files), len(counts), sent, took, victims, worker.hosts(app))
        console.print("commonest words: " + ", ".join(f"{word} {n:,}" for word, n in words))
    if len(counts) != len(files):
        raise click.ClickException(f"{len(files) - len(counts)} tasks did not succeed")


def _drain(console: Console, app: Any, ids: list[str], at_half: Any) -> dict[str, dict[str, Any]]:
    from kernelq_worker.demo.progress import gather

    return gather(app.backend, ids, console, at_half)


def _kill(worker: Any, app: Any, victims: list[int], wanted: bool) -> None:
    if wanted:
        victims.append(worker.kill_a_host(app))


def _print_graph() -> None:
    import subprocess
    import sys

    subprocess.run([sys.executable, "-m", "kernelq", "steps", "graph"], check=True)


def _report(
    console: Console, asked: int, done: int, sent: float, took: float, victims: list[int], hosts: list[int]
) -> None:
    console.print(
        f"executed: {done:,} of {asked:,} tasks, in {took:.2f} s: {done / took:,.0f} a second, results stored"
    )
    console.print(f"sent in {sent:.2f} s: {asked / sent:,.0f} a second")
    if victims:
        console.print(f"killed halfway: host {victims[0]} (SIGKILL); hosts now: {hosts}; tasks lost: {asked - done}")
