"""A client in a process of its own: ``client.py MODULE CALLS``; sends every call, then waits, and prints JSON.

It runs under any release of Celery, and with KernelQ, whose clients have the same methods.
"""

import importlib
import json
import sys
import time
from datetime import UTC, datetime, timedelta

PATIENCE = 60.0


def send(app, call):
    """Send one call."""
    options = dict(call["options"])
    for name in ("eta", "expires"):
        if name in options:
            options[name] = datetime.now(UTC) + timedelta(seconds=options[name])
    return app.tasks[call["task"]].apply_async(tuple(call["args"]), **options)


def outcome(result, call, deadline):
    """Wait for the end of one call; return what its sender can see of it."""
    if call["task"].endswith("ignored"):
        return {"state": result.state}
    while not result.ready() and time.time() < deadline:
        time.sleep(0.02)
    value = result.result
    seen = {"state": result.state}
    if isinstance(value, BaseException):
        seen |= {"error": type(value).__name__, "args": [str(arg) for arg in value.args]}
        if result.traceback:
            seen["traceback"] = result.traceback.strip().splitlines()[-1]
    else:
        seen["result"] = value
    return seen


def main():
    app = importlib.import_module(sys.argv[1]).app
    calls = json.loads(sys.argv[2])
    sent_at = time.time()
    results = [send(app, call) for call in calls]
    deadline = time.time() + PATIENCE
    print(json.dumps([sent_at, [outcome(result, call, deadline) for result, call in zip(results, calls, strict=True)]]))


main()
