"""What opens over the tables: all about one line, a question, a word to type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from kernelq.cli.output import clean


class Details(ModalScreen[None]):
    """All that is known of a worker or a task, field by field; texts of several lines keep them."""

    BINDINGS: ClassVar[list[BindingType]] = [("escape,q,i,enter", "dismiss", "close")]

    def __init__(self, title: str, fields: Mapping[str, Any]) -> None:
        super().__init__()
        self._title = title
        self._fields = fields

    def compose(self) -> ComposeResult:
        """Lay out the fields."""
        with VerticalScroll(classes="dialog wide") as box:
            box.border_title = Text(clean(self._title)).markup
            for name, value in self._fields.items():
                lines = "\n".join(clean(line) for line in str(value).split("\n"))
                yield Static(Text.assemble((f"{name:>12}  ", "bold"), lines))


class Confirm(ModalScreen[bool]):
    """Asks before something is ended."""

    BINDINGS: ClassVar[list[BindingType]] = [
        ("y,enter", "dismiss(True)", "yes"),
        ("n,escape,q", "dismiss(False)", "no"),
    ]

    def __init__(self, question: str) -> None:
        super().__init__()
        self._question = question

    def compose(self) -> ComposeResult:
        """Lay out the question."""
        with Vertical(classes="dialog"):
            yield Static(Text(clean(self._question)))
            yield Static(Text("y  yes     n  no", style="bold"))


class Ask(ModalScreen[str | None]):
    """Asks for a word; None where the person thinks better of it."""

    BINDINGS: ClassVar[list[BindingType]] = [("escape", "dismiss(None)", "cancel")]

    def __init__(self, question: str, example: str) -> None:
        super().__init__()
        self._question = question
        self._example = example

    def compose(self) -> ComposeResult:
        """Lay out the question and the line to type in."""
        with Vertical(classes="dialog"):
            yield Static(Text(clean(self._question)))
            yield Input(placeholder=self._example)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Take the word."""
        self.dismiss(event.value.strip() or None)
