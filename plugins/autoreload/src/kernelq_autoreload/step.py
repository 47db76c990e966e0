"""The step Autoreloader: fresh hosts for changed code, while the worker runs on."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from kernelq.kernel.errors import ConfigurationError
from kernelq.kernel.keys import Context
from kernelq.kernel.settings import Settings
from kernelq.kernel.step import Step
from kernelq.keys import APP, LOOP, POOL, STATE, WORKER
from kernelq_autoreload import project, reported
from kernelq_autoreload.reload import Reload
from kernelq_autoreload.scope import Scope
from kernelq_autoreload.settings import AutoreloadSettings
from kernelq_autoreload.watcher import Watcher

if TYPE_CHECKING:
    from kernelq.app import KernelQ
    from kernelq_autoreload.inquiry import Answer

log = logging.getLogger("kernelq.autoreload")


class Autoreloader(Step):
    """Watches the project's files. When they change, and can be imported, every host is replaced by a new one.

    The supervisor imports nothing a second time: a process of its own tries the change and tells what tasks there are.
    """

    requires = (APP, WORKER, LOOP, POOL, STATE)

    def __init__(self) -> None:
        self._watcher: Watcher | None = None
        self._reload: Reload | None = None

    @classmethod
    def enabled(cls, settings: Settings) -> bool | str:
        """Tell whether the settings want it."""
        return settings.section(AutoreloadSettings).worker_autoreload or "off: --autoreload not given"

    def start(self, ctx: Context) -> None:
        """Begin to watch. Raises `ConfigurationError` where no new host could have new code."""
        app, loop, worker = ctx[APP], ctx[LOOP], ctx[WORKER]
        load = worker.load
        _check(app, load, ctx[POOL].info())
        self._reload = reload = Reload(app, loop, ctx[POOL], ctx[STATE])
        scope = Scope(*project.roots(), extra=app.conf.section(AutoreloadSettings).worker_autoreload_paths)
        settings = reported.given(app.conf)

        def arrived(changed: Sequence[str], answer: Answer) -> None:
            if worker.stopping is None:
                reload(changed, answer)

        def told(changed: Sequence[str], answer: Answer) -> None:
            loop.call_soon(arrived, changed, answer)

        self._watcher = Watcher(scope, load, lambda: settings, told)
        logging.getLogger("watchfiles").setLevel(logging.WARNING)  # it tells of each event, and we of what came of it
        self._watcher.start()
        log.info("watching %s", project.short_all(self._watcher.folders))

    def stop(self, ctx: Context) -> None:
        """Watch no longer."""
        watcher, self._watcher = self._watcher, None
        if watcher is not None:
            watcher.stop()
        if self._reload is not None:
            self._reload.stop()

    def info(self, ctx: Context) -> dict[str, Any]:
        """Return the folders that are watched, how often code was loaded, and why it last was not."""
        if self._watcher is None or self._reload is None:
            return {}
        return {"folders": self._watcher.folders, **self._reload.info()}


def _check(app: KernelQ, load: str, pool: dict[str, Any]) -> None:
    name = pool.get("implementation", app.conf.worker_pool)
    if os.getpid() in pool.get("processes", ()):
        raise ConfigurationError(
            f"autoreload replaces the processes that run tasks, and the pool {name} has none: it runs them in the "
            f"worker itself; type -P threads, or leave --autoreload out"
        )
    if not load:
        raise ConfigurationError(
            "autoreload has new processes import the app, and there is no name to import it by; "
            "type kernelq -A MODULE worker --autoreload, or kernelq dev"
        )
    if app.conf.as_dict().get("worker_start_method") == "fork":
        source = app.conf.source("worker_start_method")
        raise ConfigurationError(
            f"autoreload needs hosts that import the app themselves, and worker_start_method (from {source}) is "
            f"'fork', by which they are copies of the worker; leave it out, or type --start-method spawn"
        )
