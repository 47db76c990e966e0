"""Settings and their sources."""

from __future__ import annotations


def test_config_explain_tells_the_source(app, run):
    app.conf.update({"task_default_queue": "mail"}, source="-b")
    assert "task_default_queue = mail\n  from: -b\n" in run("config", "explain", "task_default_queue").stdout


def test_config_explain_suggests(app, run):
    result = run("config", "explain", "task_default_queu")
    assert 3 == result.exit_code
    assert "Did you mean 'task_default_queue'?" in result.stderr


def test_config_show_hides_secrets(app, run):
    app.conf.update({"broker_url": "redis://:secret@host"}, source="test")
    assert "secret" not in run("config", "show").stdout
