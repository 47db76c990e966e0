"""What the global options say, and the app that they lead to: the one object that commands share."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import click

from kernelq.cli.output import FORMATS, Output
from kernelq.kernel.errors import ConfigurationError, KernelQError, did_you_mean

if TYPE_CHECKING:
    from kernelq.app import KernelQ


class Cli:
    """The state of one run of the command line. A command gets it by ``@pass_cli``; nothing is loaded until used."""

    def __init__(self) -> None:
        self.given: dict[str, Any] = {}
        """The global options that were typed, by name: app, broker, result_backend, config, output, …"""
        self.folder: str | None = None
        """Where the command was typed, if ``--workdir`` has led elsewhere."""

    @cached_property
    def app(self) -> KernelQ:
        """The app of ``-A`` or ``KERNELQ_APP``, else one with default settings; with ``-b`` and its like applied."""
        app = self._load()
        if config := self.given.get("config"):
            app.config_from_object(config)
        overrides = {
            setting: self.given[name]
            for name, setting in (("broker", "broker_url"), ("result_backend", "result_backend"))
            if self.given.get(name) is not None
        }
        if overrides:
            app.conf.update(overrides, source="command line")
        if context := click.get_current_context(silent=True):
            context.find_root().call_on_close(app.close)
        return app

    def _load(self) -> KernelQ:
        here = os.getcwd()
        if here not in sys.path:
            sys.path.insert(0, here)  # a console script has its own folder there, not the user's
        if name := self.given.get("app"):
            return _loaded(name)
        from kernelq.app import KernelQ

        return KernelQ("kernelq")

    @cached_property
    def out(self) -> Output:
        """The output in one of the four common formats."""
        return self.output()

    def output(self, formats: Sequence[str] = FORMATS, default: str = "table") -> Output:
        """Return the output for a command that has formats of its own. Raises a usage error for another format."""
        asked = self.given.get("output") or default
        if asked not in formats:
            raise click.BadParameter(
                f"{asked!r} is not one of {', '.join(formats)}.{did_you_mean(asked, formats)}", param_hint="-o/--output"
            )
        return Output(asked, quiet=self.quiet, no_color=bool(self.given.get("no_color")))

    @property
    def quiet(self) -> bool:
        """Whether ``-q`` was typed."""
        return bool(self.given.get("quiet"))

    @property
    def with_traceback(self) -> bool:
        """Whether errors are shown with their traceback: ``--traceback``, or ``KERNELQ_DEBUG`` set."""
        return bool(self.given.get("traceback") or os.environ.get("KERNELQ_DEBUG"))


def _loaded(name: str) -> KernelQ:
    """Load the app; what its modules raise is told in a sentence, with the line that raised it."""
    from kernelq.loading import load_app

    try:
        return load_app(name)
    except KernelQError:
        raise
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        where = f"{frames[-1].filename}:{frames[-1].lineno}"
        raise ConfigurationError(
            f"-A {name}: importing it raised {type(error).__name__}: {error} (at {where}); "
            f"--traceback shows the whole way"
        ) from error


pass_cli = click.make_pass_decorator(Cli, ensure=True)
