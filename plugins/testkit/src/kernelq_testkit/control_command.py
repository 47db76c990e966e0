"""ControlCommandConformance: what a running worker can be asked and told."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from kernelq.command import Command, CommandKind
from kernelq.kernel.keys import Context

if TYPE_CHECKING:
    from kernelq.kernel.keys import Key


class ControlCommandConformance:
    """Holds a command to `kernelq.command`.

    Subclass it with the fixtures `command`, `arguments` for one good call, and `values`: the worker's keys it reads.
    """

    longest = 1.0
    """Seconds that one call may take on a loaded machine: it is made in the worker's loop, and waits for nothing."""

    @pytest.fixture
    def command(self) -> Command:
        """Return the command. Override it."""
        raise NotImplementedError("give your subclass a fixture named command")

    @pytest.fixture
    def arguments(self) -> dict[str, Any]:
        """Return the arguments of one good call."""
        return {}

    @pytest.fixture
    def values(self) -> dict[Key[Any], Any]:
        """Return the worker's keys that the command reads."""
        return {}

    def test_it_is_a_command(self, command: Command) -> None:
        """Made by a decorator, with a name that can be typed and a first line that helps."""
        assert isinstance(command, Command)
        assert isinstance(command.kind, CommandKind)
        assert command.name.isidentifier()
        assert command.summary.strip(), "the function needs a docstring: its first line is shown in --help"
        assert command.usage().split()[0] == command.name

    def test_reply_is_json(self, command: Command, arguments: dict[str, Any], values: dict[Key[Any], Any]) -> None:
        """A good call answers with what JSON can carry; a control command with ``ok`` or ``error``."""
        reply = command(Context(values), **arguments)
        json.dumps(reply)
        if command.kind is CommandKind.CONTROL and reply is not None:
            assert isinstance(reply, dict)
            assert {"ok", "error"} & set(reply)
            assert "error" not in reply, f"the good call was answered with {reply}"

    def test_call_is_quick(self, command: Command, arguments: dict[str, Any], values: dict[Key[Any], Any]) -> None:
        """It does not hold up the loop, in the best of three calls: the machine may be busy with something else."""
        calls = []
        for _ in range(3):
            start = time.perf_counter()
            command(Context(values), **arguments)
            calls.append(time.perf_counter() - start)
        assert min(calls) < self.longest

    def test_wrong_arguments_tell_the_usage(self, command: Command, values: dict[Key[Any], Any]) -> None:
        """An unknown argument is refused with the usage; nothing is swallowed."""
        with pytest.raises(TypeError, match="usage: " + command.name):
            command(Context(values), no_such_argument=1)

    def test_inspect_changes_nothing(
        self, command: Command, arguments: dict[str, Any], values: dict[Key[Any], Any]
    ) -> None:
        """An inspect command writes no key, and answers the same question twice."""
        if command.kind is not CommandKind.INSPECT:
            return
        context = Context(values)
        keys = context.keys()
        first = command(context, **arguments)
        assert type(first) is type(command(context, **arguments))
        assert context.keys() == keys
