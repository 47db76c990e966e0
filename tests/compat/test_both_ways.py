"""Celery sends to KernelQ, and KernelQ to Celery: the same calls, with the same outcomes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from .conftest import Site

pytestmark = [pytest.mark.broker, pytest.mark.slow]

DELAY = 1.5
"""Seconds."""


def call(task: str, *args: Any, **options: Any) -> dict[str, Any]:
    return {"task": f"compat.{task}", "args": args, "options": options}


def success(result: Any) -> dict[str, Any]:
    return {"state": "SUCCESS", "result": result}


CALLS = (
    (call("add", 2, 3), success(5)),
    (
        call("echo", {"a": [1, None, "ü☃", 1.5], "b": {"c": True}}),
        success({"a": [1, None, "ü☃", 1.5], "b": {"c": True}}),
    ),
    (call("echo", "x" * 20_000, compression="zlib"), success("x" * 20_000)),
    (call("echo", "x" * 20_000, compression="bzip2"), success("x" * 20_000)),
    (call("echo", [1, "two"], serializer="msgpack"), success([1, "two"])),
    (call("echo", [1, "two"], serializer="pickle"), success([1, "two"])),
    (call("echo", "soon", priority=5), success("soon")),
    (call("third"), success(2)),
    (
        call("fail", "boom"),
        {"state": "FAILURE", "error": "ValueError", "args": ["boom"], "traceback": "ValueError: boom"},
    ),
    (call("echo", "late", expires=-1), {"state": "REVOKED", "error": "TaskRevokedError", "args": ["expired"]}),
)
"""What is sent, and what its sender sees. The last: RabbitMQ drops what has expired, and tells nobody."""
DELAYED = (call("clock", countdown=DELAY), call("clock", eta=DELAY))


@pytest.mark.parametrize(("client", "worker"), [("celery_peer", "kernelq_peer"), ("kernelq_peer", "celery_peer")])
def test_a_client_of_one_and_a_worker_of_the_other(site: Site, client: str, worker: str, tmp_path: Path) -> None:
    """Every call ends as its sender expects, and delayed ones not before their time."""
    marker = tmp_path / "ignored"
    known = CALLS if site.on_redis else CALLS[:-1]
    calls = [*(one for one, _ in known), *DELAYED, call("ignored", str(marker))]
    with site.worker(worker):
        sent_at, outcomes = site.client(client, calls)
    clocks = [outcomes.pop(len(known)) for _ in DELAYED]
    ignored = outcomes.pop()
    assert [expected for _, expected in known] == outcomes
    assert ["SUCCESS"] * len(DELAYED) == [one["state"] for one in clocks]
    assert all(one["result"] >= sent_at + DELAY - 0.1 for one in clocks)
    assert {"state": "PENDING"} == ignored
    assert "ran" == marker.read_text()
