"""A Celery app whose workers look every second for what was left."""

import os

import rescue_tasks  # type: ignore[import-not-found]  # beside it, on its path
from celery import Celery
from kombu import Queue

NAME = os.environ["COMPAT_QUEUE"]

app = Celery("compat", broker=os.environ["COMPAT_BROKER"])
app.conf.update(
    broker_connection_retry_on_startup=True,
    broker_transport_options={
        "global_keyprefix": os.environ["COMPAT_PREFIX"],
        "visibility_timeout": float(os.environ["COMPAT_VISIBILITY"]),
        "unacked_restore_interval": 1,
        "unacked_restore_throttle": 1,
    },
    task_acks_late=True,
    task_default_queue=NAME,
    task_queues=[Queue(NAME)],
    worker_enable_remote_control=False,
    worker_prefetch_multiplier=1,
)
rescue_tasks.register(app)
