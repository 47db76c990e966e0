"""Run the worker for developing: it loads changed code, and shows each task."""

from __future__ import annotations

import os
from pathlib import Path

import click

from kernelq.cli.state import Cli, pass_cli
from kernelq_autoreload.dev import finding, lines

DEFAULTS = ("--loglevel", "INFO", "--hostname", "dev@%h", "--concurrency", "2", "--autoreload")


@click.command(
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": ["-h", "--help"]}
)
@click.argument("options", nargs=-1, type=click.UNPROCESSED, metavar="[WORKER OPTIONS]...")
@pass_cli
def dev(cli: Cli, /, options: tuple[str, ...]) -> int:
    """Run the worker for developing: it loads changed code, and shows each task's start and end.

    It is `kernelq worker` with -l INFO -c 2 --autoreload; every option of `kernelq worker --help` may follow, and wins.

    Without -A the app is that of KERNELQ_APP, of pyproject.toml ([tool.kernelq] app), or the one app in tasks.py,
    app.py or celery.py.
    """
    from kernelq.kernel.discovery import Discovery

    if not cli.given.get("app"):
        cli.given["app"], where = finding.find(Path.cwd())
        click.echo(f"kernelq dev: the app is {cli.given['app']} (from {where})", err=True)
    if cli.given.get("no_color"):
        os.environ["NO_COLOR"] = "1"
    os.environ[lines.ENVIRONMENT] = "1"
    _hint(cli)
    worker: click.Command = Discovery().load("kernelq.cli", "worker", wanted_by="kernelq dev")
    here = click.get_current_context()
    with worker.make_context("worker", [*DEFAULTS, *options], parent=here.parent or here) as context:
        return int(worker.invoke(context) or 0)


def _hint(cli: Cli) -> None:
    """Say where messages are kept, where nobody chose a broker."""
    if cli.app.conf.source("broker_url") == "default" and not cli.quiet:
        click.echo(
            "kernelq dev: no broker is set; messages and results are kept in kernelq.db in this folder "
            "(-b URL, or KERNELQ_BROKER_URL, chooses another)",
            err=True,
        )
