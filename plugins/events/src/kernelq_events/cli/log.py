"""Where this command logs to."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator

from kernelq.conf import LOG_FORMAT
from kernelq.nodenames import node_format


@contextlib.contextmanager
def logging_to(path: str | None, level: str, name: str) -> Iterator[None]:
    """Log what is at least as grave as `level` meanwhile, to stderr or to a file; letters of `path` are expanded."""
    handler = logging.FileHandler(node_format(path, name), delay=True) if path else logging.StreamHandler()
    handler.setFormatter(logging.Formatter(LOG_FORMAT))
    log = logging.getLogger("kernelq")
    before = log.level
    log.addHandler(handler)
    log.setLevel(level.upper())
    try:
        yield
    finally:
        log.setLevel(before)
        log.removeHandler(handler)
        handler.close()
