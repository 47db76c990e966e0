"""A table that follows what it shows: rows come, change and go, and the selected one stays selected."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from rich.text import Text
from textual.widgets import DataTable

from kernelq_monitor.rows import MOST, Column, ordered


class Listing(DataTable[Text]):
    """Workers or tasks, sorted by one of `columns`. While it is `following`, the first row is the selected one."""

    def __init__(
        self, columns: Sequence[Column], name_of: Callable[[Any], str], *, id: str, reverse: bool, following: bool
    ) -> None:
        super().__init__(id=id, cursor_type="row", zebra_stripes=True)
        self.shown_columns = columns
        self.sorted_by = 0
        self.reverse = reverse
        self.following = following
        self._name_of = name_of
        self._rows: dict[str, list[Text]] = {}
        self._placed: str | None = None
        self._headed: tuple[int, bool] | None = None

    @property
    def selected(self) -> str | None:
        """The name of the selected row."""
        names = list(self._rows)
        return names[self.cursor_row] if 0 <= self.cursor_row < len(names) else None

    def sort_next(self) -> None:
        """Sort by the next column."""
        self.sorted_by = (self.sorted_by + 1) % len(self.shown_columns)

    def follow(self) -> None:
        """Keep to the first row from now on."""
        self.following = True
        self._placed = self.selected

    def show(self, records: Iterable[Any]) -> None:
        """Show these; whoever has moved the cursor since the last time follows no longer."""
        if self.selected != self._placed:
            self.following = False
        selected = self.selected
        column = self.shown_columns[self.sorted_by]
        rows = {
            self._name_of(one): [each.cell(one) for each in self.shown_columns]
            for one in ordered(records, column, self.reverse)[:MOST]
        }
        if self._headed == (self.sorted_by, self.reverse) and list(rows) == list(self._rows):
            self._update(rows)
        else:
            self._replace(rows)
        self._place(None if self.following else selected)

    def _update(self, rows: dict[str, list[Text]]) -> None:
        for name, cells in rows.items():
            for column, before, now in zip(self.shown_columns, self._rows[name], cells, strict=True):
                if before != now:
                    self.update_cell(name, column.title, now, update_width=True)
        self._rows = rows

    def _replace(self, rows: dict[str, list[Text]]) -> None:
        self.clear(columns=True)
        for number, column in enumerate(self.shown_columns):
            mark = (" ▼" if self.reverse else " ▲") if number == self.sorted_by else ""
            self.add_column(Text(column.title + mark, justify="right" if column.right else "left"), key=column.title)
        for name, cells in rows.items():
            self.add_row(*cells, key=name)
        self._rows = rows
        self._headed = self.sorted_by, self.reverse

    def _place(self, name: str | None) -> None:
        names = list(self._rows)
        row = names.index(name) if name in names else 0
        if names:
            self.move_cursor(row=row)
        self._placed = names[row] if names else None
