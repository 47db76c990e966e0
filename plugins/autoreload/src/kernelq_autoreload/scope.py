"""What is watched: folders, the files in them that count, and what has become of those since the last look."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from fnmatch import fnmatch

from kernelq_autoreload import project

Stamp = tuple[int, int, int]
"""Of a file: when it was changed (ns), its size (bytes), its inode."""


class Scope:
    """Python files in the project's folders, and what `extra` names: files, folders, globs, from the current folder.

    A look compares files themselves, so however an editor saves (in place, by rename, in several steps) one change is
    seen, and none is lost between two watches.
    """

    def __init__(self, tops: Iterable[str], packages: Iterable[str], extra: Sequence[str] = ()) -> None:
        self._extra = [os.path.abspath(os.path.expanduser(one)) for one in extra]
        self._tops = set(tops)
        self._packages = set(packages)
        self._seen = self._look()

    def also(self, tops: Iterable[str], packages: Iterable[str], since: float) -> None:
        """Watch these folders too; of packages, what is below them as well.

        Their files are no changes, but for those written after `since` (epoch seconds).
        """
        if self._tops.issuperset(tops) and self._packages.issuperset(packages):
            return
        self._tops.update(tops)
        self._packages.update(packages)
        known = {path: stamp for path, stamp in self._look().items() if stamp[0] <= since * 1e9}
        self._seen = {**known, **self._seen}

    def folders(self) -> list[str]:
        """Return the folders that are watched and there now, sorted."""
        found = {folder for package in self._packages for folder in project.below(package)}
        found |= self._tops
        for one in self._extra:
            found.update(project.below(one) if os.path.isdir(one) else [_base(one)])
            if glob.has_magic(one):
                found.update(os.path.dirname(path) for path in glob.iglob(one, recursive=True))
        return sorted(folder for folder in found if os.path.isdir(folder))

    def concerns(self, path: str) -> bool:
        """Tell whether something at `path` may matter; what is near it, such as a database, wakes nobody."""
        name = os.path.basename(path)
        if name.endswith(".py") or "." not in name:  # without a dot it may be a folder
            return True
        return any(path == one or path.startswith(one + os.sep) or fnmatch(path, one) for one in self._extra)

    def changes(self) -> list[str]:
        """Return the files that are new, changed or gone since the last call, sorted."""
        before, self._seen = self._seen, self._look()
        return sorted(path for path in {*before, *self._seen} if before.get(path) != self._seen.get(path))

    def _look(self) -> dict[str, Stamp]:
        seen: dict[str, Stamp] = {}
        for folder in self.folders():
            everything = any(folder == one or folder.startswith(one + os.sep) for one in self._extra)
            with suppress(OSError), os.scandir(folder) as entries:
                for entry in entries:
                    if everything or (entry.name.endswith(".py") and not entry.name.startswith(".")):
                        _note(seen, entry.path)
        for one in self._extra:
            for path in glob.iglob(one, recursive=True) if glob.has_magic(one) else [one]:
                _note(seen, path)
        return seen


def _note(seen: dict[str, Stamp], path: str) -> None:
    with suppress(OSError):  # gone meanwhile: the next look sees that it is
        found = os.stat(path)
        if not os.path.isdir(path):
            seen[path] = found.st_mtime_ns, found.st_size, found.st_ino


def _base(pattern: str) -> str:
    """Return the folder in which a file, or the first part of a glob, is."""
    folder = os.path.dirname(pattern)
    while glob.has_magic(folder):
        folder = os.path.dirname(folder)
    return folder
