"""What happened to tasks, by identity, read from a ledger outside of the system."""

from __future__ import annotations

import itertools
import os
import time
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import attrs


@attrs.frozen
class Entry:
    """One line: a task, at its start or its end, in a process; `at` is in monotonic seconds, the same everywhere."""

    at: float
    word: str
    key: str
    pid: int


@attrs.frozen
class Tally:
    """The figures of one run."""

    attempted: int
    accepted: int
    lost: list[str]
    """Accepted, and never ended."""
    doubled: list[str]
    """Started more than once, and a fault explains it."""
    unexplained: list[str]
    """Started more than once, and nothing explains it."""
    slowest: float
    """Seconds from the end of a process that was hurt to the next start of a task that it ran; the longest."""
    gap: float
    """Seconds without any start or end, between the first line and the last; the longest."""

    def row(self) -> dict[str, object]:
        """Return the figures for a table."""
        return {
            "attempted": self.attempted, "accepted": self.accepted, "lost": len(self.lost),
            "doubled": len(self.doubled), "unexplained": len(self.unexplained),
            "slowest_s": round(self.slowest, 2), "gap_s": round(self.gap, 2),
        }  # fmt: skip


class Tail:
    """Counts the words of a ledger's lines as they come; each look reads only what is new."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._at = 0
        self._counts: Counter[str] = Counter()

    def count(self, word: str, sender: str = "") -> int:
        """Return how many lines have `word` so far, with a key that begins with ``sender-`` where one is named."""
        if self._path.exists():
            with self._path.open("rb") as file:
                file.seek(self._at)
                new = file.read()
            whole = new[: new.rfind(b"\n") + 1]
            self._at += len(whole)
            for line in whole.decode().splitlines():
                _, found, key, _ = line.split()
                self._counts.update((found, f"{found} {key.partition('-')[0]}"))
        return self._counts[f"{word} {sender}" if sender else word]


class Ledger:
    """A file to which each start and end of a task appends one line with one write."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def entries(self) -> list[Entry]:
        """Return every line so far, in order."""
        if not self.path.exists():
            return []
        lines = (line.split() for line in self.path.read_text().splitlines())
        return [Entry(float(at), word, key, int(pid)) for at, word, key, pid in lines]

    def keys(self, word: str) -> list[str]:
        """Return the keys that have `word`, in order, each as often as it has."""
        return [entry.key for entry in self.entries() if entry.word == word]

    def count(self, word: str) -> int:
        """Return how many lines have `word`, in far less time than it takes to read them all apart."""
        return self.path.read_bytes().count(f" {word} ".encode()) if self.path.exists() else 0

    def note(self, word: str, key: str) -> None:
        """Append a line for this process, with one write: it survives SIGKILL, and needs no broker."""
        fd = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(fd, f"{time.monotonic():.6f} {word} {key} {os.getpid()}\n".encode())
        finally:
            os.close(fd)

    def repeats(self) -> Iterator[tuple[Entry, Entry]]:
        """Yield each start of a task that had started before, behind that earlier start."""
        starts: dict[str, list[Entry]] = defaultdict(list)
        for entry in self.entries():
            if entry.word == "start":
                starts[entry.key].append(entry)
        for of_key in starts.values():
            yield from itertools.pairwise(of_key)

    def tally(
        self,
        attempted: int,
        accepted: Collection[str],
        hurt: Mapping[int, float],
        dead: Iterable[str] = (),
        faults: Sequence[float] = (),
    ) -> Tally:
        """Return the figures.

        A task that started again is explained by a process that was hurt (`hurt` has the moment of each), and by a
        fault of something else (`faults` has the moments) between its two starts. `dead` is what was buried.
        """
        entries = self.entries()
        ended = {*dead, *(entry.key for entry in entries if entry.word == "end")}
        doubled: list[str] = []
        unexplained: list[str] = []
        slowest = 0.0
        for before, after in self.repeats():
            known = before.pid in hurt or any(before.at <= at <= after.at for at in faults)
            (doubled if known else unexplained).append(before.key)
            slowest = max(slowest, after.at - hurt.get(before.pid, after.at))
        moments = sorted(entry.at for entry in entries)
        gap = max((after - before for before, after in itertools.pairwise(moments)), default=0.0)
        return Tally(attempted, len(accepted), [key for key in accepted if key not in ended], doubled, unexplained,
                     slowest, gap)  # fmt: skip
