"""The exceptions read well: they stand in logs."""

from __future__ import annotations

from datetime import UTC, datetime

from kernelq.exceptions import NotRegistered, Reject, RemoteError, Retry


def test_a_retry_says_when_and_why():
    assert "Retry in 5s: ValueError: no" == str(Retry(exc=ValueError("no"), when=5))
    assert "Retry now" == str(Retry())
    assert "Retry at 2026-01-02 00:00:00+00:00: later" == str(Retry("later", when=datetime(2026, 1, 2, tzinfo=UTC)))


def test_a_rejection_says_what_becomes_of_the_message():
    assert "Reject and requeue: busy" == str(Reject("busy", requeue=True))
    assert "Reject for good: busy" == str(Reject("busy"))


def test_an_unknown_task_is_a_key_error_with_its_name():
    assert "NotRegistered('app.add')" == repr(NotRegistered("app.add"))
    assert isinstance(NotRegistered("app.add"), KeyError)


def test_a_remote_error_is_its_type_and_text():
    assert "lib.Error: no" == str(RemoteError("lib.Error", "no"))
    assert "lib.Error" == str(RemoteError("lib.Error", ""))
