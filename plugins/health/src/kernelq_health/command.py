"""Ask a worker of this machine whether it is live, ready, started."""

from __future__ import annotations

import os

import click

from kernelq.cli.state import Cli, pass_cli
from kernelq_health import probe


@click.command()
@click.argument("question", type=click.Choice(probe.QUESTIONS), default="live")
@click.option("--port", type=click.IntRange(1, 65535), help=f"Its --health-port; else {probe.PORT}.")
@click.option("--host", help=f"Its worker_health_host; else {probe.HOST}, else 127.0.0.1.")
@click.option("--file", "path", metavar="PATH", help=f"Its --health-file, in place of a port; else {probe.FILE}.")
@click.option("--timeout", type=click.FloatRange(min=0, min_open=True), default=5.0, help="Seconds to wait.")
@pass_cli
def health(cli: Cli, question: str, port: int | None, host: str | None, path: str | None, timeout: float) -> int:
    """Ask a worker of this machine how it is: live, ready or started.

    Neither the app nor the broker is asked. Exits with 0 for yes, and with 1 for no or where nobody answers. For probes
    that run every few seconds there is `kernelq-health`, which does the same and costs a third.
    """
    words = [question, f"--timeout={timeout}"]
    given = {"--port": port, "--host": host, "--file": path}
    words += [f"{name}={value}" for name, value in given.items() if value is not None]
    code, said = probe.answer(words, dict(os.environ))
    if code == 2:
        raise click.UsageError("say where it answers: --port or --file")
    if code == 0 or cli.out.format == "json":
        cli.out.write(said)
    else:
        cli.out.say(said)
    return code
