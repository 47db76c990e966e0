"""A hook that nothing fires is a promise that nobody keeps."""

from __future__ import annotations

import ast

from kernelq.kernel.hooks import NAMES

FIRING = {"event", "decide", "compiled"}


def fired(module):
    """Yield the names that a module hands to the hooks: ``hooks.event("name", …)``, ``compiled("name")``."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            function = node.func
            called = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
            if called in FIRING:
                yield node.args[0].value


def test_every_hook_is_fired_somewhere(modules):
    """By its name, in the core or in a plugin; and what is fired is a hook."""
    assert set(NAMES) == {name for module in modules for name in fired(module)}
