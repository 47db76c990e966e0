"""The source tree as the architecture tests see it: files, imports, functions."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import attrs
import pytest


@attrs.frozen
class Import:
    """One module that a file imports, and where."""

    module: str
    line: int
    typing_only: bool
    """Under ``if TYPE_CHECKING``: it never happens at run time."""


@attrs.frozen(slots=False)
class Module:
    """One source file of a distribution."""

    name: str
    distribution: str
    path: Path

    @cached_property
    def text(self) -> str:
        """Its source."""
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def tree(self) -> ast.Module:
        """Its syntax tree."""
        return ast.parse(self.text, str(self.path))

    @cached_property
    def imports(self) -> list[Import]:
        """Everything that it imports, lazily or not; ``from a import b`` counts as ``a.b``."""
        return list(_imports(self.tree, typing_only=False))

    def running(self) -> Iterator[Import]:
        """Yield the imports that happen at run time."""
        return (found for found in self.imports if not found.typing_only)


def _imports(node: ast.AST, typing_only: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (Import(alias.name, child.lineno, typing_only) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0, f"line {child.lineno}: relative import"
            yield from (Import(f"{child.module}.{alias.name}", child.lineno, typing_only) for alias in child.names)
        elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
            for inner in child.body:
                yield from _imports(ast.Module([inner], []), typing_only=True)
            for inner in child.orelse:
                yield from _imports(ast.Module([inner], []), typing_only)
        else:
            yield from _imports(child, typing_only)


def _modules(distribution: str, source: Path) -> Iterator[Module]:
    for path in sorted(source.rglob("*.py")):
        parts = list(path.relative_to(source).with_suffix("").parts)
        if parts[-1] == "__init__":
            parts.pop()
        yield Module(".".join(parts), distribution, path)


@pytest.fixture(scope="session")
def plugins(repository: Path) -> list[str]:
    """The names of the plugin folders, sorted."""
    return sorted(path.parent.name for path in repository.glob("plugins/*/pyproject.toml"))


@pytest.fixture(scope="session")
def modules(repository: Path, plugins: list[str]) -> list[Module]:
    """Every source module of the core and of the plugins."""
    found = list(_modules("core", repository / "core" / "src"))
    for name in plugins:
        found += _modules(name, repository / "plugins" / name / "src")
    return found


@pytest.fixture(scope="session")
def kernel(modules: list[Module]) -> list[Module]:
    """The modules of the microkernel."""
    return [module for module in modules if _within(module.name, "kernelq.kernel")]


@pytest.fixture(scope="session")
def tracked(repository: Path) -> list[Path]:
    """Every file that git would hold: tracked, or new and not ignored."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=True).stdout
    return [repository / name for name in listed.split("\0") if name and (repository / name).is_file()]


def _within(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")
