"""The vital signs of a process, as the system tells them."""

from __future__ import annotations


def resident(pid: int) -> int | None:
    """Return the KiB of resident memory of a process, shared pages included; None where it has ended."""
    import psutil

    try:
        return int(psutil.Process(pid).memory_info().rss) // 1024
    except psutil.Error:
        return None


def cpu_seconds(pid: int) -> float | None:
    """Return the seconds of processor time that a process has used; None where it is stopped or has ended."""
    import psutil

    try:
        process = psutil.Process(pid)
        if process.status() in (psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP):
            return None
        times = process.cpu_times()
    except psutil.Error:
        return None
    return float(times.user + times.system)
