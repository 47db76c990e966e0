"""Which app is meant, where nobody says: the one of pyproject.toml, else the one obvious file of this folder."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path

from kernelq.kernel.errors import ConfigurationError

USUAL_FILES = ("tasks.py", "app.py", "celery.py")
MAKERS = ("KernelQ",)


def find(folder: Path) -> tuple[str, str]:
    """Return what ``-A`` would take, and where that was found, in words. Raises `ConfigurationError`."""
    name = _of_project(folder / "pyproject.toml")
    if name:
        return name, "pyproject.toml, [tool.kernelq] app"
    holders = [file for file in USUAL_FILES if apps_in(folder / file)]
    if len(holders) == 1:
        file = holders[0]
        apps = apps_in(folder / file)
        if len(apps) == 1:
            return file.removesuffix(".py"), file
        names = " or ".join(f"kernelq dev -A {file.removesuffix('.py')}:{one}" for one in apps)
        raise ConfigurationError(f"which app? {file} has {len(apps)}; type {names}")
    if holders:
        names = " or ".join(f"kernelq dev -A {file.removesuffix('.py')}" for file in holders)
        raise ConfigurationError(f"which app? {', '.join(holders)} have one each; type {names}")
    raise ConfigurationError(
        f"there is no app to run: none of {', '.join(USUAL_FILES)} in {folder} has a line like app = KernelQ(…); "
        f'type kernelq dev -A MODULE, or write it down: [tool.kernelq] app = "MODULE" in pyproject.toml'
    )


def apps_in(path: Path) -> list[str]:
    """Return the names that a file assigns an app to, at its top level. It is read, and not run."""
    try:
        tree = ast.parse(path.read_bytes(), str(path))
    except (OSError, SyntaxError, ValueError):  # not there; or half-written, which the import tells better
        return []
    names = []
    for line in tree.body:
        if isinstance(line, ast.Assign | ast.AnnAssign) and isinstance(line.value, ast.Call) and _makes(line.value):
            targets = line.targets if isinstance(line, ast.Assign) else [line.target]
            names += [target.id for target in targets if isinstance(target, ast.Name)]
    return names


def _makes(call: ast.Call) -> bool:
    return ast.unparse(call.func).rpartition(".")[2] in MAKERS


def _of_project(path: Path) -> str | None:
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except OSError:
        return None
    except ValueError as error:
        raise ConfigurationError(f"{path} is no TOML: {error}") from None
    name = content.get("tool", {}).get("kernelq", {}).get("app")
    if name is not None and not isinstance(name, str):
        raise ConfigurationError(f'{path}: [tool.kernelq] app wants a text like "shop:app", not {name!r}')
    return name
