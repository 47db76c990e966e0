"""A KernelQ app whose workers' tasks Celery's may rescue."""

import os

import rescue_tasks  # type: ignore[import-not-found]  # beside it, on its path

from kernelq import KernelQ

app = KernelQ("compat", broker=os.environ["COMPAT_BROKER"])
app.conf.update(
    broker_transport_options={
        "global_keyprefix": os.environ["COMPAT_PREFIX"],
        "celery_rescues": True,
        "visibility_timeout": float(os.environ["COMPAT_VISIBILITY"]),
    },
    task_default_queue=os.environ["COMPAT_QUEUE"],
)
rescue_tasks.register(app)
