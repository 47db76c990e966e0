"""Task messages for tests: Celery's protocol 2, small."""

from __future__ import annotations

import json
import uuid
from typing import Any

from kernelq.message import Message


def message(queue: str, task: str = "kit.task", *, args: tuple[Any, ...] = (), **fields: Any) -> Message:
    """Return a message for `queue`; `fields` are those of `kernelq.message.Message`."""
    task_id = fields.pop("id", None) or uuid.uuid4().hex
    embed = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
    headers = {
        "lang": "py",
        "task": task,
        "id": task_id,
        "root_id": task_id,
        "parent_id": None,
        "group": None,
        "retries": 0,
        "eta": None,
        "expires": None,
        "timelimit": [None, None],
        "argsrepr": repr(args),
        "kwargsrepr": "{}",
        "origin": "kit",
        "ignore_result": False,
    }
    return Message(
        id=task_id,
        headers=headers | fields.pop("headers", {}),
        body=json.dumps([list(args), {}, embed]).encode(),
        properties={
            "correlation_id": task_id,
            "delivery_mode": 2,
            "priority": fields.get("priority", 0),
            **fields.pop("properties", {}),
        },
        queue=queue,
        **fields,
    )


def messages(queue: str, count: int) -> list[Message]:
    """Return `count` messages whose ids are ``m0``, ``m1``, … with a random tail."""
    run = uuid.uuid4().hex[:8]
    return [message(queue, id=f"m{number}-{run}") for number in range(count)]
