"""The app behind the options."""

from __future__ import annotations


def test_the_app_is_closed_at_the_end(app, run):
    run("call", "app.add")
    assert app.closed
