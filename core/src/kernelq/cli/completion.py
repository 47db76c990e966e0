"""Print the completion script of a shell.

The shell asks ``kernelq`` itself at each Tab; names and summaries come from entry points, so no plugin is imported.
"""

from __future__ import annotations

import click
from click.shell_completion import ShellComplete, get_completion_class

SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion script of SHELL.

    \b
    bash:  echo 'eval "$(kernelq completion bash)"' >> ~/.bashrc
    zsh:   echo 'eval "$(kernelq completion zsh)"' >> ~/.zshrc
    fish:  kernelq completion fish > ~/.config/fish/completions/kernelq.fish
    """
    cls = get_completion_class(shell)
    assert cls is not None  # SHELLS are click's own three
    complete = cls(ctx.find_root().command, {}, "kernelq", "_KERNELQ_COMPLETE")
    click.echo(ShellComplete.source(complete))  # the base class's: bash's own starts a bash to ask its version
