"""What the plugin tells the app."""

from __future__ import annotations

from kernelq.conf import Conf
from kernelq_mongodb import hooks


def test_the_settings_are_declared():
    conf = Conf()
    hooks.declare_settings(conf)

    assert {"mongodb_backend_settings", "mongodb_timeout"} <= set(conf.names())
