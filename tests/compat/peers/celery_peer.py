"""Tasks of a Celery app, of any release; the addresses come from the environment."""

import os
import time

from celery import Celery
from kombu import Queue

NAME = os.environ["COMPAT_QUEUE"]

app = Celery("compat", broker=os.environ["COMPAT_BROKER"], backend=os.environ["COMPAT_BACKEND"])
app.conf.update(
    accept_content=["json", "msgpack", "pickle"],
    broker_connection_retry_on_startup=True,
    broker_transport_options={"global_keyprefix": os.environ["COMPAT_PREFIX"]} if os.environ["COMPAT_PREFIX"] else {},
    result_accept_content=["json"],
    task_acks_late=True,
    task_default_queue=NAME,
    task_queues=[Queue(NAME)],
    worker_enable_remote_control=False,
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
