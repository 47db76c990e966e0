"""Write editable wheels: python editable.py FOLDER PROJECT…

Each wheel holds the metadata of its project and a pointer to the sources. `pip install -e` starts two interpreters for
each project to come to the same; here one makes them all.
"""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

from hatchling.build import build_editable


def main(folder: Path, projects: list[Path]) -> None:
    """Write the wheels of `projects` to `folder`, and print their paths."""
    for project in projects:
        with contextlib.chdir(project):  # a build backend is asked from there: PEP 517
            print(folder / build_editable(str(folder)))


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), [Path(each).resolve() for each in sys.argv[2:]])
