"""Options that settings declare: ``setting(…, option="--autoscale=MAX,MIN")`` is an option of `kernelq worker`."""

from __future__ import annotations

import types
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin

import click
from click.shell_completion import CompletionItem

from kernelq.conf import Conf
from kernelq.kernel.discovery import Discovery
from kernelq.kernel.errors import ConfigurationError, PluginBroken
from kernelq_worker import overrides
from kernelq_worker.options import WorkerSettings

if TYPE_CHECKING:
    import attrs

OWN = (Conf, WorkerSettings)
"""Who declares the settings whose options are listed as the worker's own; all others come from plugins."""

NOT_YET = {
    "-B": "runs no beat inside a worker",
    "--beat": "runs no beat inside a worker",
    "-s": "has no beat",
    "--schedule-filename": "has no beat",
    "--scheduler": "has no beat",
    "-E": "has the plugin events not installed; type: pip install 'kernelq[events]'",
    "--task-events": "has the plugin events not installed; type: pip install 'kernelq[events]'",
    "--without-gossip": "has the plugin gossip not installed, so there is none",
    "--without-mingle": "has the plugin gossip not installed, so there is none",
    "--without-heartbeat": "has the plugin events not installed, so there is none",
    "--heartbeat-interval": "has the plugin events not installed; type: pip install 'kernelq[events]'",
    "--autoscale": "has the plugin autoscale not installed; type: pip install 'kernelq[autoscale]'",
    "--autoreload": "has the plugin autoreload not installed; type: pip install 'kernelq[autoreload]'",
}
"""Options of Celery's worker that nobody here declares, and what to know of each."""


class SettingOption(click.Option):
    """The option of one setting; its value is the setting's, already checked."""

    def __init__(self, conf: Conf, section: Any, field: attrs.Attribute[Any]) -> None:
        spelling, _, metavar = field.metadata["option"].partition("=")
        kind = conf.type_of(field.name, "the command line")
        self.own = isinstance(section, OWN)
        super().__init__(
            [field.name, *spelling.split("/")],
            type=_Value(conf, section, field.name, _choices(kind)),
            metavar=metavar or None,
            is_flag=not metavar and _wants(kind, bool),
            default=None,
            help=_sentence(field.metadata["doc"]),
        )


class _Value(click.ParamType):  # type: ignore[type-arg]  # generic in newer releases only
    """The text of an option, read and checked as the setting wants it."""

    name = "value"

    def __init__(self, conf: Conf, section: Any, setting: str, choices: tuple[str, ...]) -> None:
        self._conf = conf
        self._section = section
        self._setting = setting
        self._choices = choices

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str | None:
        return "|".join(self._choices) or None

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            if isinstance(value, str):
                overrides.put(self._conf, self._setting, value)
            else:
                self._conf.update({self._setting: value}, source=overrides.SOURCE)
        except ConfigurationError as error:
            self.fail(str(error), param, ctx)
        return getattr(self._section, self._setting)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        return [CompletionItem(one) for one in self._choices if one.startswith(incomplete)]


class FlaggedCommand(click.Command):
    """A command with an option for each setting, of the app or of an installed plugin, that declares one.

    The plugins are asked when the command is parsed, helped or completed, and not when it is listed.
    """

    discovery: Discovery | None = None

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return the command's own parameters and those of the settings. Raises `PluginBroken` where two clash."""
        params = super().get_params(ctx)
        taken = {name: "the worker" for param in params for name in (*param.opts, *param.secondary_opts)}
        for option in self._declared:
            for name in option.opts:
                if name in taken:
                    raise PluginBroken(f"setting {option.name} declares the option {name}, which {taken[name]} has")
                taken[name] = f"setting {option.name}"
        return [*params[:-1], *self._declared, *params[-1:]]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse; an option of Celery's that is not there yet is told as such."""
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            known = NOT_YET.get(error.option_name)
            if known is None:
                raise
            raise click.UsageError(f"there is no option {error.option_name}: this worker {known}", ctx=ctx) from None

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, those of plugins in a section of their own."""
        sections: dict[str, list[tuple[str, str]]] = {"Options": [], "From plugins": []}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None and isinstance(param, click.Option):
                foreign = isinstance(param, SettingOption) and not param.own
                sections["From plugins" if foreign else "Options"].append(record)
        for title, records in sections.items():
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)

    @cached_property
    def _declared(self) -> list[SettingOption]:
        conf = declared(self.discovery or Discovery())
        return [SettingOption(conf, section, field) for section, field in conf.options()]


def declared(discovery: Discovery) -> Conf:
    """Return settings at their defaults, those that the installed plugins declare included."""
    from kernelq.kernel.hooks import Hooks

    hooks, conf = Hooks(), Conf()
    for found in discovery.found("kernelq.hooks"):
        hooks.register(found.load(), found.name)
    hooks.event("declare_settings", settings=conf)
    return conf


def given(ctx: click.Context) -> dict[str, Any]:
    """Return the settings that were typed as options."""
    options = [param for param in ctx.command.get_params(ctx) if isinstance(param, SettingOption)]
    return {name: ctx.params[name] for option in options if ctx.params.get(name := option.name or "") is not None}


def _kinds(kind: Any) -> tuple[Any, ...]:
    return get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,)


def _wants(kind: Any, wanted: type) -> bool:
    return wanted in _kinds(kind)


def _choices(kind: Any) -> tuple[str, ...]:
    return tuple(word for one in _kinds(kind) if get_origin(one) is Literal for word in get_args(one))


def _sentence(doc: str) -> str:
    return doc[:1].upper() + doc[1:] + ("" if doc.endswith(".") else ".")
