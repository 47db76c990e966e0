"""The same tasks in a KernelQ app."""

import os
import time

from kernelq import KernelQ

NAME = os.environ["COMPAT_QUEUE"]

app = KernelQ("compat", broker=os.environ["COMPAT_BROKER"], backend=os.environ["COMPAT_BACKEND"])
REDIS = {"global_keyprefix": os.environ["COMPAT_PREFIX"], "delay": "header"}
"""Celery workers know of no delayed messages but those that tell it in a header."""
app.conf.update(
    accept_content=["json", "msgpack", "pickle"],
    broker_transport_options=REDIS if os.environ["COMPAT_PREFIX"] else {},
    task_default_queue=NAME,
)


@app.task(name="compat.add")
def add(a, b):
    return a + b


@app.task(name="compat.echo")
def echo(value):
    return value


@app.task(name="compat.fail")
def fail(text):
    raise ValueError(text)


@app.task(name="compat.clock")
def clock():
    return time.time()


@app.task(name="compat.third", bind=True, max_retries=5)
def third(self):
    if self.request.retries < 2:
        raise self.retry(countdown=0.2)
    return self.request.retries


@app.task(name="compat.ignored", ignore_result=True)
def ignored(path):
    with open(path, "w") as file:
        file.write("ran")
