"""A project of Celery."""

import os

from celery import Celery
from control_tasks import hold, settings  # type: ignore[import-not-found]  # beside it, on its path

app = Celery("control")
app.conf.update(
    {**settings(bool(os.environ["COMPAT_PREFIX"])), "task_acks_late": True, "worker_prefetch_multiplier": 1}
)
app.task(name="control.hold", rate_limit="100/s")(hold)
