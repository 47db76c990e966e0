"""Names of processes, as ``ps`` and log lines show them. A title replaces the command line, and passwords in it."""

from __future__ import annotations

import multiprocessing

import setproctitle

MAIN = "MainProcess"


def entitle(hostname: str, name: str = MAIN, status: str = "") -> None:
    """Show this process as ``[kernelqd: celery@host:prefork-1] -active-``, and its log lines under `name`."""
    setproctitle.setproctitle(f"[kernelqd: {hostname}:{name}]{status and f' -{status}-'}")
    setproctitle.setthreadtitle("kernelqd" if name == MAIN else "kernelq-host")  # what `ps -e` and `top` show
    multiprocessing.current_process().name = name
