"""Workers of Celery and of KernelQ in one cluster: every command is answered by both, in the same shape."""

from __future__ import annotations

import contextlib
import importlib
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
from click.testing import CliRunner

from kernelq_testkit import eventually

from .conftest import AMQP, PEERS, REDIS, _delete_keys, _delete_queue

pytestmark = [pytest.mark.broker, pytest.mark.slow]

CELERY, KERNELQ = "c@test", "k@test"
WAIT = 30.0
COMMANDS = {
    "control_celery": ["-m", "celery", "-A", "control_celery", "worker", "-n", CELERY],
    "control_kernelq": ["-m", "kernelq", "-A", "control_kernelq", "worker", "-n", KERNELQ],
}


@attrs.frozen
class Cluster:
    """Two workers with one prefork slot each, which a task holds; and an app of each kind."""

    folder: Path
    celery: Any
    kernelq: Any

    def ask(self, command: str, **arguments: Any) -> tuple[Any, Any]:
        """Ask both with KernelQ's client; return the answers, Celery's first."""
        replies = self.kernelq.control.broadcast(command, arguments, reply=True, timeout=WAIT, limit=2)
        both = {node: answer for reply in replies for node, answer in reply.items()}
        return both[CELERY], both[KERNELQ]

    def hold(self) -> tuple[str, str]:
        """Return the ids of the tasks that run, Celery's first."""
        (theirs,), (ours,) = self.ask("active")
        return theirs["id"], ours["id"]


