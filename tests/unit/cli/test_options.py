"""The global options."""

from __future__ import annotations

import click
from click.testing import CliRunner

from kernelq.cli.options import with_global_options
from kernelq.cli.state import pass_cli


def test_the_broker_option_wins_and_is_the_source(app, run):
    run("config", "show", "-b", "memory://")
    assert ("memory://", "command line") == (app.conf.broker_url, app.conf.source("broker_url"))


def test_a_command_keeps_an_option_of_its_own_spelling_and_is_not_changed():
    seen = []
    own = click.Command(
        "own",
        params=[click.Option(["-o", "--order"]), click.Option(["--app"])],
        callback=lambda **given: seen.append(given),
    )
    extended = with_global_options(own)
    CliRunner().invoke(extended, ["-o", "5", "--app", "mine", "--output", "json", "-q"])
    assert [{"order": "5", "app": "mine"}] == seen
    assert 2 == len(own.params)


def test_the_commands_below_a_group_take_them_too():
    seen = []
    group = click.Group(
        "group", commands={"one": click.Command("one", callback=pass_cli(lambda cli: seen.append(cli.given)))}
    )
    CliRunner().invoke(with_global_options(group), ["-b", "a://", "one", "--broker", "b://", "-q"])
    assert [{"broker": "b://", "quiet": True}] == seen
