"""A command's line in the help comes from its module's first line, without importing it."""

from __future__ import annotations

import sys

import pytest

from kernelq.cli.summary import summary


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('"""Count sheep."""\n', "Count sheep."),
        ("# a comment\n\n'''Count sheep,\n\nslowly.'''\n", "Count sheep,"),
        ("import os\n", ""),
        ("", ""),
    ],
)
def test_the_first_line_of_the_docstring(tmp_path, monkeypatch, text, line):
    package = tmp_path / "sleepy"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('imported')\n")
    (package / "count.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    assert line == summary("sleepy.count:command")
    assert "sleepy" not in sys.modules


@pytest.mark.parametrize("value", ["no_such_module:x", "kernelq.cli.no_such:x", "sys:path", ""])
def test_what_has_no_source_has_no_summary(value):
    assert "" == summary(value)
