"""The process of a node, as its pid file tells of it; of no other program, whatever number the file holds."""

from __future__ import annotations

import attrs
import psutil

from kernelq.pidfile import holder
from kernelq_multi.node import Node


@attrs.frozen
class Running:
    """A node that runs."""

    node: Node
    process: psutil.Process
    """Known by its number and its start, so a signal never reaches a later process of the same number."""

    @property
    def lives(self) -> bool:
        """Whether it has not ended; a zombie that nobody buries has."""
        try:
            return self.process.is_running() and self.process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    def send(self, number: int) -> bool:
        """Send a signal; return whether there was somebody to get it. Raises `psutil.AccessDenied`."""
        try:
            self.process.send_signal(number)
        except psutil.NoSuchProcess:
            return False
        return True


def running(node: Node) -> Running | None:
    """Return the process that holds the node's pid file; None where the node is down."""
    pid = holder(node.pidfile)
    if pid is None:
        return None
    try:
        process = psutil.Process(pid)
    except psutil.NoSuchProcess:
        return None
    # It may have ended between the two lines, and its number been given anew: then it holds the file no longer.
    return Running(node, process) if holder(node.pidfile) == pid else None
