"""Writes the reference pages from the code when the documentation is built, so that they cannot differ from it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import click

from kernelq.cli.remote_arguments import described
from kernelq.command import Command
from kernelq.conf import default_of
from kernelq.kernel import hookspecs
from kernelq.kernel.discovery import Discovery
from kernelq.kernel.hooks import NAMES

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

GROUPS = {
    # group: (what its entry points resolve to, who loads which of them)
    "kernelq.backends": ("a `ResultBackend` factory, by URL scheme", "the first result that is stored or asked for"),
    "kernelq.cli": ("a click command", "`kernelq`, the one that is named"),
    "kernelq.commands": ("a function marked `@inspect_command` or `@control_command`", "the Control step, all"),
    "kernelq.gates": ("a `Gate` factory", "the worker, those named in its settings"),
    "kernelq.hooks": ("a module or an object with hook implementations", "the app when it is finalised, all"),
    "kernelq.pools": ("a `Pool` factory", "the worker, the one named by `--pool`"),
    "kernelq.steps.consumer": ("a `Step` class", "the consumer blueprint, all"),
    "kernelq.steps.worker": ("a `Step` class", "the worker blueprint, all"),
    "kernelq.strategies": ("a `Strategy`", "the worker, those named by tasks and settings"),
    "kernelq.transports": ("a `Transport` factory, by URL scheme", "the first connection"),
    "kernelq.views": ("a `View`, what shows a cluster live", "`kernelq events`, the one named `live`"),
    "kernelq.workers": ("the class of a worker", "`kernelq worker`, the one named `default`"),
}


def settings_page() -> str:
    """Return the page of all settings, those of the installed plugins included."""
    from kernelq import KernelQ

    app = KernelQ("docs")
    app.finalize()
    lines = [
        "# Settings",
        "",
        "Set them by `KernelQ(…, name=value)` or `app.conf.update(name=value)`. A name that does not exist is an error "
        "that suggests the nearest one, and so is a value of the wrong type.",
        "",
    ]
    fields = sorted((field for _, field in app.conf._fields()), key=lambda field: field.name)
    for field in fields:
        default = default_of(field)
        shown = getattr(default, "__name__", None) or repr(default)
        kind = getattr(field.type, "__name__", None) or str(field.type)
        lines += [f"## {field.name}", "", f"{_sentence(field.metadata['doc'])}", ""]
        lines += [
            f"Type `{kind}`, default `{shown}`." + " A password in it is never shown." * field.metadata["secret"],
            "",
        ]
    app.close()
    return "\n".join(lines)


def hooks_page() -> str:
    """Return the page of all hooks."""
    import inspect

    lines = ["# Hooks", "", _text(hookspecs.__doc__), ""]
    for name, doc in DOCS.items():
        arguments = ", ".join(inspect.signature(getattr(hookspecs, name)).parameters)
        kind = "A decision: the first answer counts." if name in hookspecs.DECISIONS else ""
        lines += [f"## {name}", "", f"`{name}({arguments})`", "", " ".join(filter(None, (_text(doc), kind))), ""]
    return "\n".join(lines)


def groups_page() -> str:
    """Return the page of all entry-point groups, with what this installation has in each."""
    discovery = Discovery()
    lines = ["# Groups", "", "An entry point in one of these groups is all it takes to add a part.", ""]
    for group, (what, who) in GROUPS.items():
        lines += [f"## {group}", "", f"Resolves to {what}. Loaded by {who}.", ""]
        lines += [f"- `{one.name}`, from {one.distribution}" for one in discovery.found(group)]
        lines += [""]
    return "\n".join(lines)


def commands_page() -> str:
    """Return the page of all commands that a running worker answers."""
    lines = [
        "# Commands",
        "",
        "What a running worker can be asked (`kernelq inspect …`) and told (`kernelq control …`). Arguments are given",
        "by place or as `name=value`, checked before they are sent; `kernelq inspect COMMAND --help` tells it.",
        "",
    ]
    for found in Discovery().found("kernelq.commands"):
        command: Command = found.load()
        lines += [f"## {command.name}", "", f"`kernelq {command.kind.value} {command.usage()}`", ""]
        lines += [_text(command.function.__doc__), ""]
        lines += [f"- `{name}`: {takes}" for name, takes in described(command)]
        lines += [""]
    return "\n".join(lines)


def cli_page() -> str:
    """Return the page of the whole command line."""
    from kernelq.cli.main import root
    from kernelq.cli.state import Cli

    lines = ["# Command line", ""]
    for context in _walk(click.Context(root, info_name="kernelq", obj=Cli())):
        with context.scope(cleanup=False):
            shown = context.command.get_help(context)
        lines += [f"## {context.command_path}", "", "```text", shown, "```", ""]
    return "\n".join(lines)


def _walk(context: click.Context) -> Iterator[click.Context]:
    yield context
    if isinstance(context.command, click.Group):
        for name in context.command.list_commands(context):
            command = context.command.get_command(context, name)
            if command is not None and not command.hidden:
                yield from _walk(click.Context(command, info_name=name, parent=context))


def _text(doc: str | None) -> str:
    import inspect

    return inspect.cleandoc(doc or "").replace("``", "`")


def _sentence(doc: str) -> str:
    return doc[:1].upper() + doc[1:] + ("" if doc.endswith(".") else ".")


DOCS = {name: getattr(hookspecs, name).__doc__ for name in sorted(NAMES)}

PAGES: dict[str, Callable[[], str]] = {
    "reference/settings.md": settings_page,
    "reference/hooks.md": hooks_page,
    "reference/groups.md": groups_page,
    "reference/commands.md": commands_page,
    "reference/cli.md": cli_page,
}


def on_files(files: Files, config: MkDocsConfig, **_: Any) -> Files:
    """Add the pages to those that mkdocs found."""
    from mkdocs.structure.files import File

    for path, page in PAGES.items():
        files.append(File.generated(config, path, content=page()))
    return files
