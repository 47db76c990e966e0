"""Settings that are options of `kernelq worker`."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, Literal

import attrs
import click
import pytest
from click.testing import CliRunner

from kernelq.kernel.discovery import Discovery
from kernelq.kernel.errors import PluginBroken
from kernelq.kernel.hooks import hookimpl
from kernelq.kernel.settings import Settings, setting
from kernelq_worker import flags
from kernelq_worker.flags import FlaggedCommand
from kernelq_worker.options import WorkerSettings


@attrs.define(slots=False)
class ShopSettings:
    """Settings of a plugin that the worker does not know."""

    shop_span: str | None = setting(None, "how many, most first", option="--span=MAX,MIN")
    shop_open: bool = setting(False, "whether it is open", option="--open")
    shop_mode: Literal["quick", "calm"] = setting("calm", "how it goes on", option="-m/--mode")
    shop_quiet: str = setting("", "what has no option")


def command(*sections: type) -> click.Command:
    """A command with the options of plugins that declare these sections; it prints what was given."""

    @hookimpl
    def declare_settings(settings: Settings) -> None:
        for section in sections:
            settings.section(section)

    @click.command("run", cls=FlaggedCommand)
    @click.argument("words", nargs=-1)
    def run(words: tuple[str, ...], **options: Any) -> None:
        click.echo(flags.given(click.get_current_context()))

    run.discovery = Discovery(
        {"kernelq.hooks": {"shop": SimpleNamespace(declare_settings=declare_settings)}}, installed=False
    )
    return run


def answer(*words: str, sections: tuple[type, ...] = (WorkerSettings, ShopSettings)) -> str:
    return CliRunner().invoke(command(*sections), words).output


@pytest.mark.parametrize(
    ("words", "given"),
    [
        ([], {}),
        (["--span=6,1"], {"shop_span": "6,1"}),
        (["--span", "6"], {"shop_span": "6"}),
        (["--open"], {"shop_open": True}),
        (["-m", "quick"], {"shop_mode": "quick"}),
        (["-c", "3", "--time-limit", "1.5"], {"task_time_limit": 1.5, "worker_concurrency": 3}),
        (["-c", "auto"], {"worker_concurrency": "auto"}),
        (["-O", "default"], {"worker_optimization": "default"}),
    ],
)
def test_what_is_typed_is_given_as_the_setting_wants_it(words: list[str], given: dict[str, Any]) -> None:
    assert f"{given}\n" == answer(*words)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["-c", "0"], "'--concurrency': setting worker_concurrency (from command line) is 0: it must be a number"),
        (["-m", "slow"], "wants Literal['quick', 'calm'], not 'slow'"),
        (["--time-limit", "soon"], "wants float | None, not 'soon'"),
        (["-B"], "there is no option -B: this worker runs no beat inside a worker"),
        (["--autoscale=3"], "pip install 'kernelq[autoscale]'"),
        (["--opne"], "--open"),  # older versions of click quote it not
    ],
)
def test_what_is_wrong_is_told_as_a_mistake_of_usage(words: list[str], told: str) -> None:
    output = answer(*words)

    assert told in output
    assert "Usage: run" in output


def test_options_of_plugins_stand_in_a_section_of_their_own() -> None:
    own, _, foreign = answer("--help").partition("From plugins:")

    assert "-c, --concurrency N" in own
    assert "-O, --optimization fair|default" in own
    assert "--span" not in own
    assert "--span MAX,MIN         How many, most first." in foreign
    assert "-m, --mode quick|calm  How it goes on." in foreign
    assert "quiet" not in foreign


def test_without_such_plugins_there_is_no_section() -> None:
    assert "From plugins" not in answer("--help", sections=(WorkerSettings,))


def test_two_settings_that_want_the_same_spelling_are_an_error() -> None:
    @attrs.define(slots=False)
    class Rival:
        """Wants what another has."""

        rival_pool: str = setting("", "another pool", option="-P/--rival")

    with pytest.raises(PluginBroken, match="rival_pool declares the option -P, which setting worker_pool has"):
        CliRunner().invoke(command(Rival), ["--help"], catch_exceptions=False)


def test_values_are_completed() -> None:
    run = command(WorkerSettings)
    ctx = click.Context(run)
    (option,) = [param for param in run.get_params(ctx) if "-O" in param.opts]

    assert ["default"] == [item.value for item in option.type.shell_complete(ctx, option, "d")]


def test_the_worker_command_has_the_options_of_what_is_installed() -> None:
    from kernelq_worker.command import worker

    spelled = {name for param in worker.get_params(click.Context(worker)) for name in param.opts}

    assert {"-P", "-c", "-O", "--max-memory-per-child", "--prefetch-multiplier", "--start-method"} <= spelled
