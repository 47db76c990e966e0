"""Show the installed plugins, and which of them are broken."""

from __future__ import annotations

import inspect
from typing import Any

import click

from kernelq.cli.group import Group
from kernelq.cli.state import Cli, pass_cli
from kernelq.kernel.discovery import Discovery, Found
from kernelq.kernel.errors import PluginBroken, PluginNotFound, did_you_mean

TITLES = ("group", "name", "distribution", "version", "state")
BROKEN = 3


@click.group(cls=Group)
def plugins() -> None:
    """Show the installed plugins, and which of them are broken."""


@plugins.command()
@click.option("-g", "--group", help="Only this entry-point group; the prefix `kernelq.` may be left out.")
@click.option("--no-load", is_flag=True, help="Do not import them, so do not tell which are broken.")
@pass_cli
def ls(cli: Cli, group: str | None, no_load: bool) -> int:
    """List every plugin by entry-point group, and load each. Exits with 3 where one is broken."""
    discovery = Discovery()
    groups = [name for name in discovery.groups() if group in (None, name, name.removeprefix("kernelq."))]
    if group is not None and not groups:
        known = [name.removeprefix("kernelq.") for name in discovery.groups()]
        raise PluginNotFound(f"no plugin is installed in the group {group!r}.{did_you_mean(group, known)}")
    found = [one for name in groups for one in discovery.found(name)]
    problems = {} if no_load else _problems(discovery, found)
    states = {one: "broken" if one in problems else "-" if no_load else "ok" for one in found}
    rows = [{**_row(one), "state": states[one], "value": one.value, "error": problems.get(one)} for one in found]
    cli.out.rows(rows, TITLES)
    for problem in problems.values():
        click.echo(f"broken: {problem}", err=True)
    return BROKEN if problems else 0


def _problems(discovery: Discovery, found: list[Found]) -> dict[Found, str]:
    problems: dict[Found, str] = {}
    for one in found:
        try:
            discovery.load(one.group, one.name)
        except PluginBroken as error:
            problems[one] = str(error)
    return problems


def _row(one: Found) -> dict[str, Any]:
    return {"group": one.group, "name": one.name, "distribution": one.distribution, "version": one.version}


@plugins.command()
@click.argument("name")
@pass_cli
def info(cli: Cli, name: str) -> int:
    """Show all there is to know of the plugins called NAME, or of the distribution NAME."""
    discovery = Discovery()
    every = [one for group in discovery.groups() for one in discovery.found(group)]
    found = [one for one in every if name in (one.name, one.distribution, one.distribution.removeprefix("kernelq-"))]
    if not found:
        known = {one.name for one in every} | {one.distribution for one in every}
        raise PluginNotFound(f"no plugin or distribution is called {name!r}.{did_you_mean(name, known)}")
    code = 0
    rows = []
    for one in found:
        row = {**_row(one), "value": one.value, "file": None, "about": None, "error": None}
        try:
            row |= _about(one.load())
        except PluginBroken as error:
            row["error"] = str(error)
            code = BROKEN
        rows.append(row)
    _show(cli, rows)
    return code


def _about(value: object) -> dict[str, Any]:
    try:
        file = inspect.getsourcefile(value)  # type: ignore[arg-type]  # what has no file raises TypeError
    except TypeError:
        file = inspect.getsourcefile(type(value))
    return {"file": file, "about": (inspect.getdoc(value) or "").partition("\n")[0]}


def _show(cli: Cli, rows: list[dict[str, Any]]) -> None:
    if cli.out.format != "table":
        cli.out.rows(rows, tuple(rows[0]))
        return
    for row in rows:
        cli.out.write(cli.out.style(f"{row['group']}: {row['name']}", bold=True))
        for title in ("distribution", "version", "value", "file", "about", "error"):
            if row[title]:
                cli.out.write(f"  {title:<13} {row[title]}")
