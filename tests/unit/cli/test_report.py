"""A bug report holds what helps, and no password."""

from __future__ import annotations

import json


def test_report_holds_versions_plugins_and_settings_without_secrets(app, run):
    app.conf.update({"broker_url": "redis://:hunter2@host", "task_default_queue": "mail"}, source="test")
    shown = run("report")
    assert 0 == shown.exit_code, shown.stderr
    assert "broker: sqlite:///x.db\n" in shown.stdout
    assert "  task_default_queue = 'mail'\n" in shown.stdout
    assert "hunter2" not in shown.stdout


def test_report_as_json_is_one_object(app, run):
    assert {"kernelq", "python", "platform", "plugins", "settings"} <= set(
        json.loads(run("report", "-o", "json").stdout)
    )
