"""The collector of garbage rests while a worker starts: nearly all that is made then stays."""

from __future__ import annotations

import gc
import os

SELDOM = 1_000_000
"""New objects after which it looks even so; a start makes a fifth of that."""


class Rest:
    """A rest of the collector, from the making of this to `end`, and in forked processes to their beginning.

    It took a seventh of a start's processor time. An app that sets thresholds of its own meanwhile keeps them.
    """

    def __init__(self) -> None:
        self._before = gc.get_threshold()
        gc.set_threshold(SELDOM)
        os.register_at_fork(after_in_child=self.end)

    def end(self) -> None:
        """Collect as before; what is there by now is left alone. May be called twice."""
        if gc.get_threshold()[0] == SELDOM:
            gc.freeze()
            gc.set_threshold(*self._before)
