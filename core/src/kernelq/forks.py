"""What is to happen in a forked child, for as long as its object lives."""

from __future__ import annotations

import os
from collections.abc import Callable
from weakref import WeakMethod


def after_fork(method: Callable[[], None]) -> None:
    """Call a bound method in every forked child; it does not keep its object alive."""
    reference = WeakMethod(method)

    def call() -> None:
        alive = reference()
        if alive is not None:
            alive()

    os.register_at_fork(after_in_child=call)
