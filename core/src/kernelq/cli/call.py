"""Send a task by its name, and wait for it if asked."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, TypeVar

import click

from kernelq.cli.result import show, wait_for
from kernelq.cli.state import Cli, pass_cli

J = TypeVar("J")


def json_list(text: str) -> list[Any]:
    """Parse a JSON list; a usage error tells what is wrong and shows an example."""
    return _json(text, list, "a JSON list", "'[2, 3]'")


def json_object(text: str) -> dict[str, Any]:
    """Parse a JSON object; a usage error tells what is wrong and shows an example."""
    return _json(text, dict, "a JSON object", """'{"x": 2}'""")


def _json(text: str, kind: type[J], what: str, example: str) -> J:
    try:
        parsed = json.loads(text)
    except ValueError as error:
        raise click.BadParameter(f"{text!r} is not {what} ({error}); write it like {example}") from None
    if not isinstance(parsed, kind):
        raise click.BadParameter(f"{text!r} is not {what}; write it like {example}")
    return parsed


def time(text: str) -> datetime:
    """Parse ISO 8601 into an aware time; without an offset it is local."""
    try:
        return datetime.fromisoformat(text).astimezone()
    except ValueError:
        raise click.BadParameter(f"{text!r} is not a time like 2030-01-31T12:00:00+01:00") from None


def seconds_or_time(text: str) -> float | datetime:
    """Parse seconds from now, or a time in ISO 8601."""
    try:
        return float(text)
    except ValueError:
        return time(text)


@click.command()
@click.argument("name")
@click.option("-a", "--args", type=json_list, metavar="JSON", default="[]", help="Positional arguments, a JSON list.")
@click.option("-k", "--kwargs", type=json_object, metavar="JSON", default="{}", help="Named arguments, a JSON object.")
@click.option("--countdown", type=float, metavar="SECONDS", help="Not before so many seconds from now.")
@click.option("--eta", type=time, metavar="TIME", help="Not before this time, ISO 8601.")
@click.option("--expires", type=seconds_or_time, metavar="TIME", help="Not after it; or seconds from now.")
@click.option("-Q", "--queue", help="Send to this queue instead of the routed one.")
@click.option("--exchange", help="Send to this exchange.")
@click.option("--routing-key", help="Send with this routing key.")
@click.option("--priority", type=click.IntRange(0, 9), help="0 to 9, 9 the most urgent.")
@click.option("--serializer", help="How to encode the arguments.")
@click.option("--task-id", metavar="ID", help="The id to use instead of a new one.")
@click.option("-w", "--wait", is_flag=True, help="Wait, and print the result instead of the id.")
@click.option("--timeout", type=float, metavar="SECONDS", help="How long --wait waits; default: for ever.")
@pass_cli  # type: ignore[arg-type]  # mypy does not match **options with the decorator's ParamSpec
def call(
    cli: Cli, name: str, args: list[Any], kwargs: dict[str, Any], wait: bool, timeout: float | None, **options: Any
) -> int:
    """Send the task NAME and print its id.

    The task need not be installed here. Exits with 1 where a waited-for task failed, with 5 where it took too long.
    """
    given = {option: value for option, value in options.items() if value is not None}
    if "countdown" in given and "eta" in given:
        raise click.UsageError("--countdown and --eta exclude each other; type one of them")
    sent = cli.app.send_task(name, args, kwargs, **given)
    if not wait:
        cli.out.value({"task_id": sent.id} if cli.out.format in ("json", "jsonl") else sent.id)
        return 0
    cli.out.say(f"sent {sent.id}")
    wait_for(sent, timeout)
    return show(cli, sent, traceback=False)
