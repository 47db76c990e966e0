"""The demo's app: count the words of one text file, and combine the counts."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from kernelq import KernelQ

WORD = re.compile(r"[A-Za-z]{4,}")

app = KernelQ("demo")
"""Broker and result store come from the environment, which the demo sets."""


@app.task
def count_words(path: str) -> dict[str, int]:
    """Return the thirty commonest words of a file, of four letters and more, with their counts."""
    text = Path(path).read_text(encoding="utf-8", errors="replace")
    return dict(Counter(WORD.findall(text.lower())).most_common(30))


@app.task
def combine(counts: list[dict[str, int]], most: int = 10) -> list[tuple[str, int]]:
    """Return the `most` commonest words over all counts."""
    total: Counter[str] = Counter()
    for one in counts:
        total.update(one)
    return total.most_common(most)
