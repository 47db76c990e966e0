"""What a worker shows when it starts."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

from kernelq import brokers
from kernelq._version import __version__

if TYPE_CHECKING:
    from kernelq_worker.worker import Worker


def text(worker: Worker) -> str:
    """Return the banner: the node, app, broker, results, pool, queues, plugins and tasks; no password."""
    from kernelq.keys import POOL, QUEUES

    app = worker.app
    pool = worker.context[POOL]
    backend = app.backend
    rows = [
        ("app", str(app.main or "__main__")),
        ("transport", brokers.shown(app)),
        ("results", backend.safe_url() if backend is not None else "disabled"),
        ("concurrency", f"{_concurrency(worker)} ({pool.info().get('implementation', app.conf.worker_pool)})"),
        ("task events", "OFF"),
        ("queues", ", ".join(worker.context[QUEUES].names())),
        ("plugins", ", ".join(_plugins(worker)) or "none"),
    ]
    lines = [
        f"{worker.hostname} KernelQ {__version__}",
        # not platform(), which starts the program `uname` to learn more
        f"{platform.system()}-{platform.release()}-{platform.machine()}, Python {platform.python_version()}",
        "",
    ]
    lines += [f".> {label + ':':<13} {value}" for label, value in rows]
    lines += ["", "[tasks]", *(f"  . {name}" for name in sorted(app.tasks) if not name.startswith("celery."))]
    return "\n".join(lines) + "\n"


def _concurrency(worker: Worker) -> str:
    """Return the slots that there are; where a step named Autoscaler tells of a span, that, as Celery shows it."""
    span = worker.info().get("Autoscaler")
    if span:
        return "{{min={min}, max={max}}}".format(**span)
    from kernelq.keys import POOL

    return str(worker.context[POOL].concurrency)


def _plugins(worker: Worker) -> list[str]:
    """Return the installed distributions that have plugins, and "app" where the app adds steps of its own."""
    discovery = worker.app.discovery
    installed = {found.distribution for group in discovery.groups() for found in discovery.found(group)}
    return sorted(installed | {step.distribution for plan in worker.plans for step in plan.steps})
