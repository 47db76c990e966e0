"""Deleting what waits asks first."""

from __future__ import annotations


def test_purge_asks_first_and_no_is_no(app, run):
    result = run("purge", input="n\n")
    assert result.exit_code != 0
    assert "Delete 5 messages of celery for ever?" in result.stderr
    assert [] == app.transport.admin().purged


def test_purge_of_named_queues_without_asking(app, run):
    result = run("purge", "-Q", "celery,mail", "-X", "mail", "-f")
    assert (0, ["celery"]) == (result.exit_code, app.transport.admin().purged)


def test_purge_dry_run_deletes_nothing(app, run):
    result = run("purge", "--dry-run", "-o", "plain")
    assert ("celery\t5\n", []) == (result.stdout, app.transport.admin().purged)
