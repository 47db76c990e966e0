"""The thread that watches: tells of a change together with what a new interpreter says of it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kernelq_autoreload import inquiry, project
from kernelq_autoreload.scope import Scope

log = logging.getLogger("kernelq.autoreload")

QUIET = 50
"""Milliseconds without a further change after which a save counts as complete."""
LONGEST = 500
"""Milliseconds after which a change is looked at although more come: a database in the same folder never rests."""
LOOK = 2000
"""Milliseconds after which the files are looked at unasked: some file systems (network, container) tell nothing."""
AGAIN = 1.0
"""Seconds until a watch that failed is set up anew."""

Told = Callable[[Sequence[str], inquiry.Answer], None]


class Watcher:
    """Watches a scope in a thread of its own, until it is stopped. `told` is called there, once for each change."""

    def __init__(self, scope: Scope, load: str, settings: Callable[[], Mapping[str, Any]], told: Told) -> None:
        self.scope = scope
        self._load = load
        self._settings = settings
        self._told = told
        self._stop = threading.Event()
        self._polling: bool | None = None
        self._pending: set[str] = set()
        self.folders: list[str] = scope.folders()
        """Those that are watched."""
        self._thread = threading.Thread(target=self._run, name="kernelq-autoreload", daemon=True)

    def start(self) -> None:
        """Begin; what changed since the scope was made is seen too."""
        self._thread.start()

    def stop(self) -> None:
        """End, and wait for that."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self.folders = self.scope.folders()
                self._watch(self.folders)
            except Exception as error:  # noqa: BLE001 - a folder has gone, there are too many: the watch begins anew
                self._failed(error)
                self._stop.wait(AGAIN)

    def _watch(self, folders: list[str]) -> None:
        """Watch until the folders are others."""
        from watchfiles import watch

        if not folders:
            self._look()
            self._stop.wait(AGAIN)
            return
        for _ in watch(
            *folders, watch_filter=lambda _, path: self.scope.concerns(path), debounce=LONGEST, step=QUIET,
            stop_event=self._stop, rust_timeout=LOOK, yield_on_timeout=True, raise_interrupt=False,
            force_polling=self._polling, recursive=False, ignore_permission_denied=True,
        ):  # fmt: skip
            self._look()
            if self.scope.folders() != folders:
                return

    def _look(self) -> None:
        self._pending.update(self.scope.changes())
        while self._pending and not self._stop.is_set():
            changed = sorted(self._pending)
            inquiry.forget_bytecode(changed)
            since = time.time()
            answer = inquiry.ask(self._load, self._settings(), self._outdated)
            if answer is None:
                continue  # changed again while it was imported: ask anew, for both
            self._pending.clear()
            self.scope.also(answer.get("tops", ()), answer.get("packages", ()), since)
            self._told(changed, answer)

    def _outdated(self) -> bool:
        self._pending.update(more := self.scope.changes())
        return bool(more) or self._stop.is_set()

    def _failed(self, error: Exception) -> None:
        shown = project.short_all(self.folders)
        if not isinstance(error, FileNotFoundError) and not self._polling:
            self._polling = True
            log.warning("%s cannot be watched (%s); their files are looked at again and again instead", shown, error)
            return
        log.debug("the watch of %s begins anew: %s: %s", shown, type(error).__name__, error)
