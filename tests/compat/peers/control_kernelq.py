"""A project of KernelQ."""

import os

from control_tasks import hold, settings  # type: ignore[import-not-found]  # beside it, on its path

from kernelq import KernelQ

WANTED = ("broker_url", "result_backend", "task_default_queue", "control_exchange", "broker_transport_options")
app = KernelQ(
    "control", **{key: value for key, value in settings(bool(os.environ["COMPAT_PREFIX"])).items() if key in WANTED}
)
app.task(name="control.hold", rate_limit="100/s")(hold)
