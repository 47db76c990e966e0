"""Groups of commands: with did-you-mean; the root's are found by entry point and loaded when called."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

import click
from click.shell_completion import CompletionItem

from kernelq.cli.options import with_global_options
from kernelq.cli.summary import summary
from kernelq.kernel.discovery import Discovery
from kernelq.kernel.errors import PluginBroken, did_you_mean

GROUP = "kernelq.cli"


class Group(click.Group):
    """A group of commands that suggests the nearest name for an unknown one."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command named by the first argument."""
        name = args[0]
        known = self.list_commands(ctx)
        if name not in known and not name.startswith("-") and not ctx.resilient_parsing:
            raise click.UsageError(f"there is no command {name!r}.{did_you_mean(name, known)}", ctx=ctx)
        return super().resolve_command(ctx, args)


class PluginGroup(Group):
    """The commands of the entry-point group ``kernelq.cli``.

    A command's name is its entry point's; its line in the help is the first line of its module's docstring, so that
    help and completion import no plugin.
    """

    discovery: Discovery | None = None

    @cached_property
    def _found(self) -> Discovery:
        return self.discovery or Discovery()

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names, sorted."""
        return sorted({*self.commands, *self._found.names(GROUP)})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load one command, and let it take the global options."""
        if cmd_name in self.commands:
            return self.commands[cmd_name]
        if cmd_name not in self._found.names(GROUP):
            return None
        command = self._found.load(GROUP, cmd_name, wanted_by="the command line")
        if not isinstance(command, click.Command):
            raise PluginBroken(
                f"the command {cmd_name!r} is {command!r}, which is no click command; let its entry point name one"
            )
        self.commands[cmd_name] = with_global_options(command)
        return self.commands[cmd_name]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands with their summaries, loading none."""
        lines = list(self._summaries())
        if lines:
            with formatter.section("Commands"):
                formatter.write_dl(lines)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete a command's name, loading none, or an option."""
        commands = [CompletionItem(n, help=text) for n, text in self._summaries() if n.startswith(incomplete)]
        return commands + click.Command.shell_complete(self, ctx, incomplete)

    def _summaries(self) -> Iterable[tuple[str, str]]:
        seen: set[str] = set()
        for one in self._found.found(GROUP):
            if one.name not in seen:
                seen.add(one.name)
                yield one.name, summary(one.value)
