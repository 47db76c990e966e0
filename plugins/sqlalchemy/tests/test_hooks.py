"""What the plugin tells the app."""

from __future__ import annotations

from kernelq.conf import Conf
from kernelq_sqlalchemy import hooks
from kernelq_sqlalchemy.options import DatabaseSettings


def test_the_settings_are_declared():
    conf = Conf()
    hooks.declare_settings(conf)

    assert "database_timeout" in conf.names()
    assert 4.0 == conf.section(DatabaseSettings).database_timeout
