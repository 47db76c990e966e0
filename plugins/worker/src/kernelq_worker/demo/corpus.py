"""Text files to count words in: a folder that is given, or Python's own library, which every machine has."""

from __future__ import annotations

import sysconfig
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from kernelq.kernel.errors import ConfigurationError

SUFFIXES = {".py", ".txt", ".md", ".rst"}
BIGGEST = 200_000  # bytes; larger ones are data rather than text


def text_files(folder: Path | None, most: int) -> list[str]:
    """Return at most `most` text files below `folder`, in a fixed order.

    Raises `ConfigurationError` where there is no folder, or no text in it.
    """
    root = folder or Path(sysconfig.get_path("stdlib"))
    if not root.is_dir():
        raise ConfigurationError(f"the demo wants a folder with text files, and {root} is none; type: kernelq demo DIR")
    found = [str(path) for path in islice(_texts(root), most)]
    if not found:
        raise ConfigurationError(f"{root} has no text files ({', '.join(sorted(SUFFIXES))}); name another folder")
    return found


def _texts(root: Path) -> Iterator[Path]:
    for path in sorted(root.rglob("*")):
        if path.suffix in SUFFIXES and path.is_file() and path.stat().st_size < BIGGEST:
            yield path
