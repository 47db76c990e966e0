"""What a command prints: data on stdout in the format asked for, talk on stderr."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TextIO

import click

FORMATS = ("table", "json", "jsonl", "plain")
GAP = "  "

Row = Mapping[str, Any]


def wants_color(stream: TextIO, forbidden: bool = False) -> bool:
    """Tell whether `stream` may be coloured: a terminal, not a dumb one, without NO_COLOR or --no-color."""
    if forbidden or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return stream.isatty()


def speaks_unicode(stream: TextIO) -> bool:
    """Tell whether `stream` can carry line-drawing characters."""
    try:
        "│●…─╯".encode(stream.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def columns() -> int:
    """Return the terminal's width in columns; ``COLUMNS`` wins, and 100 where there is no terminal."""
    return max(20, shutil.get_terminal_size((100, 24)).columns)


class Output:
    """Where and how a command prints.

    `format` is one of `FORMATS`, or a format of the command's own.
    """

    def __init__(self, format: str = "table", *, quiet: bool = False, no_color: bool = False) -> None:
        self.format = format
        self.quiet = quiet
        self.color = wants_color(sys.stdout, no_color)
        self.unicode = speaks_unicode(sys.stdout)

    def say(self, text: str) -> None:
        """Tell a person something, on stderr; silent under ``-q``."""
        if not self.quiet:
            click.echo(text, err=True)

    def write(self, text: str) -> None:
        """Print data as it is; what the terminal's encoding lacks is escaped (click would write UTF-8 to ASCII)."""
        if not self.unicode:
            encoding = sys.stdout.encoding or "ascii"
            text = text.encode(encoding, "backslashreplace").decode(encoding)
        click.echo(text, color=self.color)

    def style(self, text: str, **how: Any) -> str:
        """Return `text` in colour where the terminal takes it: ``style(text, fg="red", bold=True)``."""
        return click.style(text, **how) if self.color else text

    def value(self, value: Any) -> None:
        """Print one value: JSON, indented for people; a string as it is, under `table` and `plain`."""
        if isinstance(value, str) and self.format in ("table", "plain"):
            self.write(value)
        else:
            self.write(dumps(value, indent=2 if self.format in ("table", "json") else None))

    def rows(self, rows: Iterable[Row], titles: Sequence[str]) -> None:
        """Print rows, each a mapping with the keys `titles`; under `plain` tab-separated and without titles."""
        for line in self.lines(rows, titles):
            self.write(line)

    def lines(self, rows: Iterable[Row], titles: Sequence[str]) -> list[str]:
        """Return what `rows` prints."""
        rows = list(rows)
        if self.format == "json":
            return [dumps(rows, indent=2)]
        if self.format == "jsonl":
            return [dumps(row) for row in rows]
        if self.format == "plain":
            return ["\t".join(clean(_cell(row.get(title))) for title in titles) for row in rows]
        return table(rows, titles, self)

    def mapping(self, values: Mapping[str, Any], titles: tuple[str, str] = ("name", "value")) -> None:
        """Print names and values: an object in JSON, else two columns."""
        if self.format in ("json", "jsonl"):
            self.value(values)
        else:
            name, value = titles
            self.rows([{name: key, value: one} for key, one in values.items()], titles)


def dumps(value: Any, indent: int | None = None) -> str:
    """Return JSON that stdout can carry; what JSON does not know is shown by its repr."""
    return json.dumps(value, indent=indent, ensure_ascii=not speaks_unicode(sys.stdout), default=repr)


def table(rows: Sequence[Row], titles: Sequence[str], out: Output) -> list[str]:
    """Return aligned lines under a line of titles; numbers stand to the right. The last column is not cut."""
    cells = [[clean(_cell(row.get(title))) for title in titles] for row in rows]
    right = [bool(rows) and all(_is_number(row.get(title)) for row in rows) for title in titles]
    widths = [max([len(title), *(_width(line[n]) for line in cells)]) for n, title in enumerate(titles)]
    header = GAP.join(_pad(title.upper(), widths[n], right[n]) for n, title in enumerate(titles)).rstrip()
    body = [GAP.join(_pad(cell, widths[n], right[n]) for n, cell in enumerate(line)).rstrip() for line in cells]
    return [out.style(header, bold=True), *body]


def clean(text: str) -> str:
    """Return `text` on one line and without control characters: what a worker or a sender wrote steers no terminal."""
    flat = text.replace("\t", " ").replace("\r", " ").replace("\n", " ")
    if flat.isprintable():
        return flat
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in flat)


def _width(text: str) -> int:
    if text.isascii():
        return len(text)
    from rich.cells import cell_len  # 40 ms; only for wide characters

    return cell_len(text)


def _pad(text: str, width: int, right: bool) -> str:
    fill = " " * (width - _width(text))
    return fill + text if right else text + fill


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value if isinstance(value, str) else dumps(value) if isinstance(value, dict | list) else str(value)
