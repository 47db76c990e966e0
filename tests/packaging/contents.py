"""What the built wheels hold: `contents.py FOLDER`, run by the session `dist`."""

from __future__ import annotations

import sys
import zipfile
from email.parser import Parser
from pathlib import Path


def check(wheel: Path) -> list[str]:
    """Return what is wrong with `wheel`."""
    wrong = []
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        metadata = next(name for name in names if name.endswith(".dist-info/METADATA"))
        fields = Parser().parsestr(archive.read(metadata).decode())
    code = {name.partition("/")[0] for name in names if ".dist-info/" not in name}
    own = fields["Name"]
    package = {"kernelq": set(), "kernelq-core": {"kernelq"}}.get(own, {own.replace("-", "_")})
    if code != package:
        wrong.append(f"{wheel.name}: holds {sorted(code)}, expected {sorted(package)}")
    if package and f"{min(package)}/py.typed" not in names:
        wrong.append(f"{wheel.name}: no py.typed, so type checkers ignore it")
    if fields["License-Expression"] != "Apache-2.0" or not fields["Summary"] or not fields.get_payload():
        wrong.append(f"{wheel.name}: licence, summary or description is missing")
    wrong += [f"{wheel.name}: {name} does not belong there" for name in names if "/tests/" in name]
    return wrong


if __name__ == "__main__":
    found = [line for path in sorted(Path(sys.argv[1]).glob("kernelq*.whl")) for line in check(path)]
    raise SystemExit("\n".join(found) or 0)
