"""Asking workers: the options, the commands that are known here, and the replies, for inspect, control and status."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from kernelq.cli.output import Output
from kernelq.cli.state import Cli
from kernelq.command import Command, CommandKind
from kernelq.kernel.errors import PluginBroken, did_you_mean

if TYPE_CHECKING:
    from kernelq.app import KernelQ

GROUP = "kernelq.commands"
F = TypeVar("F", bound=Callable[..., Any])


def remote_options(function: F) -> F:
    """Add ``-t -d -p -m -j``, by which workers are chosen and replies awaited."""
    for option in (
        click.option("-j", "--json", "as_json", is_flag=True, help="Print JSON: the same as -o json."),
        click.option(
            "-m", "--matcher", type=click.Choice(["glob", "pcre"]), default="glob", show_default=True,
            help="What the pattern is: a glob, or a regular expression.",
        ),
        click.option("-p", "--pattern", metavar="PATTERN", help="Ask the workers whose names match."),
        click.option("-d", "--destination", metavar="NAMES", multiple=True, help="Ask these workers; may be repeated."),
        click.option(
            "-t", "--timeout", type=click.FloatRange(min=0), default=1.0, show_default=True, metavar="SECONDS",
            help="How long to wait for replies.",
        ),
    ):  # fmt: skip
        function = option(function)
    return function


def output(cli: Cli, as_json: bool) -> Output:
    """Return the output, with ``-j`` as another word for ``-o json``."""
    if as_json:
        cli.given["output"] = "json"
    return cli.out


def installed(app: KernelQ, kind: CommandKind) -> dict[str, Command]:
    """Return the commands of one kind that are installed here or given by the app, by name."""
    app.finalize()
    found = {one.name: one.load() for one in app.discovery.found(GROUP)}
    for command in app.added_commands():
        found[command.name] = command
    for name, command in found.items():
        if not isinstance(command, Command):
            raise PluginBroken(f"the command {name!r} is {command!r}; decorate it with @kernelq.{kind.value}_command()")
    return {name: found[name] for name in sorted(found) if found[name].kind is kind}


def unknown(name: str, known: Sequence[str], kind: CommandKind) -> str:
    """Return the sentence on a command that is not installed here."""
    return (
        f"the {kind.value} command {name!r} is not installed here; its arguments go out unchecked, as name=value."
        f"{did_you_mean(name, known)}"
    )


def ask(
    app: KernelQ,
    command: str,
    arguments: Mapping[str, Any],
    destination: Sequence[str] = (),
    pattern: str | None = None,
    timeout: float = 1.0,
    matcher: str = "glob",
) -> dict[str, Any]:
    """Send a command and return what each worker replied within `timeout` seconds, by worker, sorted."""
    names = [name for names in destination for name in names.split(",") if name]
    replies = app.control.broadcast(
        command,
        arguments=dict(arguments),
        destination=names or None,
        pattern=pattern,
        matcher=matcher if pattern else None,
        reply=True,
        timeout=timeout,
    )
    found = {worker: value for reply in replies or () for worker, value in reply.items()}
    return dict(sorted(found.items()))
