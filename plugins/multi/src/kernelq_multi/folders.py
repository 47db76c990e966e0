"""The folders of pid and log files."""

from __future__ import annotations

import os
import shutil

from kernelq_multi.node import Node


def make_folders(node: Node) -> None:
    """Make those that are missing, for the user that the node is to become. Raises `OSError`."""
    for path in (node.pidfile, node.logfile):
        folder = os.path.dirname(path)
        if folder and not os.path.isdir(folder):
            os.makedirs(folder, exist_ok=True)
            user, group = (int(one) if one and one.isdecimal() else one for one in node.owner)
            if user is not None or group is not None:
                shutil.chown(folder, user, group)  # type: ignore[arg-type]  # either may be None, not both
