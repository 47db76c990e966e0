"""What `inspect` and `control` share: one command for each kind of control command."""

from __future__ import annotations

from typing import Any

import click

from kernelq.cli import remote, remote_arguments, remote_tables
from kernelq.cli.output import clean, dumps
from kernelq.cli.state import Cli, pass_cli
from kernelq.command import Command, CommandKind
from kernelq.control import UNKEPT
from kernelq.notices import REVOKING


class Verb(click.Command):
    """A verb, whose help lists the commands that are installed here and given by the app."""

    kind: CommandKind

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands below the options; this loads them, and the app."""
        known = remote.installed(ctx.ensure_object(Cli).app, self.kind)
        if known:
            with formatter.section("Commands installed here"):
                formatter.write_dl([(one.usage(), one.summary) for one in known.values()])
        super().format_epilog(ctx, formatter)


def verb(kind: CommandKind, help: str) -> click.Command:
    """Return the click command for one kind of control command."""

    @click.command(kind.value, cls=Verb, help=help, add_help_option=False)
    @click.argument("command", required=False)
    @click.argument("words", nargs=-1, metavar="[ARGUMENTS]...")
    @click.option("-l", "--list", "listing", is_flag=True, help="List the commands that are installed here.")
    @click.option("-h", "--help", "wants_help", is_flag=True, help="Show this message, or that of COMMAND, and exit.")
    @remote.remote_options
    @pass_cli
    @click.pass_context
    def run(
        ctx: click.Context, cli: Cli, command: str | None, words: tuple[str, ...], listing: bool, wants_help: bool,
        as_json: bool, timeout: float, destination: tuple[str, ...], pattern: str | None, matcher: str,
    ) -> int:  # fmt: skip
        if wants_help and command is None:
            click.echo(ctx.get_help(), color=ctx.color)
            return 0
        out = remote.output(cli, as_json)
        known = remote.installed(cli.app, kind)
        if listing or command is None:
            _list(cli, known)
            return 0 if listing else 2
        if wants_help:
            _help(ctx, known, command, kind)
            return 0
        if command in known:
            given = remote_arguments.arguments(known[command], words)
        else:
            out.say(remote.unknown(command, list(known), kind))
            given = remote_arguments.loose(words)
        cli.app.control.warns = False
        replies = remote.ask(cli.app, command, given, destination, pattern, timeout, matcher)
        if destination or pattern or command not in REVOKING:
            return _show(cli, command, replies, timeout)
        kept = cli.app.control.notices() is not None
        if not kept:
            cli.out.say(f"workers that start later will not know of this: {UNKEPT}")
        if replies or not kept:
            return _show(cli, command, replies, timeout)
        cli.out.say("no worker answered; it is kept for workers that start later")
        return 0

    run.kind = kind
    return run


def _list(cli: Cli, known: dict[str, Command]) -> None:
    rows = [{"command": one.usage(), "summary": one.summary} for one in known.values()]
    cli.out.rows(rows, ("command", "summary"))


def _help(ctx: click.Context, known: dict[str, Command], name: str, kind: CommandKind) -> None:
    """Print what one command is for, and what its arguments take, as its signature has it."""
    if name not in known:
        raise click.UsageError(remote.unknown(name, list(known), kind), ctx=ctx)
    command = known[name]
    formatter = ctx.make_formatter()
    formatter.write_usage(f"kernelq {kind.value}", f"[OPTIONS] {command.usage()}")
    formatter.write_paragraph()
    for paragraph in command.description.split("\n\n"):
        with formatter.indentation():
            formatter.write_text(paragraph)
        formatter.write_paragraph()
    described = remote_arguments.described(command)
    if described:
        with formatter.section("Arguments, by place or as name=value"):
            formatter.write_dl(described)
    click.echo(formatter.getvalue().rstrip("\n"), color=ctx.color)
    click.echo(f"\nOptions: those of `kernelq {kind.value} --help`.", color=ctx.color)


def _show(cli: Cli, command: str, replies: dict[str, Any], timeout: float) -> int:
    if cli.out.format == "json":
        cli.out.value(replies)
    elif cli.out.format in ("jsonl", "plain"):
        cli.out.rows([{"worker": name, "reply": reply} for name, reply in replies.items()], ("worker", "reply"))
    elif (rows := remote_tables.rows(command, replies)) is not None:
        cli.out.rows(rows, remote_tables.COLUMNS[command])
    else:
        for name, reply in replies.items():
            cli.out.write(f"{cli.out.style('->', fg='cyan')} {cli.out.style(clean(name), bold=True)}: {_mark(reply)}")
            for line in _lines(reply):
                cli.out.write(f"    {line}")
    if not replies:
        cli.out.say(f"no worker answered within {timeout:g} seconds")
        return 1
    return 1 if any(_refused(reply) for reply in replies.values()) else 0


def _refused(reply: Any) -> bool:
    return isinstance(reply, dict) and set(reply) == {"error"}


def _mark(reply: Any) -> str:
    return "ERROR" if _refused(reply) else "OK"


def _lines(reply: Any) -> list[str]:
    if isinstance(reply, dict) and len(reply) == 1 and set(reply) <= {"ok", "error"}:
        reply = next(iter(reply.values()))
    if reply in ([], {}):
        return ["- empty -"]
    if isinstance(reply, str):
        return [clean(line) for line in reply.splitlines()]
    if isinstance(reply, list):
        return [f"* {clean(one) if isinstance(one, str) else dumps(one)}" for one in reply]
    return dumps(reply, indent=2).splitlines()
