"""Measures KernelQ beside its peers: interleaved rounds in one run, medians, ratios. `nox -s bench -- --help`."""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import json
import os
import platform
import statistics
from collections import defaultdict
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.benchmarks import rounds, servers

PEERS = {
    "queues": ("kernelq_on_sqlite", "huey_on_sqlite"),
    "redis": (
        "kernelq_on_server",
        "floor_on_redis",
        "celery_on_server",
        "dramatiq_on_server",
        "huey_on_server",
        "repid_on_server",
        "ardiq_on_server",
        "taskiq_on_server",
    ),
    "rabbitmq": ("kernelq_on_server", "celery_on_server", "dramatiq_on_server", "taskiq_on_server"),
}
"""The peers of each part, ours first."""
OPTIONAL = ("ardiq",)
"""Peers that are measured where they are installed: not every Python has them."""
WITHOUT_RESULTS = ("repid_on_server",)
"""Peers that cannot store results."""
FEWER_IS_BETTER = ("ms", "MB", "µs")
QUICK = ("kernelq", "floor")
"""How the names of those begin that are given `--tasks`; the others are given `--peer-tasks`."""


def options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="nox -s bench --", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round with few tasks, for a look")
    parser.add_argument("--rounds", type=int, default=3, help="interleaved rounds; the medians are shown")
    parser.add_argument("--tasks", type=int, default=20_000, help="tasks to enqueue and drain for KernelQ")
    parser.add_argument("--peer-tasks", type=int, default=1_000, help="tasks to enqueue and drain for the others")
    parser.add_argument("--calls", type=int, default=500, help="calls of which the latency is taken")
    parser.add_argument("--jobs", type=int, default=100_000, help="empty jobs for each pool alone")
    parser.add_argument(
        "--only", choices=("queues", "redis", "rabbitmq", "kernel", "solo", "pools", "events"), help="a part of it"
    )
    parser.add_argument("--peers", nargs="+", metavar="NAME", help="of the parts with peers, these only, ours beside")
    parser.add_argument("--json", metavar="FILE", help="write every figure of every round there too")
    given = parser.parse_args()
    if given.quick:
        given.rounds, given.tasks, given.peer_tasks, given.calls, given.jobs = 1, 4_000, 300, 100, 10_000
    return given


def main() -> None:
    """Measure, print, write."""
    given = options()
    console = Console()
    if not console.is_terminal:
        console = Console(width=240)  # a table of many peers must not lose its figures
    report: dict[str, Any] = {"python": platform.python_version(), "machine": platform.machine()}
    for part in PEERS:
        if given.only in (None, part):
            report[part] = rounds = _part(part, given, console)
            console.print(_table(part, rounds))
    if given.only in (None, "solo"):
        from tests.benchmarks import solo

        report["solo"] = [solo.tasks_per_second(given.tasks) for _ in range(given.rounds)]
        console.print(
            f"memory + solo, one process, from send to stored result: {statistics.median(report['solo']):,.0f} tasks/s"
        )
    if given.only in (None, "pools"):
        from tests.benchmarks import pools

        report["pools"] = pools.figures(given.jobs, given.rounds)
        for line in pools.lines(report["pools"]):
            console.print(line)
    if given.only in (None, "kernel"):
        from tests.benchmarks import kernel

        report["kernel"] = kernel.figures()
        for name, value in report["kernel"].items():
            console.print(f"{name}: {value:,.1f}")
    if given.only in (None, "events"):
        from tests.benchmarks import events

        report["events"] = events.figures(given.tasks, given.rounds)
        for line in events.lines(report["events"]):
            console.print(line)
    if given.json:
        with open(given.json, "w") as file:
            json.dump(report, file, indent=2)


def _part(part: str, given: argparse.Namespace, console: Console) -> dict[str, dict[str, list[float]]]:
    with contextlib.ExitStack() as running:
        server = ""
        if part != "queues":
            redis = running.enter_context(servers.redis(servers.cores()[0]))
            os.environ["BENCH_RESULTS"] = redis
            server = redis if part == "redis" else running.enter_context(servers.rabbitmq(servers.cores()[0]))
        return _rounds(part, server, given, console)


def _rounds(part: str, server: str, given: argparse.Namespace, console: Console) -> dict[str, dict[str, list[float]]]:
    ours, *others = PEERS[part]
    for name in OPTIONAL:
        if f"{name}_on_server" in others and importlib.util.find_spec(name) is None:
            console.print(f"{name} is not installed here, and is left out", style="dim")
            others.remove(f"{name}_on_server")
    peers = [ours, *(peer for peer in others if not given.peers or peer.split("_")[0] in given.peers)]
    found: dict[str, dict[str, list[float]]] = {peer: defaultdict(list) for peer in peers}
    for number in range(given.rounds):
        for peer in peers:  # interleaved, so that a slow minute of the machine hits all
            console.print(f"round {number + 1} of {given.rounds}: {peer}", style="dim")
            tasks = given.tasks if peer.startswith(QUICK) else given.peer_tasks
            for name, value in rounds.one_round(peer, tasks, given.calls, server).items():
                if not (peer in WITHOUT_RESULTS and "with results" in name):
                    found[peer][name].append(value)
    return found


def _table(part: str, found: dict[str, dict[str, list[float]]]) -> Table:
    table = Table(
        title=f"{part}: medians, and how many times better KernelQ is; workers on one core, servers on another"
    )
    ours, *others = found
    table.add_column("figure")
    table.add_column(ours, justify="right")
    for peer in others:
        table.add_column(peer, justify="right")
        table.add_column("ratio", justify="right")
    for name in found[ours]:
        median = statistics.median(found[ours][name])
        cells = [f"{median:,.2f}"]
        for peer in others:
            if not found[peer][name]:
                cells += ["-", "-"]
                continue
            theirs = statistics.median(found[peer][name])
            better = theirs / median if name.endswith(FEWER_IS_BETTER) else median / theirs if theirs else 0.0
            cells += [f"{theirs:,.2f}", f"{better:.1f}"]
        table.add_row(name, *cells)
    return table


if __name__ == "__main__":
    main()
