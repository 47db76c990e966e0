"""Show what a worker would start, in what order, and why."""

from __future__ import annotations

import attrs
import click

from kernelq.cli import blueprints
from kernelq.cli.blueprints import NAMES, UnknownStep, find, find_off, names, planned
from kernelq.cli.graph import dot, lanes, layers, mermaid, rows, tree
from kernelq.cli.graph.model import Graph, build, key_of
from kernelq.cli.group import Group
from kernelq.cli.output import FORMATS, Output, columns, dumps
from kernelq.cli.state import Cli, pass_cli
from kernelq.kernel.errors import did_you_mean
from kernelq.kernel.graph import Edge
from kernelq.kernel.plan import Plan

VIEWS = ("lanes", *FORMATS, "layers", "tree", "dot", "mermaid")


@click.group(cls=Group)
def steps() -> None:
    """Show what a worker would start, in what order, and why; nothing is started."""


@steps.command()
@click.argument("blueprint", type=click.Choice(NAMES), required=False)
@pass_cli
def graph(cli: Cli, blueprint: str | None) -> None:
    """Draw the plan of BLUEPRINT (worker or consumer), or of both.

    -o: lanes (default), layers, tree, table, json, jsonl, plain, dot, mermaid.
    """
    out = cli.output(VIEWS, default="lanes")
    out.write(render([build(plan) for plan in planned(cli.app, blueprint)], out, columns()))


def render(graphs: list[Graph], out: Output, width: int) -> str:
    """Return the view that `out` asks for."""
    if out.format == "dot":
        return dot.view(graphs)
    if out.format == "mermaid":
        return mermaid.view(graphs)
    if out.format in FORMATS:
        return _as_data(graphs, out)
    views = {
        "lanes": lambda one: lanes.view(one, width, out.unicode, out.style),
        "layers": lambda one: layers.view(one, width),
        "tree": lambda one: tree.view(one, out.unicode),
    }
    shown = []
    for one in graphs:
        title = out.style(f"{one.blueprint}", bold=True, fg="green")
        shown.append(f"{title}\n{views[out.format](one)}" if len(graphs) > 1 else views[out.format](one))
    return "\n\n".join(shown)


def _as_data(graphs: list[Graph], out: Output) -> str:
    if out.format == "json":
        return dumps([rows.data(one) for one in graphs] if len(graphs) > 1 else rows.data(graphs[0]), indent=2)
    return "\n".join(out.lines([row for one in graphs for row in rows.rows(one)], rows.TITLES))


@steps.command()
@click.argument("first")
@click.argument("second")
@pass_cli
def why(cli: Cli, first: str, second: str) -> int:
    """Tell why step FIRST starts before step SECOND: each edge between them, and who declared it.

    Exits with 1 where FIRST need not start before SECOND.
    """
    plans = planned(cli.app)
    homes = _home(plans, first), _home(plans, second)
    chain = blueprints.why(homes[0], first, second)
    if chain:
        _show_chain(cli, chain)
        return 0
    if back := blueprints.why(homes[0], second, first):
        cli.out.say(f"it is the other way round: {second} starts before {first}")
        _show_chain(cli, back)
        return 1
    cli.out.say(_no_order(homes, first, second))
    return 1


def _no_order(homes: tuple[Plan, Plan], first: str, second: str) -> str:
    for plan, name in zip(homes, (first, second), strict=True):
        if off := find_off(plan, name):
            return f"{name} is off ({off.reason}); type: kernelq steps why-not {name}"
    if homes[0] is not homes[1]:
        return f"{first} is a step of {homes[0].name}, {second} of {homes[1].name}: no edge leads from one to the other"
    order = names(homes[0])
    earlier, later = sorted((first, second), key=order.index)
    return f"nothing orders {first} and {second}; {earlier} comes before {later} because equals are sorted by name"


def _show_chain(cli: Cli, chain: list[Edge]) -> None:
    if cli.out.format == "table":
        for edge in chain:
            cli.out.write(f"{cli.out.style(edge.before, bold=True)} before {cli.out.style(edge.after, bold=True)}")
            cli.out.write(f"  because {edge.reason}")
            cli.out.write(f"  declared at {edge.declared_at} ({edge.distribution})")
        return
    rows = [{**attrs.asdict(edge), "key": key_of(edge.reason)} for edge in chain]
    cli.out.rows(rows, ("before", "after", "reason", "key", "declared_at", "distribution"))


def _home(plans: list[Plan], step: str) -> Plan:
    """Return the plan that knows `step`, on or off. Raises `UnknownStep`."""
    for plan in plans:
        if step in names(plan):
            return plan
    known = sorted({name for plan in plans for name in names(plan)})
    raise UnknownStep(
        f"there is no step {step!r} in {' or '.join(plan.name for plan in plans)}.{did_you_mean(step, known)} "
        f"Installed: {', '.join(known) or 'none'}. A plugin that brings it is installed with "
        f"pip install 'kernelq[NAME]'; in an app, app.add_step(CLASS) adds one"
    )


@steps.command("why-not")
@click.argument("step")
@pass_cli
def why_not(cli: Cli, step: str) -> int:
    """Tell why STEP is off or absent, and what to type. Exits with 1 where it is on."""
    plan = _home(planned(cli.app), step)
    if found := find(plan, step):
        cli.out.say(f"{step} is on: it starts in wave {found.wave} of {plan.name}, from {found.distribution}")
        return 1
    off = find_off(plan, step)
    assert off is not None  # _home has seen it
    cli.out.mapping(
        {
            "step": step,
            "blueprint": plan.name,
            "state": "off",
            "why": off.reason,
            "declared_at": off.declared_at,
            "distribution": f"{off.distribution} {off.version}".strip(),
            "provides": ", ".join(off.provides) or None,
        }
    )
    return 0
