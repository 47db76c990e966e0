"""The command `kernelq`: the root of the command line, its exit codes, and how errors are told.

Exit codes: 0 ok, 1 negative answer or failure, 2 usage, 3 configuration or plugin, 4 unreachable, 5 timeout.
"""

from __future__ import annotations

import errno
import os
import sys
import traceback
from collections.abc import Sequence
from io import TextIOWrapper
from typing import Any, NoReturn

import click

from kernelq._version import __version__
from kernelq.cli.group import PluginGroup
from kernelq.cli.options import global_options
from kernelq.cli.output import speaks_unicode, wants_color
from kernelq.cli.state import Cli
from kernelq.kernel.errors import KernelQError

NEGATIVE = 1
USAGE = 2
TIMEOUT = 5
INTERRUPTED = 130


class Root(PluginGroup):
    """The root command. It turns every error into one clear sentence and an exit code."""

    def main(  # type: ignore[override]  # click's overloads tell standalone_mode apart; this always exits
        self, args: Sequence[str] | None = None, prog_name: str | None = None, **extra: Any
    ) -> NoReturn:
        """Run, print errors, and exit; a command may return its exit code."""
        extra.pop("standalone_mode", None)
        cli = Cli()
        if isinstance(sys.stdout, TextIOWrapper) and not speaks_unicode(sys.stdout):
            sys.stdout.reconfigure(errors="backslashreplace")  # what the terminal lacks is escaped, and no error
        try:
            code = super().main(args, prog_name or "kernelq", standalone_mode=False, obj=cli, **extra)
            sys.stdout.flush()
        except BaseException as error:  # noqa: BLE001 - told below by kind; what is no error for a person is raised again
            code = _told(error, cli)
        sys.exit(code if isinstance(code, int) and not isinstance(code, bool) else 0)


def _told(error: BaseException, cli: Cli) -> int:
    if isinstance(error, click.ClickException):
        error.show()
        return error.exit_code
    if isinstance(error, KeyboardInterrupt) or isinstance(error.__cause__, KeyboardInterrupt):
        return INTERRUPTED  # click wraps the key into an Abort
    if isinstance(error, click.Abort):
        say_error("not confirmed, so nothing was done; --yes does it without asking", cli)
        return NEGATIVE
    if isinstance(error, OSError) and error.errno == errno.EPIPE:
        # the reader has gone (`kernelq … | head`): end quietly, and let the interpreter's last flush fail nowhere
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    if isinstance(error, KernelQError | TimeoutError):
        if cli.with_traceback:
            traceback.print_exception(error)
        say_error(str(error) or type(error).__name__, cli)
        return error.exit_code if isinstance(error, KernelQError) else TIMEOUT
    raise error


def say_error(text: str, cli: Cli) -> None:
    """Print an error on stderr, marked as one."""
    mark = "error:"
    if wants_color(sys.stderr, bool(cli.given.get("no_color"))):
        mark = click.style(mark, fg="red", bold=True)
    click.echo(f"kernelq: {mark} {text}", err=True, color=True)


root = Root(
    name="kernelq",
    params=global_options(),
    help="KernelQ: a distributed task queue that boots a graph of plugins.",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
click.version_option(__version__, "-V", "--version", prog_name="kernelq", message="%(prog)s %(version)s")(root)


def main() -> NoReturn:
    """Run the command line with the process's arguments."""
    root.main()


if __name__ == "__main__":
    main()
