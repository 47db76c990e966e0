"""The global options, accepted before and after the sub-command."""

from __future__ import annotations

import copy
import os
from typing import Any

import click
from click.core import ParameterSource

from kernelq.cli.state import Cli

NOTE = "The options of `kernelq --help` are accepted here as well."


class GlobalOption(click.Option):
    """An option whose value goes to `Cli.given`. Sub-commands accept it and list it only at the root."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Return the line in the help of the root command only."""
        return super().get_help_record(ctx) if ctx.parent is None else None


def _remember(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    given = ctx.ensure_object(Cli).given
    name = param.name or ""
    source = ctx.get_parameter_source(name)
    if source is ParameterSource.COMMANDLINE or (source is ParameterSource.ENVIRONMENT and name not in given):
        given[name] = value


def _change_folder(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
    _remember(ctx, param, value)
    if value is not None:
        cli = ctx.ensure_object(Cli)
        cli.folder = cli.folder or os.getcwd()
        os.chdir(value)


def _option(*names: str, help: str, **more: Any) -> GlobalOption:
    more.setdefault("callback", _remember)
    return GlobalOption(names, help=help, expose_value=False, **more)


def global_options() -> list[click.Option]:
    """Return new global options."""
    return [
        _option("-A", "--app", metavar="MODULE[:APP]", envvar="KERNELQ_APP", help="The app to use."),
        _option("-b", "--broker", metavar="URL", help="The broker; wins over the setting broker_url."),
        _option("--result-backend", metavar="URL", help="The result store; wins over the setting."),
        _option("--config", metavar="MODULE|FILE", help="Where to read settings from."),
        _option(
            "--workdir",
            type=click.Path(exists=True, file_okay=False),
            callback=_change_folder,
            is_eager=True,
            help="Change to this folder first.",
        ),
        _option("-q", "--quiet", is_flag=True, help="Print data and errors only."),
        _option("--no-color", is_flag=True, help="No colour, as with NO_COLOR set."),
        _option("-o", "--output", metavar="FORMAT", help="table, json, jsonl or plain; some commands have more."),
        _option("--traceback", is_flag=True, help="Show errors with their traceback, as with KERNELQ_DEBUG set."),
    ]


def with_global_options(command: click.Command) -> click.Command:
    """Return a copy of `command`, and of what is below it, that takes the global options as well.

    Where the command has an option of the same spelling, its own wins. The command itself is not changed.
    """
    taken = {name for param in command.params for name in (*param.opts, *param.secondary_opts)}
    taken_names = {param.name or "" for param in command.params}
    extended = copy.copy(command)
    extended.params = [*command.params, *_free(taken, taken_names)]
    if extended.epilog is None:
        extended.epilog = NOTE
    if isinstance(extended, click.Group):
        extended.commands = {name: with_global_options(one) for name, one in extended.commands.items()}
    return extended


def _free(taken: set[str], taken_names: set[str]) -> list[click.Option]:
    free = []
    for option in global_options():
        option.opts = [name for name in option.opts if name not in taken]
        if option.opts and option.name not in taken_names:
            option.envvar = None  # the root has read it
            free.append(option)
    return free
