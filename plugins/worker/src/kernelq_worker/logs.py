"""Logging of a worker: to the terminal or a file, with the task's name and id in the lines that tasks write."""

from __future__ import annotations

import logging
import logging.handlers
import multiprocessing
import os
import sys
from typing import TYPE_CHECKING

from kernelq.context import current
from kernelq.kernel.errors import ConfigurationError
from kernelq.nodenames import node_format

if TYPE_CHECKING:
    from kernelq.app import KernelQ

LEVELS = {"DEBUG": 10, "INFO": 20, "WARNING": 30, "ERROR": 40, "CRITICAL": 50, "FATAL": 50}


class TaskFormatter(logging.Formatter):
    """Adds ``task_name`` and ``task_id`` of the task that runs; lines outside of tasks take the plain format."""

    def __init__(self, task_format: str, plain_format: str) -> None:
        super().__init__(task_format)
        self._plain = logging.Formatter(plain_format)

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        request = current()
        if request is None:
            return self._plain.format(record)
        record.task_name, record.task_id = request.task, request.id
        return super().format(record)


def level_of(name: str | int) -> int:
    """Return the number of a level's name, in any case. Raises `ConfigurationError`."""
    if isinstance(name, int):
        return name
    try:
        return LEVELS[name.upper()]
    except KeyError:
        raise ConfigurationError(f"{name!r} is no log level; known: {', '.join(sorted(LEVELS))}") from None


class NodeFile(logging.handlers.WatchedFileHandler):
    """Writes to a file whose name may hold the letters of `node_format`: with ``%i`` or ``%I`` each host has its own.

    A file that was moved away, as logrotate does, is made anew.
    """

    def __init__(self, pattern: str, hostname: str) -> None:
        """Open it. Raises `ConfigurationError`."""
        self._pattern = pattern
        self._hostname = hostname
        self._pid = os.getpid()
        try:
            super().__init__(self.path, encoding="utf-8")
        except OSError as error:
            raise ConfigurationError(f"-f: the log file {self.path} cannot be written: {error.strerror}") from error

    @property
    def path(self) -> str:
        """The file of this process."""
        return node_format(self._pattern, self._hostname, host_index())

    def emit(self, record: logging.LogRecord) -> None:
        """Write the line; first, in a process that was forked, to open what is its own."""
        if self._pid != os.getpid():
            self._pid = os.getpid()
            path = os.path.abspath(self.path)
            if path != self.baseFilename:
                self.close()
                self.baseFilename = path
                self.stream = self._open()
                self._statstream()
        super().emit(record)


def host_index() -> int:
    """Return the number of this host process, from 1; 0 in the main process."""
    name = multiprocessing.current_process().name
    number = name.rpartition("-")[2]
    return int(number) if number.isdecimal() else 0


def setup(app: KernelQ, loglevel: int, logfile: str | None, hostname: str) -> None:
    """Send the log to `logfile`, else to stderr; leave everything alone where a hook has set it up.

    The root logger keeps its handlers unless ``worker_hijack_root_logger``; it is given one where it has none, so
    that what tasks log with loggers of their own is seen.
    """
    conf, hooks = app.conf, app.hooks
    colorize = logfile is None and sys.stderr.isatty()
    path = logfile and node_format(logfile, hostname, host_index())
    told = {"loglevel": loglevel, "logfile": path, "format": conf.worker_log_format, "colorize": colorize}
    if hooks.decide("setup_logging", **told):
        return
    logging.captureWarnings(True)
    logging.getLogger("stevedore").setLevel(logging.WARNING)  # it tells at DEBUG of each plugin, twice
    root = logging.getLogger()
    ours = logging.getLogger("kernelq")
    handler = NodeFile(logfile, hostname) if logfile else logging.StreamHandler(sys.stderr)
    handler.setFormatter(TaskFormatter(conf.worker_task_log_format, conf.worker_log_format))
    if conf.worker_hijack_root_logger:
        root.handlers.clear()
    if not root.handlers:
        root.addHandler(handler)
        root.setLevel(loglevel)
        ours.setLevel(loglevel)
    elif not ours.handlers:
        ours.addHandler(handler)
        ours.setLevel(loglevel)
        ours.propagate = False
    told["format"] = conf.worker_log_format
    hooks.event("after_setup_logger", logger=ours, **told)
    hooks.event("after_setup_task_logger", logger=logging.getLogger("kernelq.task"), **told)
