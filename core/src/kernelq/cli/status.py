"""Show which workers are up."""

from __future__ import annotations

import click

from kernelq.cli import remote
from kernelq.cli.state import Cli, pass_cli


@click.command()
@remote.remote_options
@pass_cli
def status(
    cli: Cli, as_json: bool, timeout: float, destination: tuple[str, ...], pattern: str | None, matcher: str
) -> int:
    """Ping all workers and list those that answer. Exits with 1 where none does."""
    out = remote.output(cli, as_json)
    replies = remote.ask(cli.app, "ping", {}, destination, pattern, timeout, matcher)
    rows = [
        {"worker": worker, "state": "OK" if reply == {"ok": "pong"} else str(reply)}
        for worker, reply in replies.items()
    ]
    if rows or out.format == "json":
        out.rows(rows, ("worker", "state"))
    if not rows:
        out.say(f"no worker answered within {timeout:g} seconds")
        return 1
    out.say(f"{len(rows)} worker{'s' * (len(rows) != 1)} online")
    return 0
