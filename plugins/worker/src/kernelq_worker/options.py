"""What is asked of one worker, beside the app's settings."""

from __future__ import annotations

from typing import Literal

import attrs

from kernelq.kernel.settings import setting


@attrs.frozen(kw_only=True)
class Options:
    """The options that are no settings."""

    hostname: str
    """The node name, ``celery@host``."""
    queues: tuple[str, ...] = ()
    """Of the configured queues, these only; none: all."""
    exclude_queues: tuple[str, ...] = ()
    hosts: int | None = None
    """Processes that run tasks, where the pool leaves the choice."""
    loglevel: int = 30
    logfile: str | None = None
    load: str = ""
    """What `kernelq.loading.load_app` takes to import the app in a new interpreter; "": it cannot be."""
    purge: bool = False
    """Empty the queues before consuming."""


def _not_negative(value: float) -> str | None:
    return None if value >= 0 else "it must not be below 0"


@attrs.define(slots=False)
class WorkerSettings:
    """Settings that this plugin adds."""

    broker_connection_retry_on_startup: bool = setting(
        True, "whether a worker that cannot reach its broker when it starts tries again"
    )
    worker_result_store_wait: float = setting(
        60.0, "seconds that an ended task waits for an unreachable result store before its delivery goes back"
    )
    worker_optimization: Literal["fair", "default"] = setting(
        "fair",
        "how slots are filled; fair: with a task at a time, more only while tasks are measured far below a "
        "millisecond; default: with worker_prefetch_multiplier tasks, however long they take",
        option="-O/--optimization",
    )
    worker_stall_limit: float | None = setting(
        20.0,
        "seconds without a sign of life after which a host is replaced; None or 0: never",
        check=_not_negative,
        option="--stall-limit=SECONDS",
    )
    worker_start_method: Literal["auto", "fork", "spawn"] = setting(
        "auto",
        "how hosts start; fork: as copies of the worker; spawn: as new interpreters, which import the app themselves "
        "(-A); auto: fork on Linux, else spawn",
        option="--start-method",
    )
    worker_state_db: str | None = setting(
        None,
        "SQLite file that keeps revoked ids and the logical clock over restarts, of this worker alone: %n is replaced "
        "by its name, %h by its host; None: they are forgotten",
        option="-S/--statedb=PATH",
    )
    worker_revokes_max: int = setting(
        50_000, "revoked ids that a worker remembers; beyond, it forgets the oldest", check=_not_negative
    )
    worker_revoke_expires: float | None = setting(
        86400.0,
        "seconds that a worker remembers a revoked id; None or 0: until there are too many",
        check=_not_negative,
    )
    worker_agent: str | type | None = setting(
        None,
        "service that runs within the consumer: a class, or its path as module:Class, that is called with the "
        "connection and has start and stop; None: none",
    )
