"""Which files are the project's: the modules that are neither Python's, nor installed, nor KernelQ's own."""

from __future__ import annotations

import os
import site
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from functools import cache

PASSED_OVER = frozenset({"__pycache__", "node_modules", "site-packages", "dist-packages"})
"""Folders that hold nothing of the project; so do those that begin with a dot, and virtual environments."""


def roots() -> tuple[list[str], list[str]]:
    """Return the folders that the project's modules are imported from, and those of its packages, both sorted.

    The first are watched as they are, the second with all that is below them.
    """
    tops: set[str] = set()
    packages: set[str] = set()
    for name, path in _loaded():
        folder = os.path.dirname(path)
        depth = name.count(".") + (os.path.basename(path) == "__init__.py")
        for _ in range(depth):
            packages.add(folder)
            folder = os.path.dirname(folder)
        tops.add(folder)
    return sorted(tops), sorted(packages)


def below(folder: str) -> Iterator[str]:
    """Yield `folder` and the folders below it that may hold code of the project."""
    for at, inner, names in os.walk(folder):
        if "pyvenv.cfg" in names and at != folder:
            inner.clear()
            continue
        inner[:] = sorted(name for name in inner if name not in PASSED_OVER and not name.startswith("."))
        yield at


def short(path: str) -> str:
    """Return a path as a person reads it: from the current folder where it is below that."""
    try:
        inside = os.path.relpath(path)
    except OSError:  # the current folder has gone
        return path
    return path if inside.startswith(os.pardir) else inside


def short_all(paths: Iterable[str], most: int = 3) -> str:
    """Return several paths in words, at most so many of them."""
    shown = sorted(map(short, paths))
    more = len(shown) - most
    return ", ".join(shown[:most]) + (f" and {more} more" if more > 0 else "")


def _loaded() -> Iterator[tuple[str, str]]:
    for name, module in list(sys.modules.items()):
        path: object = getattr(module, "__file__", None)
        if isinstance(path, str) and name != "__main__" and is_own(path):
            yield name, os.path.abspath(path)


@cache
def is_own(path: str) -> bool:
    """Tell whether a Python file is the project's: not Python's, not installed, not KernelQ's."""
    path = os.path.abspath(path)
    return path.endswith(".py") and not path.startswith(_homes()) and not os.path.realpath(path).startswith(_homes())


@cache
def _homes() -> tuple[str, ...]:
    """Return the folders in which others' modules are, as they are named and as they are."""
    named = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    named |= {*site.getsitepackages(), site.getusersitepackages()}
    for name, module in list(sys.modules.items()):
        if name == "kernelq" or name.startswith("kernelq_"):  # installed from their sources they are elsewhere
            named.update(getattr(module, "__path__", ()))
    return tuple(sorted({form + os.sep for home in named if home for form in (home, os.path.realpath(home))}))