@pytest.fixture(scope="module", params=["redis", "amqp"])
def cluster(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """The cluster, on a queue and a control exchange of its own."""
    name, folder = f"control-{uuid.uuid4().hex[:12]}", tmp_path_factory.mktemp("cluster")
    redis = request.param == "redis"
    added = {
        "COMPAT_BROKER": REDIS if redis else AMQP,
        "COMPAT_BACKEND": REDIS,
        "COMPAT_PREFIX": f"{name}:" if redis else "",
        "COMPAT_QUEUE": name,
        "C_FORCE_ROOT": "1",
        "PYTHONPATH": str(PEERS),
    }
    with pytest.MonkeyPatch.context() as patch, contextlib.ExitStack() as running:
        for key, value in added.items():
            patch.setenv(key, value)
        patch.syspath_prepend(PEERS)
        for module, command in COMMANDS.items():
            running.enter_context(_worker(command, folder / f"{module}.log"))
        apps = [importlib.import_module(module).app for module in ("control_celery", "control_kernelq")]
        cluster = Cluster(folder, *apps)
        try:
            eventually(lambda: 2 == len(apps[1].control.ping(timeout=1)), timeout=60)
            for _ in range(2):
                apps[1].send_task("control.hold", [str(folder / "go")])
            eventually(lambda: all(cluster.ask("active")), timeout=60)
            yield cluster
        finally:
            (folder / "go").touch()
            apps[1].close()
            apps[0].close()
            for module in ("control_celery", "control_kernelq", "control_tasks"):
                sys.modules.pop(module, None)
    if redis:
        _delete_keys(name)
    else:
        for queue in (name, f"{name}.kernelq.losses", "more", "more.kernelq.losses"):
            _delete_queue(queue)


@contextlib.contextmanager
def _worker(command: list[str], log: Path) -> Iterator[None]:
    with log.open("wb") as output:
        words = [sys.executable, *command, "-P", "prefork", "-c", "1", "-l", "info"]
        process = subprocess.Popen(words, cwd=PEERS, env=dict(os.environ), stdout=output, stderr=output)
    try:
        yield
    except BaseException:
        sys.stdout.write(log.read_text())
        raise
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(30)
        process.kill()
        process.wait()


def shape(value: Any, depth: int = 3) -> Any:
    """Return the types in a value: of a mapping by key, of a list of its first item; numbers are alike."""
    if isinstance(value, dict) and depth:
        return {key: shape(one, depth - 1) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [shape(value[0], depth - 1)] if value and depth else []
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__


def lacking(theirs: Any, ours: Any, path: str = "") -> list[str]:
    """Return where `ours` lacks what `theirs` has, or has another type; more is fine, and None is of any type."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        found = [f"{path}.{key} is missing" for key in theirs if key not in ours]
        return found + [
            one for key in theirs if key in ours for one in lacking(theirs[key], ours[key], f"{path}.{key}")
        ]
    if isinstance(theirs, list) and isinstance(ours, list):
        return lacking(theirs[0], ours[0], f"{path}[]") if theirs and ours else []
    return [] if theirs == ours or "NoneType" in (theirs, ours) else [f"{path}: {theirs} there, {ours} here"]


ASKED: list[tuple[str, dict[str, Any]]] = [
    ("active", {}),
    ("active", {"safe": True}),
    ("reserved", {}),
    ("scheduled", {}),
    ("stats", {}),
    ("active_queues", {}),
    ("registered", {}),
    ("registered", {"taskinfoitems": ["name", "rate_limit"]}),
    ("revoked", {}),
    ("clock", {}),
    ("ping", {}),
    ("report", {}),
    ("memsample", {}),
    ("memdump", {"samples": 3}),
    ("query_task", {"ids": "nobody"}),
    ("hello", {"from_node": "elsewhere@test", "revoked": ["greeted"]}),
    ("revoke", {"task_id": "one"}),
    ("revoke", {"task_id": ["one", "two"], "terminate": True, "signal": "KILL"}),
    ("terminate", {"signal": "TERM", "task_id": ["three"]}),
    ("revoke_by_stamped_headers", {"headers": {"customer": ["acme"]}}),
    ("revoke_by_stamped_headers", {"headers": {"customer": "acme"}, "terminate": True}),
    ("rate_limit", {"task_name": "control.hold", "rate_limit": "90/s"}),
    ("rate_limit", {"task_name": "gone", "rate_limit": "90/s"}),
    ("rate_limit", {"task_name": "control.hold", "rate_limit": "often"}),
    ("time_limit", {"task_name": "control.hold", "soft": 500, "hard": 600}),
    ("time_limit", {"task_name": "gone", "soft": 500, "hard": 600}),
    ("pool_grow", {"n": 1}),
    ("autoscale", {"max": 2, "min": 1}),
    ("add_consumer", {"queue": "more"}),
    ("cancel_consumer", {"queue": "more"}),
    ("no_such_command", {}),
]


@pytest.mark.parametrize(("command", "arguments"), ASKED, ids=[f"{name}-{n}" for n, (name, _) in enumerate(ASKED)])
def test_both_answer_in_the_same_shape(cluster: Cluster, command: str, arguments: dict[str, Any]) -> None:
    theirs, ours = cluster.ask(command, **arguments)

    assert [] == lacking(shape(theirs), shape(ours)), json.dumps([theirs, ours], indent=1)


def test_a_running_task_is_told_alike(cluster: Cluster) -> None:
    """Its arguments are those that were sent."""
    theirs, ours = [one[0] for one in cluster.ask("active")]
    _, found = cluster.ask("query_task", ids=cluster.hold())

    assert [str(cluster.folder / "go")] == theirs["args"] == ours["args"]
    assert {} == theirs["kwargs"] == ours["kwargs"]
    assert set(theirs) == set(ours)
    assert ["active"] == [state for state, _ in found.values()]


def test_conf_tells_what_was_set(cluster: Cluster) -> None:
    theirs, ours = cluster.ask("conf", with_defaults=False)

    assert {"broker_url", "result_backend", "task_default_queue", "control_exchange"} <= set(theirs) & set(ours)
    assert "guest:guest" not in json.dumps(ours)


def test_the_clock_goes_over_with_requests_and_replies(cluster: Cluster) -> None:
    """Whoever takes one goes beyond it; a Celery worker tells of its events' clock, which requests do not move."""
    cluster.kernelq.clock.adjust(10_000_000)
    _, ours = cluster.ask("clock")

    assert ours["clock"] > 10_000_000
    assert cluster.kernelq.clock.value > ours["clock"]


INSPECT = [
    "active", "active_queues", "clock", "conf", "memdump", "memsample", "ping", "query_task one", "registered",
    "report", "reserved", "revoked", "scheduled", "stats",
]  # fmt: skip
CONTROL = [
    "add_consumer more", "cancel_consumer more", "pool_grow 1", "rate_limit control.hold 80/s",
    "revoke some other", "revoke_by_stamped_headers customer=acme", "terminate KILL some",
    "time_limit control.hold 500 600",
]  # fmt: skip


def test_celerys_command_line_against_kernelq(cluster: Cluster) -> None:
    """``celery status``, ``celery inspect`` and ``celery control``: every command."""
    from celery.bin.celery import celery

    for words in ["status", *(f"inspect {one}" for one in INSPECT), *(f"control {one}" for one in CONTROL)]:
        verb, *rest = words.split()
        typed = ["-A", "control_celery", verb, "-d", KERNELQ, "-t", str(WAIT), *rest]
        done = CliRunner().invoke(celery, typed, catch_exceptions=False)
        assert 0 == done.exit_code, f"{words}: {done.output}"
        assert KERNELQ in done.output
        assert "Error" not in done.output, f"{words}: {done.output}"


def test_kernelqs_command_line_against_celery(cluster: Cluster) -> None:
    """``kernelq status``, ``kernelq inspect`` and ``kernelq control``: every command."""
    from kernelq.cli.main import root

    for words in ["status", *(f"inspect {one}" for one in INSPECT), *(f"control {one}" for one in CONTROL)]:
        verb, *rest = words.split()
        typed = ["-A", "control_kernelq", verb, "-d", CELERY, "-t", str(WAIT), "-j", *rest]
        done = CliRunner().invoke(root, typed)
        assert 0 == done.exit_code, f"{words}: {done.output}"
        assert CELERY in done.stdout
        json.loads(done.stdout)


def test_a_running_task_is_ended_in_both_and_the_pools_are_restarted(cluster: Cluster) -> None:
    """The last of this module: then nothing runs."""
    ended = cluster.hold()

    theirs, ours = cluster.ask("terminate", signal="KILL", task_id=ended)
    assert ({"ok": f"terminate: {ended[0]}"}, {"ok": f"terminate: {ended[1]}"}) == (theirs, ours)
    eventually(lambda: ([], []) == cluster.ask("active"))
    assert ({"ok": "reload started"}, {"ok": "reload started"}) == cluster.ask("pool_restart")
