"""Show and check the settings, and where each comes from."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from kernelq.cli.group import Group
from kernelq.cli.state import Cli, pass_cli
from kernelq.kernel.errors import KernelQError

if TYPE_CHECKING:
    from kernelq.app import KernelQ

WRONG = 3


@click.group(cls=Group)
def config() -> None:
    """Show and check the settings, and where each comes from."""


@config.command()
@click.option("--changed", is_flag=True, help="Only those that differ from the default by someone's will.")
@pass_cli
def show(cli: Cli, changed: bool) -> int:
    """Print every setting with its source. Secrets are hidden."""
    conf = _app(cli).conf
    rows = [
        {"name": name, "value": value, "source": conf.source(name)}
        for name, value in conf.as_dict(changed=changed).items()
    ]
    cli.out.rows(rows, ("name", "value", "source"))
    return 0


@config.command()
@click.argument("name")
@pass_cli
def explain(cli: Cli, name: str) -> int:
    """Tell what the setting NAME means, its value, and where that comes from."""
    cli.out.write(_app(cli).conf.explain(name))
    return 0


@config.command()
@pass_cli
def check(cli: Cli) -> int:
    """Load the app, its plugins and its plans, and name what is wrong. Connects to nothing, starts nothing.

    Exits with 3 where something is wrong.
    """
    app = _app(cli)
    rows = [{"check": name, **_tried(function, app)} for name, function in CHECKS.items()]
    cli.out.rows(rows, ("check", "ok", "detail"))
    return 0 if all(row["ok"] for row in rows) else WRONG


def _app(cli: Cli) -> KernelQ:
    cli.app.finalize()
    return cli.app


def _tried(function: Callable[[KernelQ], str], app: KernelQ) -> dict[str, Any]:
    try:
        return {"ok": True, "detail": function(app)}
    except KernelQError as error:
        return {"ok": False, "detail": str(error)}
    except Exception as error:  # noqa: BLE001 - whatever an app's module or a plugin raises is the answer
        return {"ok": False, "detail": f"{type(error).__name__}: {error}"}


def _tasks(app: KernelQ) -> str:
    app.import_modules()
    count = len(app.tasks)
    return f"{count} task{'s' * (count != 1)}"


def _transport(app: KernelQ) -> str:
    return str(app.transport.safe_url())


def _backend(app: KernelQ) -> str:
    return app.backend.safe_url() if app.backend is not None else "disabled"


def _pool(app: KernelQ) -> str:
    name = app.conf.worker_pool
    if name != "auto":
        app.discovery.load("kernelq.pools", name, wanted_by="setting worker_pool")
        return name
    return f"auto, of {', '.join(app.discovery.names('kernelq.pools')) or 'none'}"


def _plans(app: KernelQ) -> str:
    from kernelq.cli.blueprints import planned

    return ", ".join(f"{plan.name}: {len(plan.steps)} steps" for plan in planned(app))


CHECKS: dict[str, Callable[[KernelQ], str]] = {
    "tasks": _tasks,
    "broker": _transport,
    "results": _backend,
    "pool": _pool,
    "plans": _plans,
}
