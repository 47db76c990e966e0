"""PackageConformance: a distribution of plugins."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path
from typing import Any, ClassVar

import pytest

from kernelq.kernel.discovery import Discovery, Found

STEPS = re.compile(r"kernelq\.steps\.(worker|consumer)")
GROUPS = ("hooks", "transports", "backends", "pools", "strategies", "gates", "commands", "schedulers", "serializers")
KNOWN = frozenset(f"kernelq.{name}" for name in (*GROUPS, "cli", "views", "workers"))


class PackageConformance:
    """Holds a plugin distribution, installed and as a source folder, to the rules of the house.

    Subclass it in the folder's own tests and name the distribution; the fixture `folder` is the nearest one above the
    test file that has a pyproject.toml.
    """

    distribution: ClassVar[str]
    """Its name, ``kernelq-hello``."""

    release: ClassVar[str] = "0.1"
    """The release of kernelq-core that it is made for."""

    @pytest.fixture
    def folder(self, request: pytest.FixtureRequest) -> Path:
        """The source folder."""
        return next(parent for parent in request.path.parents if (parent / "pyproject.toml").exists())

    @pytest.fixture
    def project(self, folder: Path) -> dict[str, Any]:
        """The pyproject.toml."""
        return tomllib.loads((folder / "pyproject.toml").read_text())

    @pytest.fixture
    def packages(self, folder: Path, project: dict[str, Any]) -> list[Path]:
        """The import packages."""
        built = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
        return [folder / each for each in built]

    @pytest.fixture
    def plugins(self) -> list[Found]:
        """Every plugin that the installed distribution registers."""
        discovery = Discovery()
        found = [one for group in discovery.groups() for one in discovery.found(group)]
        return [one for one in found if one.distribution == self.distribution]

    def test_name_is_that_of_the_project(self, project: dict[str, Any]) -> None:
        """The class and the folder speak of the same distribution."""
        assert project["project"]["name"] == self.distribution

    def test_entry_points_are_installed(self, project: dict[str, Any], plugins: list[Found]) -> None:
        """What pyproject.toml registers is what is found: after a change, install again."""
        written = {
            (group, name)
            for group, named in project["project"].get("entry-points", {}).items()
            for name in named
            if group.startswith("kernelq.")
        }
        assert written == {(one.group, one.name) for one in plugins}

    def test_entry_points_load(self, plugins: list[Found]) -> None:
        """Each is of a group that KernelQ knows, names this distribution's own code, and imports."""
        for one in plugins:
            assert one.group in KNOWN or STEPS.fullmatch(one.group), f"nobody reads the group {one.group}"
            one.load()

    def test_depends_on_the_core_in_lockstep(self, project: dict[str, Any]) -> None:
        """kernelq-core is a dependency, within one release; no other plugin is."""
        names = {_name(each): each for each in project["project"]["dependencies"]}
        assert "kernelq-core" in names
        assert f"~={self.release}" in names["kernelq-core"], f"write kernelq-core~={self.release}.0"
        others = sorted(name for name in names if name.startswith("kernelq") and name != "kernelq-core")
        assert others == [], "plugins depend on kernelq-core only; make it an extra of yours"

    def test_names_no_other_plugin(self, packages: list[Path], plugins: list[Found]) -> None:
        """No module imports another plugin: what two share lives in the core."""
        own = {package.name for package in packages}
        strangers = []
        for package in packages:
            for path in sorted(package.rglob("*.py")):
                for module in _imports(path):
                    top = module.partition(".")[0]
                    if top.startswith("kernelq_") and top not in own:
                        strangers.append(f"{path.name} imports {module}")
        assert strangers == []

    def test_is_typed(self, packages: list[Path]) -> None:
        """Each package says so with a file py.typed."""
        assert [] == [package.name for package in packages if not (package / "py.typed").exists()]

    def test_has_a_readme(self, folder: Path, project: dict[str, Any]) -> None:
        """The package index shows it."""
        assert (folder / project["project"]["readme"]).read_text().strip()


def _name(requirement: str) -> str:
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    return "" if found is None else found.group().lower().replace("_", "-")


def _imports(path: Path) -> list[str]:
    modules = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            modules += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            modules.append(node.module)
    return modules
