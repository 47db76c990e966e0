"""A command knows its usage and checks what it is given before it is called."""

from __future__ import annotations

import pytest

from kernelq.command import CommandKind, control_command, inspect_command
from kernelq.kernel.keys import Context


@control_command()
def shout(ctx, word, times=1):
    """Say a word several times.

    And more about it.
    """
    return {"ok": " ".join([word] * times)}


def test_a_command_takes_name_summary_and_usage_from_its_function():
    """What the command line shows is written once."""
    assert ("shout", CommandKind.CONTROL) == (shout.name, shout.kind)
    assert "Say a word several times." == shout.summary
    assert "shout WORD [TIMES]" == shout.usage()


def test_a_command_can_have_a_name_of_its_own():
    """The function's name may be taken."""
    named = inspect_command("where")(lambda ctx: None)

    assert ("where", CommandKind.INSPECT) == (named.name, named.kind)


def test_arguments_that_fit_are_handed_over():
    """By name, as they come over the wire."""
    assert {"ok": "hi hi"} == shout(Context(), word="hi", times=2)


def test_arguments_that_do_not_fit_tell_the_usage():
    """The function is not called."""
    with pytest.raises(TypeError, match=r"control shout: .*volume.*; usage: shout WORD \[TIMES\]"):
        shout(Context(), word="hi", volume=11)
