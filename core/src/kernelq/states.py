"""The states of a task, with Celery's names (celery/states.py)."""

from __future__ import annotations

PENDING = "PENDING"
RECEIVED = "RECEIVED"
STARTED = "STARTED"
SUCCESS = "SUCCESS"
FAILURE = "FAILURE"
REVOKED = "REVOKED"
REJECTED = "REJECTED"
RETRY = "RETRY"
IGNORED = "IGNORED"

READY_STATES = frozenset({SUCCESS, FAILURE, REVOKED})
"""States that are final: a result waits for nothing more."""

EXCEPTION_STATES = frozenset({RETRY, FAILURE, REVOKED})
"""States whose result is an exception."""

PROPAGATE_STATES = frozenset({FAILURE, REVOKED})
"""States whose exception `AsyncResult.get` raises."""

UNREADY_STATES = frozenset({PENDING, RECEIVED, STARTED, REJECTED, RETRY})
"""States from which a task still moves on."""
