"""Print what a bug report should hold, without secrets."""

from __future__ import annotations

import platform
import sys
from typing import Any

import click

from kernelq import brokers
from kernelq._version import __version__
from kernelq.cli.state import Cli, pass_cli


@click.command()
@pass_cli
def report(cli: Cli) -> int:
    """Print versions, platform, plugins, and the settings that were changed; passwords are hidden."""
    app = cli.app
    app.finalize()
    found = [one for group in app.discovery.groups() for one in app.discovery.found(group)]
    facts: dict[str, Any] = {
        "kernelq": __version__,
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "executable": sys.executable,
        "platform": platform.platform(),
        "app": app.main,
        "broker": brokers.shown(app),
        "results": app.backend.safe_url() if app.backend is not None else "disabled",
        "plugins": sorted({f"{one.distribution} {one.version}".strip() for one in found}),
        "settings": app.conf.as_dict(redact=True, changed=True),
    }
    if cli.out.format != "table":
        cli.out.mapping(facts)
        return 0
    for name, value in facts.items():
        _show(cli, name, value)
    return 0


def _show(cli: Cli, name: str, value: Any) -> None:
    title = cli.out.style(f"{name}:", bold=True)
    if isinstance(value, list):
        value = dict.fromkeys(value)
    if not isinstance(value, dict):
        cli.out.write(f"{title} {value}")
        return
    cli.out.write(title)
    for key, one in value.items():
        cli.out.write(f"  {key}" if one is None and name == "plugins" else f"  {key} = {one!r}")
