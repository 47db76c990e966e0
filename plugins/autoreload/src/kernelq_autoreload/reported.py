"""Settings of two processes that import the same app: what is handed over, and what differs after a change."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from kernelq.conf import Conf

IMPORTED = ("default", "code", "the app's arguments", "the environment", "the module", "the file", "the object")
"""Beginnings of the sources of settings that importing the app sets again; all others are handed over."""

APPLIED = frozenset({
    "task_acks_late", "task_default_rate_limit", "task_ignore_result", "task_max_deliveries",
    "task_reject_on_worker_lost", "task_soft_time_limit", "task_store_errors_even_if_ignored", "task_time_limit",
    "task_unknown_ttl",
})  # fmt: skip
"""What the supervisor reads of the settings for each task, and so can change while it runs."""

Report = dict[str, list[Any]]
"""By name: value, or the digest of what JSON cannot carry or others must not see; and where it came from."""


def given(conf: Conf) -> dict[str, Any]:
    """Return the settings that no import would set again: of the command line, and of whoever runs the worker."""
    values = conf.as_dict(redact=False, changed=True)
    return {name: value for name, value in values.items() if not _imported(conf.source(name)) and _is_json(value)}


def report(conf: Conf) -> Report:
    """Return what `difference` compares. Values that two processes cannot compare are left out."""
    values = conf.as_dict(redact=False)
    told = {name: (value if name in APPLIED else _digest(value)) for name, value in values.items() if _is_json(value)}
    return {name: [value, conf.source(name)] for name, value in told.items()}


def difference(conf: Conf, reported: Report) -> dict[str, Any]:
    """Return the settings of which `reported` has another value than `conf`, with the new value or its digest.

    What was handed over, or came from elsewhere than the app's import, is no difference.
    """
    changed = {}
    for name, (value, _) in report(conf).items():
        source = conf.source(name)
        new, new_source = reported.get(name, (value, source))
        if new != value and _imported(source) and new_source in (source, "default", "code", "the app's arguments"):
            changed[name] = new
    return changed


def apply(conf: Conf, changed: Mapping[str, Any], source: str) -> list[str]:
    """Set what can be changed while the worker runs; return the names of the others, sorted."""
    conf.update({name: value for name, value in changed.items() if name in APPLIED}, source=source)
    return sorted(set(changed) - APPLIED)


def _imported(source: str) -> bool:
    return source.startswith(IMPORTED)


def _is_json(value: Any) -> bool:
    try:
        return bool(json.loads(json.dumps(value)) == (list(value) if isinstance(value, tuple) else value))
    except (TypeError, ValueError, RecursionError):
        return False


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
