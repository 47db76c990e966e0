"""The settings of the store, with Celery's names where it has one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs

from kernelq.kernel.settings import setting

ENGINE_OPTIONS = {"pool_pre_ping": True, "pool_recycle": 3600}


def _positive(value: float) -> str | None:
    return None if value > 0 else "it must be above 0"


@attrs.define(slots=False)
class DatabaseSettings:
    """Settings that this plugin adds."""

    database_engine_options: dict[str, Any] = setting(
        attrs.Factory(lambda: dict(ENGINE_OPTIONS)),
        "arguments of SQLAlchemy's create_engine for the result store; its connect_args go to the driver",
        secret=True,
    )
    database_engine_callback: Callable[[Any], Any] | None = setting(
        None, "called with the new SQLAlchemy engine of the result store, to listen to its events"
    )
    database_short_lived_sessions: bool = setting(
        False, "whether the result store closes each connection after its use, in place of a pool"
    )
    database_table_schemas: dict[str, str] = setting(
        dict, 'database schemas of the tables, by "task", "group" and "notices"; without one: the connection\'s own'
    )
    database_table_names: dict[str, str] = setting(
        dict,
        'names of the tables, by "task", "group" and "notices"; without one: celery_taskmeta, celery_tasksetmeta, '
        "kernelq_notices",
    )
    database_create_tables_at_setup: bool = setting(
        True, "whether a first read creates missing result tables too; False: only the first write does"
    )
    database_timeout: float = setting(
        4.0, "seconds within which the result store answers or counts as unreachable", check=_positive
    )
    database_pickled_results: bool = setting(
        False,
        "whether results are written pickled, as Celery before 5.7 does in every app, and such ones are read; only "
        "plain values (numbers, text, bytes, lists, tuples, sets, dicts) are ever read from a pickle",
    )
