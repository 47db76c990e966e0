"""The plugin's settings; they become settings of every app: ``app.conf.hello_name = "…"``."""

from __future__ import annotations

import attrs

from kernelq.kernel.settings import setting


@attrs.define(slots=False, kw_only=True)
class HelloSettings:
    """The settings of kernelq-hello."""

    hello_name: str = setting("world", "Whom the worker greets; empty switches the greeter off.")
