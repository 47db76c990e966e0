"""Start a worker: run the tasks of an app until told to stop."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from kernelq.cli.daemon import Daemon, daemon_options
from kernelq.cli.state import Cli, pass_cli
from kernelq_worker import flags
from kernelq_worker.overrides import SOURCE, apply

if TYPE_CHECKING:
    from kernelq.app import KernelQ

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL", "FATAL")


def _names(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name.strip() for value in values for name in value.split(",") if name.strip())


@click.command(cls=flags.FlaggedCommand)
@click.option("-n", "--hostname", metavar="NAME", help="Node name; %h is the host, %n the short name, %d the domain.")
@click.option(
    "-l", "--loglevel", type=click.Choice(LEVELS, case_sensitive=False), default="WARNING", show_default=True,
    help="Log this and what is graver.",
)  # fmt: skip
@click.option("--hosts", type=click.IntRange(min=1), help="How many processes share the slots, where the pool allows.")
@click.option("-Q", "--queues", multiple=True, callback=_names, help="Consume these queues only, comma-separated.")
@click.option("-X", "--exclude-queues", multiple=True, callback=_names, help="Do not consume these queues.")
@click.option("-I", "--include", multiple=True, callback=_names, help="Import these modules too, comma-separated.")
@click.option("--purge", is_flag=True, help="Empty the queues first. What waits in them is lost.")
@daemon_options
@click.argument("overrides", nargs=-1, metavar="[SETTING=VALUE]...")
@pass_cli
def worker(cli: Cli, /, overrides: tuple[str, ...], **options: Any) -> int:
    """Run the tasks of an app until told to stop.

    Settings may follow as worker_concurrency=4, or worker.concurrency=4.

    TERM or INT lets running tasks end; a second one, or QUIT, does not wait. HUP begins anew. USR1 writes every
    thread's stack to stderr.
    """
    from kernelq import nodenames
    from kernelq_worker.garbage import Rest

    name = nodenames.default_nodename(options["hostname"])
    name = nodenames.node_format(name, nodenames.default_nodename())
    folder = cli.folder or os.getcwd()
    with Daemon.of(options).entered(name, folder) as daemon:
        rest = Rest()
        from kernelq_worker.titles import entitle
        from kernelq_worker.worker import Worker

        def started() -> None:
            rest.end()
            daemon.started()

        app = cli.app
        apply(app.conf, overrides)
        _apply_options(app, options)
        entitle(name, status="active")  # in place of what was typed, which may hold a password
        return Worker(
            app,
            hostname=name,
            hosts=options["hosts"],
            queues=options["queues"],
            exclude_queues=options["exclude_queues"],
            loglevel=options["loglevel"],
            logfile=daemon.logfile,
            purge=options["purge"],
            load=cli.given.get("app") or "",
            show_banner=not (cli.quiet or daemon.detach),
            setup_logging=True,
            folder=folder,
        ).run(started)


def _apply_options(app: KernelQ, options: dict[str, Any]) -> None:
    given = flags.given(click.get_current_context())
    if options["include"]:
        given["include"] = (*app.conf.include, *options["include"])
    app.conf.update(given, source=SOURCE)
