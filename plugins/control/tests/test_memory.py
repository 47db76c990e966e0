"""Commands for who looks for a leak."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from kernelq_control.commands import memory


def test_samples_are_remembered_until_they_are_shown(node: Any) -> None:
    """The words are those of Celery's workers (celery/utils/debug.py)."""
    seen = node.call("memsample")

    assert f"- rss (sample):\n-    > {seen},\n- rss (end): " in node.call("memdump")
    assert node.call("memdump").startswith("- rss (end): ")


def test_of_many_samples_some_are_shown(node: Any) -> None:
    for _ in range(12):
        node.call("memsample")

    assert 3 == node.call("memdump", {"samples": 3}).count(">")


@pytest.mark.parametrize("samples", [0, -1, "ten", True, None])
def test_what_is_no_number_of_samples_is_told(node: Any, samples: Any) -> None:
    assert "samples is a number above 0" in node.call("memdump", {"samples": samples})["error"]


def test_without_the_library_objgraph_says_what_to_install(node: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "objgraph", None)

    assert "pip install 'kernelq-control[objgraph]'" in node.call("objgraph")["error"]


def test_with_it_a_picture_is_written(node: Any) -> None:
    picture = Path(node.call("objgraph", {"type": "Node", "num": 5, "max_depth": 2})["filename"])
    try:
        assert picture.read_text().startswith("digraph")
    finally:
        picture.unlink()


def test_sizes_are_written_for_people() -> None:
    assert memory.resident()[-2:] in ("KB", "MB", "GB")
