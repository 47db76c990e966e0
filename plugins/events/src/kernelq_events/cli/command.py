"""Watch workers and tasks: live, line by line, or through a camera."""

from __future__ import annotations

import os
from typing import Any

import click

from kernelq.cli.daemon import Daemon, daemon_options
from kernelq.cli.state import Cli, pass_cli
from kernelq.nodenames import default_nodename

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL", "FATAL")
NAME = "events@"
"""The short name of this process, which pid and log files may be named after."""


@click.command()
@click.option("-d", "--dump", is_flag=True, help="Print each event as it comes; -o jsonl prints it whole.")
@click.option("-c", "--camera", metavar="CLASS", help="Have this class take pictures: package.module.Class.")
@click.option(
    "-F", "--frequency", "--freq", type=click.FloatRange(min=0, min_open=True), default=1.0, show_default=True,
    metavar="SECONDS", help="How long after a picture the next is taken.",
)  # fmt: skip
@click.option("-r", "--maxrate", metavar="RATE", help="How many pictures at most: 10/m, or a number per second.")
@click.option("--limit", type=click.IntRange(min=1), metavar="COUNT", help="With --dump: end after so many events.")
@click.option(
    "-l", "--loglevel", type=click.Choice(LEVELS, case_sensitive=False), default="WARNING", show_default=True,
    help="Log this and what is graver.",
)  # fmt: skip
@daemon_options
@pass_cli
def events(
    cli: Cli,
    /,
    dump: bool,
    camera: str | None,
    frequency: float,
    maxrate: str | None,
    limit: int | None,
    **options: Any,
) -> int:
    """Watch the workers and the tasks of a cluster.

    Without --dump or --camera it opens the live view: pip install 'kernelq[monitor]'. Workers tell of their tasks when
    started with -E, or asked by: kernelq control enable_events.
    """
    if dump and camera:
        raise click.UsageError("--dump and --camera exclude each other; start two commands")
    if limit is not None and not dump:
        raise click.UsageError("--limit goes with --dump")
    loglevel = options.pop("loglevel")
    daemon = Daemon.of(options)
    if daemon.detach and not camera:
        raise click.UsageError("only with --camera can it go on in the background; add --camera=package.module.Class")
    name = default_nodename(NAME)
    with daemon.entered(name, cli.folder or os.getcwd()):
        if not dump and not camera:
            return _view(cli)
        from kernelq_events.cli.log import logging_to
        from kernelq_events.cli.watching import film, printed

        with logging_to(daemon.logfile, loglevel, name):
            if camera:
                film(cli.app, camera, frequency, maxrate, daemon.started, cli.out)
            else:
                printed(cli.app, cli.out, limit)
    return 0


def _view(cli: Cli) -> int:
    from kernelq.events.view import load

    load(cli.app)(cli.app)
    return 0
