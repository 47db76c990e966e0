"""The pictures of the pages are made by the code that they show."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


async def test_the_live_view_is_pictured_as_it_is_now():
    """Its titles, workers, tasks and keys; the rest of an SVG changes with the library that draws it."""
    spec = importlib.util.spec_from_file_location("pictures", DOCS / "_hooks/pictures.py")
    pictures = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(pictures)

    assert words(await pictures.live_view()) == words((DOCS / "images/live-view.svg").read_text())


def words(svg: str) -> set[str]:
    """Return the words in a picture, but for moments: they are shown in the time zone of the machine."""
    texts = " ".join(re.findall(r"<text[^>]*>([^<]*)</text>", svg)).replace("&#160;", " ")
    return {word for word in texts.split() if re.search("[a-z]{3}", word)}


def test_every_picture_is_on_a_page():
    """And every one that a page shows is there."""
    pages = "\n".join(path.read_text() for path in DOCS.rglob("*.md"))
    shown = set(re.findall(r"images/([\w.-]+)", pages))

    assert {path.name for path in (DOCS / "images").iterdir()} == shown
