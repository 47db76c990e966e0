"""Commands that ask about the worker as a whole."""

from __future__ import annotations

import platform
import resource
import time
from typing import Any

from kernelq import brokers
from kernelq._version import __version__
from kernelq.command import inspect_command
from kernelq.kernel.keys import Context
from kernelq.keys import APP, BACKEND, CONNECTION, LANE, POOL, STATE, TRANSPORT, WORKER

HIDDEN = "********"


@inspect_command()
def ping(ctx: Context) -> dict[str, str]:
    """Ask whether the worker answers."""
    return {"ok": "pong"}


@inspect_command()
def clock(ctx: Context) -> dict[str, int]:
    """Ask for the logical clock."""
    return {"clock": ctx[APP].clock.value}


@inspect_command()
def conf(ctx: Context, with_defaults: bool = False) -> dict[str, Any]:
    """Ask for the settings that were changed, or for all; secrets are hidden."""
    return {name: _plain(value) for name, value in ctx[APP].conf.as_dict(changed=not with_defaults).items()}


@inspect_command()
def report(ctx: Context) -> dict[str, str]:
    """Ask for the software's versions and settings, to paste into a bug report."""
    backend = ctx.get(BACKEND)
    lines = [
        f"software -> kernelq:{__version__} python:{platform.python_version()} ({platform.python_implementation()})",
        f"platform -> {platform.platform()}",
        f"transport -> {brokers.shown(ctx[APP])}",
        f"results -> {backend.safe_url() if backend is not None else 'disabled'}",
        "",
        *(f"{name}: {value!r}" for name, value in ctx[APP].conf.as_dict(changed=True).items()),
    ]
    return {"ok": "\n".join(lines)}


@inspect_command()
def stats(ctx: Context) -> dict[str, Any]:
    """Ask for counts, the pool, the broker and the resources used, and for what each step tells of itself."""
    worker = ctx[WORKER]
    ours: dict[str, Any] = {
        "total": dict(ctx[STATE].totals),
        "pid": worker.pid,
        "clock": str(ctx[APP].clock.value),
        "uptime": int(time.monotonic() - worker.started_at),
        "pool": _pool(ctx),
        "broker": _broker(ctx),
        "prefetch_count": ctx[POOL].concurrency,
        "rusage": _rusage(),
    }
    lane = ctx.get(LANE)
    if lane is not None:
        ours["lane"] = lane.info()
    told = worker.info()
    if "Autoscaler" in told:
        ours["autoscaler"] = _plain(told.pop("Autoscaler"))  # under the name that Celery's workers give it
    steps = {f"step.{name}": _plain(answer) for name, answer in told.items() if name not in ("Pool", "Tasks")}
    return {**steps, **ours}


def _broker(ctx: Context) -> dict[str, Any]:
    """Return what Celery's workers tell of their connection, without what may hold a password."""
    wanted = (
        "hostname", "userid", "virtual_host", "port", "insist", "ssl", "transport", "connect_timeout", "login_method",
        "uri_prefix", "heartbeat",
    )  # fmt: skip
    connection = ctx.get(CONNECTION)
    known = connection.info() if connection is not None else {}
    shown = {name: _plain(known.get(name)) for name in wanted}
    transport = ctx[TRANSPORT]
    strategy = ctx[APP].conf.broker_failover_strategy or "round-robin"
    return {
        **shown,
        "transport_options": dict.fromkeys(known.get("transport_options") or (), HIDDEN),
        "credential_provider": None,
        "url": transport.safe_url(),
        "alternates": list(brokers.alternates(transport)),
        "failover_strategy": strategy if isinstance(strategy, str) else getattr(strategy, "__name__", "function"),
    }


def _pool(ctx: Context) -> dict[str, Any]:
    """Return what the pool tells, and the rest of what Celery's prefork pool does (celery/concurrency/prefork.py)."""
    told: dict[str, Any] = dict(ctx[POOL].info())
    conf = ctx[APP].conf
    hosts = told.get("hosts") or ()
    running = sum(host.get("running", 0) for host in hosts)
    total = told.get("finished", 0) + told.get("lost", 0) + running
    writes = {
        "total": total,
        "avg": f"{total / max(len(hosts), 1):.2f}",
        "all": "",
        "raw": str(total),
        "strategy": "fair",
        "inqueues": {"total": len(hosts), "active": running},
    }
    return {"timeouts": [conf.task_soft_time_limit or 0, conf.task_time_limit or 0], "writes": writes, **told}


def _rusage() -> dict[str, Any]:
    used = resource.getrusage(resource.RUSAGE_SELF)
    names = (
        "utime", "stime", "maxrss", "ixrss", "idrss", "isrss", "minflt", "majflt", "nswap", "inblock", "oublock",
        "msgsnd", "msgrcv", "nsignals", "nvcsw", "nivcsw",
    )  # fmt: skip
    return {name: getattr(used, f"ru_{name}") for name in names}


def _plain(value: Any) -> Any:
    """Return `value` as JSON can carry it: what is unknown to JSON becomes its repr."""
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(one) for one in value]
    return value if value is None or isinstance(value, str | int | float | bool) else repr(value)
