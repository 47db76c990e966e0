"""Open a Python shell with the app and its tasks."""

from __future__ import annotations

import importlib
from typing import Any

import click

from kernelq.cli.state import Cli, pass_cli


@click.command()
@click.option("--plain", is_flag=True, help="Python's own shell, even where IPython is installed.")
@pass_cli
def shell(cli: Cli, plain: bool) -> int:
    """Open a Python shell with `app` and every task by its short name.

    IPython is used where it is installed.
    """
    names = namespace(cli)
    tasks = sorted(set(names) - {"app"})
    banner = f"KernelQ shell: app = {cli.app.main}" + (f"; tasks: {', '.join(tasks)}" if tasks else "")
    if not plain and _ipython(names, banner):
        return 0
    import code

    code.interact(banner="" if cli.quiet else banner, local=names, exitmsg="")
    return 0


def namespace(cli: Cli) -> dict[str, Any]:
    """Return what the shell knows: the app, and its tasks by the last word of their names."""
    cli.app.import_modules()
    tasks = {name.rpartition(".")[2]: task for name, task in sorted(cli.app.tasks.items(), reverse=True)}
    return {**{name: task for name, task in tasks.items() if name.isidentifier()}, "app": cli.app}


def _ipython(names: dict[str, Any], banner: str) -> bool:
    try:
        ipython = importlib.import_module("IPython")
    except ImportError:
        return False
    ipython.start_ipython(argv=[], user_ns=names, display_banner=False)
    click.echo(banner, err=True)
    return True
