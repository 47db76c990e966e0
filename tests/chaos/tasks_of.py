"""The module of tasks of each subject, as text: the same task, noted in the same ledger."""

from __future__ import annotations

_TASK = """

@app.task(ignore_result=True)
def work(key, seconds):
    ledger.note("start", key)
    time.sleep(seconds)
    ledger.note("end", key)
"""

_HEAD = """
import json, os, time
from pathlib import Path
from kernelq_testkit.ledger import Ledger

HERE = Path(__file__).parent
ledger = Ledger(HERE / "ledger")
settings = json.loads((HERE / os.environ.get("CHAOS_SETTINGS", "sender.json")).read_text())
"""

KERNELQ = _HEAD + 'from kernelq import KernelQ\napp = KernelQ("chaos", **settings)\n' + _TASK
CELERY = _HEAD + 'from celery import Celery\napp = Celery("chaos")\napp.conf.update(settings)\n' + _TASK

SENDER = """
import random, sys, time, tasks

dice = random.Random(7)
count, seconds = int(sys.argv[1]), float(sys.argv[2])
began = time.monotonic()
for number in range(count):
    time.sleep(max(0.0, began + seconds * number / count - time.monotonic()))
    key = f"k-{number}"
    print("attempted", key, flush=True)
    try:
        tasks.work.delay(key, dice.choice((0.01, 0.05, 0.2)))
    except Exception as error:
        print("refused", key, repr(error).replace("\\n", " "), flush=True)
    else:
        print("accepted", key, time.monotonic(), flush=True)
"""
"""Sends at an even pace, and says of each whether the send returned."""
