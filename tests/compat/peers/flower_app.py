"""A KernelQ app that Flower looks at."""

import os
import time
from pathlib import Path

from kernelq import KernelQ

app = KernelQ("flowers", broker=os.environ["COMPAT_BROKER"], backend=os.environ["COMPAT_BACKEND"])
app.conf.update(
    broker_transport_options={"global_keyprefix": os.environ["COMPAT_PREFIX"]} if os.environ["COMPAT_PREFIX"] else {},
    task_default_queue=os.environ["COMPAT_QUEUE"],
)


@app.task(name="garden.add", rate_limit="1000/s")
def add(a, b):
    return a + b


@app.task(name="garden.wither")
def wither(why):
    raise ValueError(why)


@app.task(name="garden.wait")
def wait(path):
    until = time.monotonic() + 120
    while not Path(path).exists() and time.monotonic() < until:
        time.sleep(0.02)
    return "let go"
