"""Delete the messages that wait in queues."""

from __future__ import annotations

import click

from kernelq.cli.state import Cli, pass_cli


@click.command()
@click.option("-Q", "--queues", "named", metavar="NAMES", multiple=True, help="These; default: all of the app's.")
@click.option("-X", "--exclude-queues", "excluded", metavar="NAMES", multiple=True, help="Not these queues.")
@click.option("-f", "--force", "--yes", "sure", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Only tell how many messages would go.")
@pass_cli
def purge(cli: Cli, named: tuple[str, ...], excluded: tuple[str, ...], sure: bool, dry_run: bool) -> int:
    """Delete the ready and delayed messages of queues, for ever. What is in flight stays."""
    admin = cli.app.transport.admin()
    counts = {queue.name: queue.ready + queue.delayed for queue in admin.queues()}
    without = set(_split(excluded))
    chosen = [name for name in _split(named) or own_queues(cli) if name not in without]
    if dry_run:
        cli.out.rows([{"queue": name, "messages": counts.get(name, 0)} for name in chosen], ("queue", "messages"))
        return 0
    total = sum(counts.get(name, 0) for name in chosen)
    if not sure:
        click.confirm(f"Delete {total} messages of {', '.join(chosen) or 'no queue'} for ever?", abort=True, err=True)
    gone = {name: admin.purge(name) for name in chosen}
    cli.out.rows([{"queue": name, "purged": count} for name, count in gone.items()], ("queue", "purged"))
    return 0


def own_queues(cli: Cli) -> list[str]:
    """Return the names of the queues that the app's settings name, in their order."""
    conf = cli.app.conf
    named = conf.task_queues or ()
    names = list(named) if isinstance(named, dict) else [getattr(one, "name", one) for one in named]
    return list(dict.fromkeys([*names] or [conf.task_default_queue]))


def _split(names: tuple[str, ...]) -> list[str]:
    return list(dict.fromkeys(name for several in names for name in several.split(",") if name))
