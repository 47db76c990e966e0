"""PackageConformance fails where it must."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

PYPROJECT = """
[project]
name = "kernelq-memory"
readme = "README.md"
dependencies = ["kernelq-core~=0.1.0"]
[project.entry-points."kernelq.transports"]
memory = "kernelq_memory:MemoryTransport"
[project.entry-points."kernelq.backends"]
memory = "kernelq_memory:MemoryBackend"
[tool.hatch.build.targets.wheel]
packages = ["src/kernelq_memory"]
"""

BROKEN = {
    "": ("", ""),
    "test_name_is_that_of_the_project": ('name = "kernelq-memory"', 'name = "kernelq-other"'),
    "test_entry_points_are_installed": ('backends"', 'gates"'),
    "test_depends_on_the_core_in_lockstep": ("~=0.1.0", ">=0.1"),
    "test_names_no_other_plugin": ("", ""),
    "test_is_typed": ("", ""),
    "test_has_a_readme": ("", ""),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_package_fails_its_test(failures, pytester: pytest.Pytester, name):
    """Each rule, broken, fails the test of that name; the unbroken one passes them all."""
    source = Path(pytester.path, "src", "kernelq_memory")
    source.mkdir(parents=True)
    stranger = "import kernelq_sqlite" if name == "test_names_no_other_plugin" else ""
    (source / "__init__.py").write_text(stranger)
    if name != "test_is_typed":
        (source / "py.typed").touch()
    Path(pytester.path, "README.md").write_text("" if name == "test_has_a_readme" else "text")
    Path(pytester.path, "pyproject.toml").write_text(PYPROJECT.replace(*BROKEN[name], 1))
    kit = "class TestIt(PackageConformance):\n    distribution = 'kernelq-memory'\n"
    assert ([name] if name else []) == failures(name or "test_", kit)


def test_a_plugin_beside_the_core_fails(failures, pytester: pytest.Pytester):
    """A dependency on a sibling plugin is one too many."""
    Path(pytester.path, "pyproject.toml").write_text(PYPROJECT.replace('.0"]', '.0", "kernelq-sqlite"]'))
    kit = "class TestIt(PackageConformance):\n    distribution = 'kernelq-memory'\n"
    name = "test_depends_on_the_core_in_lockstep"
    assert [name] == failures(name, kit)
