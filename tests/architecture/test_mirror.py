"""Every source module has its test file, and every unit test its source module."""

from __future__ import annotations

from pathlib import Path

WITHOUT_TEST = {
    "handles.py": "protocols only; what stands behind them is tested where it is",
    # module (path under the package): why no test file of its own
    "__main__.py": "starts the command line, which the tests of the command line do",
    "_version.py": "one string, held by the tests of the packaging",
    "delivery.py": "values without behaviour",
    "job.py": "values without behaviour",
    "outcome.py": "values without behaviour",
    "states.py": "names, held by the tests of results",
    "keys.py": "names, held by the plan of the worker",
    "request.py": "values, held by the worker's ledger and the commands",
    "kernel/hookspecs.py": "held by the tests of hooks and of the reference",
    "kernel/plan.py": "held by the tests of the blueprint",
    "kernel/step.py": "held by the tests of the boot",
}


def test_every_module_of_the_core_has_a_test_file_of_its_name(repository: Path):
    """`kernelq/kernel/graph.py` is tested by `tests/unit/kernel/test_graph.py`."""
    package = repository / "core/src/kernelq"
    missing = []
    for source in sorted(package.rglob("*.py")):
        inside = source.relative_to(package)
        exempt = source.name == "__init__.py" or str(inside) in WITHOUT_TEST or "contracts" in inside.parts
        mirror = repository / "tests/unit" / inside.parent / f"test_{inside.name}"
        if not exempt and not list(mirror.parent.glob(f"{mirror.stem}*.py")):
            missing.append(str(inside))

    assert missing == []


def test_every_unit_test_of_the_core_has_a_module_of_its_name(repository: Path):
    """`test_graph_cycles.py` belongs to `graph.py` too."""
    tests = repository / "tests/unit"
    orphans = []
    for path in sorted(tests.rglob("test_*.py")):
        folder = repository / "core/src/kernelq" / path.parent.relative_to(tests)
        words = path.stem.removeprefix("test_").split("_")
        stems = {"_".join(words[:n]) for n in range(1, len(words) + 1)}
        found = {source.stem.strip("_") for source in folder.glob("*.py")} | {
            source.stem for source in folder.glob("*.py")
        }
        if not stems & (found | {folder.name}):
            orphans.append(str(path.relative_to(repository)))

    assert orphans == []


def test_every_plugin_has_tests(repository: Path, plugins: list[str]):
    """A plugin without a test proves nothing."""
    assert [] == [name for name in plugins if not list((repository / "plugins" / name / "tests").rglob("test_*.py"))]


def test_no_tests_folder_is_a_package(repository: Path):
    """Names of test files repeat, so they are imported by path; an `__init__.py` would undo that."""
    folders = [repository / "tests", *repository.glob("plugins/*/tests")]
    allowed = repository / "tests/benchmarks"
    found = [path for folder in folders for path in folder.rglob("__init__.py") if allowed not in path.parents]

    assert found == []
