"""What the pages show is run."""

from __future__ import annotations

from pathlib import Path

import pytest
from page import Block, Reader, blocks, commands, matches

DOCS = Path(__file__).parents[2] / "docs"
ROOT = DOCS.parent
PAGES = [ROOT / "README.md", *sorted(path for path in DOCS.rglob("*.md") if "examples" not in path.parts)]


@pytest.mark.timeout(400)  # a loaded machine takes its time for the dozens of commands of a page
@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_can_be_followed(page: Path, tmp_path: Path):
    """Every file is written, every block run, every command typed, and each prints what is shown."""
    reader = Reader(tmp_path)
    try:
        for block in blocks(page):
            reader.follow(block)
    finally:
        reader.close()


def test_the_pages_show_something():
    """Else the test above would hold nothing."""
    shown = [block for page in PAGES for block in blocks(page)]

    assert len([block for block in shown if block.kind == "python"]) >= 10
    assert len([block for block in shown if block.kind == "console"]) >= 4


def test_a_block_that_fails_fails_the_page(tmp_path: Path):
    """The reader is able to fail."""
    with pytest.raises(AssertionError, match="ZeroDivisionError"):
        Reader(tmp_path).follow(Block("python", None, "1 / 0", 1))
    with pytest.raises(AssertionError, match="printed:\nfour"):
        Reader(tmp_path).follow(Block("console", None, "$ echo four\nfive\n", 1))


def test_a_console_block_is_read_as_commands_with_their_output():
    """Lines without `$` belong to the command before them; `...` stands for anything."""
    block = Block("console", None, "$ one\n$ two\nfirst\nsecond\n", 1)

    assert [("one", []), ("two", ["first", "second"])] == list(commands(block))
    assert matches(["a...z", "end"], "a b\nc z\nend\n")
    assert not matches(["a...z", "end"], "a b\nc z\n")
