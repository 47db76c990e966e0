"""Words are checked against a command's signature before anything is sent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import click
import pytest

from kernelq.cli.remote_arguments import arguments, described, loose
from kernelq.command import control_command


@control_command()
def tune(
    ctx,
    name: str,
    size: int = 1,
    ratio: float | None = None,
    dry: bool = False,
    way: Literal["up", "down"] = "up",
    options: dict[str, Any] | None = None,
    extra=None,
):
    """Tune something.

    In several sentences.
    """


@control_command()
def gather(ctx, level: int, names: Sequence[str], deep: bool = False, kept: bool = False):
    """Gather names."""


@control_command()
def stamp(ctx, headers: dict[str, Any] | Sequence[str], terminate: bool = False, **options: Any):
    """Take stamps."""


@pytest.mark.parametrize(
    ("words", "given"),
    [
        (["12"], {"name": "12"}),
        (["a", "3", "1.5", "yes", "down"], {"name": "a", "size": 3, "ratio": 1.5, "dry": True, "way": "down"}),
        (["a", "ratio=2"], {"name": "a", "ratio": 2}),
        (["a", "ratio=null", "dry=0"], {"name": "a", "ratio": None, "dry": False}),
        (["a", 'options={"x": 1}'], {"name": "a", "options": {"x": 1}}),
        (["a", "extra=[1]"], {"name": "a", "extra": [1]}),
        (["a", "extra=word"], {"name": "a", "extra": "word"}),
    ],
)
def test_words_become_what_the_signature_wants(words, given):
    assert given == arguments(tune, words)


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ([], "NAME is missing"),
        (["a", "many"], "SIZE is a whole number, not 'many'"),
        (["a", "1.5"], "SIZE is a whole number, not '1.5'"),
        (["a", "true"], "SIZE is a whole number, not 'true'"),
        (["a", "ratio=half"], "RATIO is a number, not 'half'"),
        (["a", "dry=perhaps"], "DRY is true or false, not 'perhaps'"),
        (["a", "way=left"], "WAY is one of up, down, not 'left'"),
        (["a", "options=x"], "OPTIONS is a JSON object, not 'x'"),
        (["a", "1", "2", "no", "up", "{}", "x", "y"], "'y' is one argument too many"),
    ],
)
def test_what_does_not_fit_is_told_with_the_usage(words, problem):
    usage = "usage: kernelq control tune NAME [SIZE] [RATIO] [DRY] [WAY] [OPTIONS] [EXTRA]"
    with pytest.raises(click.UsageError) as told:
        arguments(tune, words)

    assert f"{problem}; {usage}" == told.value.message


def test_several_words_go_to_one_argument():
    assert {"level": 2, "names": ["a", "1"], "deep": True} == arguments(gather, ["2", "a", "1", "deep=true"])
    assert {"level": 2, "names": ["a", "b"]} == arguments(gather, ["level=2", "names=a", "b"])
    assert {"level": 2, "names": ["a", "b"]} == arguments(gather, ["2", 'names=["a", "b"]'])


def test_stamps_are_words_or_an_object():
    assert {"headers": ["customer=acme", "batch=7"]} == arguments(stamp, ["headers=customer=acme", "headers=batch=7"])
    assert {"headers": {"customer": "acme"}} == arguments(stamp, ['headers={"customer": "acme"}'])


def test_what_clients_add_by_themselves_is_not_typed():
    assert "gather LEVEL NAMES [DEEP]" == gather.usage()
    with pytest.raises(click.UsageError, match="NAMES is missing"):
        arguments(gather, ["1"])


def test_the_help_tells_what_each_argument_takes():
    assert [
        ("NAME", "text"),
        ("[SIZE]", "a whole number; 1 unless given"),
        ("[RATIO]", "a number"),
        ("[DRY]", "true or false; false unless given"),
        ("[WAY]", "one of up, down; up unless given"),
        ("[OPTIONS]", "a JSON object"),
        ("[EXTRA]", "anything; numbers, true, lists and objects as JSON"),
    ] == described(tune)
    assert ("NAMES", "text, several") == described(gather)[1]
    assert "NAME=VALUE" == described(stamp)[-1][0]


def test_without_a_signature_every_argument_is_named():
    assert {"a": 1, "b": "x"} == loose(["a=1", "b=x"])
    with pytest.raises(click.UsageError, match="name=value"):
        loose(["a"])
