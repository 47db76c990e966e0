"""A plugin is a folder; what the root pyproject.toml says of it is complete, and nothing else is said."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

RANGE = "~=0.1.0"


@pytest.fixture(scope="module")
def root(repository: Path) -> dict[str, Any]:
    """The root pyproject.toml."""
    return tomllib.loads((repository / "pyproject.toml").read_text())


@pytest.fixture(scope="module")
def declared(repository: Path, plugins: list[str]) -> dict[str, dict[str, Any]]:
    """The pyproject.toml of each plugin."""
    return {name: tomllib.loads((repository / "plugins" / name / "pyproject.toml").read_text()) for name in plugins}


def test_every_plugin_folder_is_an_extra_of_the_same_name(root, plugins):
    """`kernelq[redis]` is `kernelq` and `kernelq-redis`."""
    expected = {name: [f"kernelq-{name}{RANGE}"] for name in plugins}

    assert expected == root["project"]["optional-dependencies"]


def test_every_plugin_folder_is_a_source_of_the_workspace(root, plugins):
    """`uv sync` takes the folder, never a registry's copy."""
    expected = {f"kernelq-{name}": {"workspace": True} for name in ["core", *plugins]}

    assert expected == root["tool"]["uv"]["sources"]
    assert ["core", "plugins/*"] == root["tool"]["uv"]["workspace"]["members"]


def test_the_range_of_every_kernelq_dependency_fits_the_version(root, declared, repository):
    """Distributions move in lockstep."""
    version = (repository / "core/src/kernelq/_version.py").read_text().split("__version__ = ")[1].strip().strip('"')
    everything = [*root["project"]["dependencies"]]
    everything += [line for project in declared.values() for line in project["project"]["dependencies"]]
    own = [line for line in everything if line.startswith("kernelq")]

    assert f"~={'.'.join(version.split('.')[:2])}.0" == RANGE
    assert [] == [line for line in own if not line.endswith(RANGE)]


def test_a_plugin_depends_on_the_core_and_on_no_other_plugin(declared):
    """Nothing is circular, and each can be installed alone."""
    own = {
        name: [line for line in project["project"]["dependencies"] if line.startswith("kernelq")]
        for name, project in declared.items()
    }

    assert {name: [f"kernelq-core{RANGE}"] for name in declared} == own


def test_a_plugin_is_named_like_its_folder_and_takes_the_version_of_the_core(declared, repository):
    """Distribution, import name and folder are one name."""
    for name, project in declared.items():
        assert f"kernelq-{name}" == project["project"]["name"]
        assert "../../core/src/kernelq/_version.py" == project["tool"]["hatch"]["version"]["path"]
        assert "Apache-2.0" == project["project"]["license"]
        assert ">=3.11" == project["project"]["requires-python"]
        assert (repository / "plugins" / name / "src" / f"kernelq_{name}" / "__init__.py").is_file()
        assert (repository / "plugins" / name / "README.md").read_text().startswith(f"# kernelq-{name}\n")


def test_every_package_tells_type_checkers_that_it_is_typed(repository, plugins):
    """Each package holds a py.typed."""
    packages = [repository / "core/src/kernelq"]
    packages += [repository / "plugins" / name / "src" / f"kernelq_{name}" for name in plugins]

    assert [] == [str(package) for package in packages if not (package / "py.typed").is_file()]


def test_every_third_party_dependency_has_a_lower_bound(root, declared, repository):
    """`nox -s minimums` runs the tests on exactly these."""
    core = tomllib.loads((repository / "core/pyproject.toml").read_text())
    lines = [line for project in [core, *declared.values()] for line in project["project"]["dependencies"]]
    lines += [line for group in root["dependency-groups"].values() for line in group if isinstance(line, str)]

    assert [] == [line for line in lines if ">=" not in line and "~=" not in line]


def test_every_entry_point_of_a_plugin_is_in_a_group_that_the_design_knows(declared):
    """A misspelt group would be found by nobody."""
    known = {"hooks", "transports", "backends", "pools", "strategies", "gates", "commands", "schedulers"}
    known |= {"serializers", "cli", "views", "workers", "steps.worker", "steps.consumer"}
    groups = {
        group
        for project in declared.values()
        for group in project["project"].get("entry-points", {})
        if group != "pytest11"
    }

    assert set() == {group for group in groups if group.removeprefix("kernelq.") not in known}
