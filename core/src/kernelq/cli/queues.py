"""Show the queues and how many messages wait in each; pause and resume them."""

from __future__ import annotations

import attrs
import click

from kernelq.cli.group import Group
from kernelq.cli.state import Cli, pass_cli
from kernelq.delivery import QueueInfo
from kernelq.kernel.errors import BackendUnreachable

TITLES = (*(field.name for field in attrs.fields(QueueInfo)), "paused")


@click.group(cls=Group, invoke_without_command=True)
@click.pass_context
def queues(ctx: click.Context) -> int | None:
    """Show the queues and how many messages wait in each."""
    return None if ctx.invoked_subcommand else ctx.invoke(ls)


@queues.command()
@pass_cli
def ls(cli: Cli) -> int:
    """List every queue with its counts of messages: ready, in flight, delayed, dead; and which are paused."""
    paused = dict.fromkeys(_paused(cli), True)
    rows = [
        {**attrs.asdict(queue), "paused": paused.pop(queue.name, False)} for queue in cli.app.transport.admin().queues()
    ]
    counts = dict.fromkeys(TITLES[1:-1], 0)
    rows += [{"name": name, **counts, "paused": True} for name in paused]  # none has been there yet
    cli.out.rows(sorted(rows, key=lambda row: row["name"]), TITLES)
    return 0


def _paused(cli: Cli) -> list[str]:
    try:
        return cli.app.control.paused_queues()
    except BackendUnreachable as error:
        cli.out.say(f"which queues are paused is not known: {error}")
        return []


@queues.command()
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@click.option("--for", "seconds", type=click.FloatRange(min=0, min_open=True), metavar="SECONDS", help="Only so long.")
@pass_cli
def pause(cli: Cli, names: tuple[str, ...], seconds: float | None) -> int:
    """Have all workers take nothing from these queues, within two seconds and until `resume`.

    It holds for workers that start later, too; what they have taken already goes on, and messages can be sent.
    """
    cli.app.control.pause_queue(*names, seconds=seconds)
    cli.out.say(f"paused: {', '.join(names)}")
    return 0


@queues.command()
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@pass_cli
def resume(cli: Cli, names: tuple[str, ...]) -> int:
    """Have workers take from these queues again, within two seconds. Exits with 1 where none was paused."""
    count = cli.app.control.resume_queue(*names)
    cli.out.say(f"resumed {count} of {len(names)}")
    return 0 if count else 1
