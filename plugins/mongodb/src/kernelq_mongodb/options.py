"""The settings of the store, with Celery's names where it has one."""

from __future__ import annotations

from typing import Any

import attrs

from kernelq.kernel.settings import setting

DATABASE = "celery"
COLLECTION = "celery_taskmeta"
GROUPS = "celery_groupmeta"
"""What Celery takes where the settings name none (celery/backends/mongodb.py)."""


def _positive(value: float) -> str | None:
    return None if value > 0 else "it must be above 0"


@attrs.define(slots=False)
class MongoSettings:
    """Settings that this plugin adds."""

    mongodb_backend_settings: dict[str, Any] = setting(
        dict,
        'of the result store: "database", "taskmeta_collection", "groupmeta_collection", "options" and whatever else '
        "pymongo's MongoClient takes; hosts and users are named by result_backend",
        secret=True,
    )
    mongodb_timeout: float = setting(
        4.0, "seconds within which the result store answers or counts as unreachable", check=_positive
    )
