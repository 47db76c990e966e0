"""Start, stop and restart several workers of this machine."""

from __future__ import annotations

import shlex
from collections.abc import Callable

import click

from kernelq.cli.state import Cli, pass_cli
from kernelq.kernel.errors import did_you_mean
from kernelq_multi.arguments import Arguments, Options, parse
from kernelq_multi.cluster import Cluster
from kernelq_multi.node import Node
from kernelq_multi.nodes import nodes
from kernelq_multi.told import Told

OWN = {"--nosplash": "nosplash", "--quiet": "quiet", "-q": "quiet", "--verbose": "verbose", "--no-color": "no_color"}
FROM_ROOT = {"app": "-A", "broker": "-b", "result_backend": "--result-backend", "config": "--config"}
"""Options of the root command that nodes are given, by name."""
SIGNALLED = {
    "stop": Cluster.stop,
    "stopwait": Cluster.stopwait,
    "stop_verify": Cluster.stopwait,
    "restart": Cluster.restart,
}
PLAIN = {"start": Cluster.start, "kill": Cluster.kill}
LISTING: dict[str, Callable[[Node], str]] = {
    "names": lambda node: node.name,
    "show": lambda node: shlex.join(node.line),
}
COMMANDS = (*PLAIN, *SIGNALLED, *LISTING, "get", "expand", "help")

USAGE = """\b
start NODES [OPTIONS]              start them, in the background
stop NODES [-SIGNAL]               send TERM, or another signal, and wait for nobody
stopwait NODES [-SIGNAL]           send it, and wait for the end of all
restart NODES [-SIGNAL] [OPTIONS]  stop them, and start each as soon as it has ended
kill NODES                         end them with KILL
show NODES [OPTIONS]               print the command lines that start them
names NODES                        print their names
expand TEMPLATE NODES              print the template with %n and its like filled in, for each
get NAME NODES [OPTIONS]           print what one of them is started with

NODES are a number (5: celery1 to celery5), a range (3-5) or names (images video@%h).
OPTIONS are those of `kernelq worker`; -c:1-3 10 is for the nodes 1 to 3, -Q:images media for the node images.
--pidfile and --logfile may hold %n (the name), %h, %d, %I; where none are given, they are %n.pid and %n%I.log in
the current folder, for root in /var/run/kernelq and /var/log/kernelq.

\b
--verbose   say the command lines too
--quiet     say nothing but errors
--nosplash  leave out the first line"""


class Untouched(click.Command):
    """A command whose words are its own: options may be for some nodes only, which no parser of options knows."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take all of them."""
        if args[:1] in (["--help"], ["-h"], ["help"], []):
            click.echo(self.get_help(ctx), color=ctx.color)
            ctx.exit(0 if args else 2)
        ctx.params["words"] = tuple(args)
        return []

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        """Return what stands behind the name in the usage."""
        return ["COMMAND NODES [OPTIONS]"]


@click.command(cls=Untouched, help=f"Start, stop and restart several workers of this machine.\n\n{USAGE}")
@pass_cli
def multi(cli: Cli, words: tuple[str, ...]) -> int:
    """Do what was typed; return the exit code."""
    own = {OWN[word] for word in words if word in OWN}
    command, *rest = [word for word in words if word not in OWN] or [""]
    if command not in COMMANDS:
        raise click.UsageError(f"there is no command {command!r}.{did_you_mean(command, COMMANDS)}")
    quiet = "quiet" in own or cli.quiet
    told = Told(lambda text: click.echo(text, err=True), quiet, "verbose" in own, "nosplash" in own)
    if command in ("get", "expand"):
        if not rest:
            raise click.UsageError(f"say what to {command}")
        return _one(cli, command, rest.pop(0), _nodes(cli, parse(rest)))
    arguments = parse(rest, signals=command in SIGNALLED)
    several = _nodes(cli, arguments)
    if command in LISTING:
        for node in several:
            cli.out.write(LISTING[command](node))
        return 0
    told.splash()
    cluster = Cluster(several, told)
    if command in PLAIN:
        return int(not PLAIN[command](cluster))
    return int(not SIGNALLED[command](cluster, *([arguments.signal] if arguments.signal else [])))


def _nodes(cli: Cli, arguments: Arguments) -> list[Node]:
    if not arguments.names:
        raise click.UsageError("say which nodes: a number, a range like 3-5, or names")
    given: Options = {option: cli.given[name] for name, option in FROM_ROOT.items() if cli.given.get(name)}
    return nodes(arguments, given)


def _one(cli: Cli, command: str, what: str, several: list[Node]) -> int:
    if command == "expand":
        for node in several:
            cli.out.write(node.expand(what))
        return 0
    found = next((node for node in several if what in (node.name, node.name.partition("@")[0])), None)
    if found is None:
        cli.out.say(f"there is no node {what!r}; there are {', '.join(node.name for node in several)}")
        return 1
    cli.out.write(shlex.join(found.argv))
    return 0
