"""Look at buried messages; replay or drop them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

import attrs
import click

from kernelq.cli.group import Group
from kernelq.cli.state import Cli, pass_cli
from kernelq.delivery import DeadLetter
from kernelq.kernel.contracts.transport import QueueAdmin

F = TypeVar("F", bound=Callable[..., Any])
ALL = 1_000_000


@click.group(cls=Group)
def dead() -> None:
    """Look at the dead set: messages that were buried; replay or drop them."""


@dead.command()
@click.option("-Q", "--queue", help="Only those of this queue.")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="How many, the newest first.")
@pass_cli
def ls(cli: Cli, queue: str | None, limit: int) -> int:
    """List buried messages, the newest first, each with the reason."""
    letters = cli.app.transport.admin().dead(queue, limit)
    titles = ("id", "buried_at", "queue", "task", "task_id", "deliveries", "reason")
    cli.out.rows([_row(letter) for letter in letters], titles)
    if len(letters) == limit:
        cli.out.say(f"the newest {limit}; type --limit for more")
    return 0


@dead.command()
@click.argument("letter_id", metavar="ID")
@pass_cli
def show(cli: Cli, letter_id: str) -> int:
    """Show the buried message ID whole: headers, properties and body. Exits with 1 where there is none."""
    letter = cli.app.transport.admin().dead_letter(letter_id)
    if letter is None:
        click.echo(f"there is no buried message {letter_id!r}; type: kernelq dead ls", err=True)
        return 1
    shown = {**_row(letter), "content_type": letter.content_type, "content_encoding": letter.content_encoding}
    shown |= {"headers": dict(letter.headers), "properties": dict(letter.properties), "body": _body(letter)}
    cli.out.mapping(shown)
    return 0


def _chosen(function: F) -> F:
    for option in (
        click.option("--dry-run", is_flag=True, help="Only list what would be taken."),
        click.option("-f", "--yes", is_flag=True, help="Do not ask."),
        click.option("-Q", "--queue", help="Those of this queue."),
        click.option("--all", "everything", is_flag=True, help="All of them; with -Q, all of that queue."),
        click.argument("ids", metavar="[ID]...", nargs=-1),
    ):
        function = option(function)
    return function


@dead.command()
@_chosen
@pass_cli
def replay(cli: Cli, ids: tuple[str, ...], everything: bool, queue: str | None, yes: bool, dry_run: bool) -> int:
    """Put buried messages back to the end of their queues, their delivery counter at zero."""
    admin = cli.app.transport.admin()
    chosen = _choose(admin, ids, everything, queue)
    return _act(cli, chosen, "replay", admin.replay, sure=yes or bool(ids), dry_run=dry_run)


@dead.command()
@_chosen
@pass_cli
def drop(cli: Cli, ids: tuple[str, ...], everything: bool, queue: str | None, yes: bool, dry_run: bool) -> int:
    """Delete buried messages for ever."""
    admin = cli.app.transport.admin()
    return _act(cli, _choose(admin, ids, everything, queue), "drop", admin.drop, sure=yes, dry_run=dry_run)


def _choose(admin: QueueAdmin, ids: Sequence[str], everything: bool, queue: str | None) -> list[str]:
    if ids and (everything or queue):
        raise click.UsageError("type either ids, or --all or -Q QUEUE")
    if not ids and not everything and not queue:
        raise click.UsageError("type the ids of buried messages (kernelq dead ls), or -Q QUEUE, or --all")
    return list(ids) or [letter.id for letter in admin.dead(queue, ALL)]


def _act(cli: Cli, ids: list[str], verb: str, act: Callable[[list[str]], int], *, sure: bool, dry_run: bool) -> int:
    if dry_run:
        cli.out.rows([{"id": one} for one in ids], ("id",))
        cli.out.say(f"would {verb} {len(ids)}")
        return 0
    if ids and not sure:
        click.confirm(f"{verb.capitalize()} {len(ids)} buried messages?", abort=True, err=True)
    done = act(ids) if ids else 0
    past = {"replay": "replayed", "drop": "dropped"}[verb]
    cli.out.value({past: done} if cli.out.format in ("json", "jsonl") else str(done))
    cli.out.say(f"{past} {done} of {len(ids)}")
    return 0 if done == len(ids) else 1


def _row(letter: DeadLetter) -> dict[str, Any]:
    names = ("id", "task_id", "task", "queue", "reason", "deliveries")
    row = attrs.asdict(letter, filter=lambda field, _: field.name in names)
    when = datetime.fromtimestamp(letter.buried_at, UTC)
    return {**row, "buried_at": when.isoformat(timespec="seconds")}


def _body(letter: DeadLetter) -> Any:
    """Return the body as data where it is JSON, else as text; nothing else is decoded."""
    text = letter.body.decode("utf-8", "backslashreplace")
    if letter.content_type != "application/json":
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text
