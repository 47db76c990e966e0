"""Random numbers after a fork: two hosts must not draw the same.

`random` seeds itself anew in every forked child, and `secrets`, `uuid` and OpenSSL draw from the kernel or look at the
process id. A generator that a task's module made for itself is for that module to seed, in ``worker_process_init``.
"""

from __future__ import annotations

import sys


def renew() -> None:
    """Seed what does not do so by itself: numpy's global generator, where numpy has been imported."""
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is not None:
        numpy_random.seed()
