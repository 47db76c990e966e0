"""A process that sends tasks: ``python sender.py FOLDER NAME AHEAD``.

FOLDER has the module `tasks`. What is attempted and what was accepted it notes in files there, apart from the workers
and their ledger. It stays AHEAD tasks before them, and ends when there is a file named ``stop``.
"""

from __future__ import annotations

import itertools
import sys
import time
from pathlib import Path

from ledger import Tail

from kernelq.kernel.errors import Unreachable

LONG, SHORT = 0.3, 0.001
"""Seconds that each 25th task takes, and the unit of the others."""


def main(folder: Path, name: str, ahead: int) -> None:
    """Send until told to stop."""
    sys.path.insert(0, str(folder))
    import tasks  # type: ignore[import-not-found]  # the project's own

    tail, sent = Tail(folder / "ledger"), 0
    paths = (folder / f"{name}.{what}" for what in ("attempted", "accepted"))
    attempted, accepted = (path.open("w", 1) for path in paths)
    with attempted, accepted:
        for number in itertools.count():
            while sent - tail.count("end", name) >= ahead and not (folder / "stop").exists():
                time.sleep(0.01)
            if (folder / "stop").exists():
                return
            key = f"{name}-{number}"
            print(key, file=attempted)
            try:
                result = tasks.work.delay(key, LONG if number % 25 == 24 else SHORT * (number % 40))
            except Unreachable as error:
                print(f"{key} was not accepted: {error}", file=sys.stderr)
            else:
                print(key, result.id, file=accepted)
                sent += 1


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
