"""The tasks of the workers that are asked and told, in a project of Celery and in one of KernelQ."""

import os
import time


def settings(redis: bool) -> dict[str, object]:
    name = os.environ["COMPAT_QUEUE"]
    options = {"broker_transport_options": {"global_keyprefix": os.environ["COMPAT_PREFIX"]}} if redis else {}
    return {
        "broker_url": os.environ["COMPAT_BROKER"],
        "result_backend": os.environ["COMPAT_BACKEND"],
        "task_default_queue": name,
        "control_exchange": name,
        "event_exchange": f"{name}.ev",
        "worker_pool_restarts": True,
        **options,
    }


def hold(path: str) -> str:
    """Run until there is such a file."""
    while not os.path.exists(path):
        time.sleep(0.01)
    return path
