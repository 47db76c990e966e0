"""Show a task's result by its id, or wait for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from kernelq import states
from kernelq.cli.state import Cli, pass_cli

if TYPE_CHECKING:
    from kernelq.result import AsyncResult


@click.command()
@click.argument("task_id", metavar="ID")
@click.option("--traceback", is_flag=True, help="Print the traceback of a failed task instead.")
@click.option("-w", "--wait", is_flag=True, help="Wait until the task has ended.")
@click.option("--timeout", type=float, metavar="SECONDS", help="How long --wait waits; default: for ever.")
@pass_cli
def result(cli: Cli, task_id: str, traceback: bool, wait: bool, timeout: float | None) -> int:
    """Print the result of the task ID.

    Exits with 0 where the task succeeded, with 1 where it failed or has not ended, with 5 where --wait took too long.
    """
    found = cli.app.AsyncResult(task_id)
    if wait:
        wait_for(found, timeout)
    return show(cli, found, traceback)


def wait_for(result: AsyncResult[Any], timeout: float | None) -> None:
    """Block until the task has ended. Raises `TimeoutError` after `timeout` seconds; a failure is not raised."""
    result.get(timeout=timeout, propagate=False)


def show(cli: Cli, result: AsyncResult[Any], traceback: bool) -> int:
    """Print a result as data and the rest as talk; return the exit code."""
    state, value = result.state, result.result
    if cli.out.format in ("json", "jsonl"):
        failed = isinstance(value, BaseException)
        cli.out.value(
            {
                "task_id": result.id,
                "state": state,
                "result": None if failed else value,
                "error": _sentence(value) if failed else None,
                "traceback": result.traceback,
            }
        )
    elif traceback:
        cli.out.value(result.traceback or "")
    elif state == states.SUCCESS:
        cli.out.value(value)
    elif state in states.READY_STATES:
        click.echo(f"{result.id} is {state}: {_sentence(value)}", err=True)
    else:
        unknown = "; no worker has reported on it, or nobody sent it" if state == states.PENDING else ""
        click.echo(f"{result.id} is {state}{unknown}", err=True)
    return 0 if state == states.SUCCESS else 1


def _sentence(error: Any) -> str:
    return f"{type(error).__name__}: {error}" if isinstance(error, BaseException) else str(error)
