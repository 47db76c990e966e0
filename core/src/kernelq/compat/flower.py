"""An app for Flower: ``KERNELQ_APP=proj.tasks celery -A kernelq.compat.flower flower``.

Flower reads events, sends commands and reads results through a Celery app of its own. This one has the broker, the
result store and the tasks of a KernelQ app, so that Flower's Limits tab, its apply buttons and its result pages find
them. Flower and Celery must be installed beside KernelQ.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from kernelq.kernel.errors import ConfigurationError
from kernelq.loading import load_app

if TYPE_CHECKING:
    from celery import Celery

    from kernelq.app import KernelQ

NAMED_BY = "KERNELQ_APP"
"""The environment variable that names the KernelQ app, as `kernelq -A` takes it."""

SCHEMES = ("redis", "rediss", "sentinel", "amqp", "amqps", "pyamqp")
"""Brokers that both can talk to."""

NOT_FOR_FLOWER = frozenset(
    {"imports", "include", "task_always_eager", "worker_agent", "worker_pool", "worker_state_db"}
)
"""Settings that would have Flower import or run what is the worker's."""


def __getattr__(name: str) -> Any:
    """Make ``app``, where Celery's command line looks for it, when it is looked for."""
    if name != "app":
        raise AttributeError(name)
    given = os.environ.get(NAMED_BY)
    if not given:
        raise ConfigurationError(
            f"Flower needs to know your app: {NAMED_BY}=module:attribute celery -A kernelq.compat.flower flower"
        )
    made = globals()["app"] = celery_app(load_app(given))
    return made


def celery_app(source: KernelQ) -> Celery:
    """Return a Celery app with the wire settings of `source`, and a stand-in for each of its tasks.

    A stand-in can be sent and rate-limited; it does not run. Raises `ConfigurationError` for a broker that Flower
    cannot talk to.
    """
    from celery import Celery, Task

    conf = source.conf
    urls = [conf.broker_url] if isinstance(conf.broker_url, str) else list(conf.broker_url)
    scheme = urls[0].partition(":")[0]
    if scheme not in SCHEMES:
        raise ConfigurationError(f"Flower watches Redis and RabbitMQ; the broker_url of this app is {scheme}://")
    app = Celery(source.main)
    known = set(app.conf) - NOT_FOR_FLOWER
    app.conf.update({name: value for name, value in conf.as_dict(redact=False, changed=True).items() if name in known})
    app.conf.broker_url = conf.broker_url
    app.conf.result_backend = conf.result_backend
    app.conf.task_default_queue = conf.task_default_queue
    for name, task in source.tasks.items():
        if name not in app.tasks:
            traits = {"name": name, "rate_limit": task.rate_limit, "ignore_result": task.ignore_result}
            app.register_task(type("StandIn", (Task,), {**traits, "typing": False, "run": _run})())
    return app


def _run(self: Any, *args: Any, **kwargs: Any) -> None:
    raise NotImplementedError(f"{self.name} runs in KernelQ's workers, not in Flower")
