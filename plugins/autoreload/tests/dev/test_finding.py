"""Which app is meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from kernelq.kernel.errors import ConfigurationError
from kernelq_autoreload.dev.finding import apps_in, find

APP = "from kernelq import KernelQ\napp = KernelQ('x')\n"


@pytest.mark.parametrize("file", ["tasks.py", "app.py", "celery.py"])
def test_the_one_obvious_file_is_taken(tmp_path: Path, file: str) -> None:
    (tmp_path / file).write_text(APP)
    (tmp_path / "other.py").write_text(APP)

    assert (file.removesuffix(".py"), file) == find(tmp_path)


def test_the_project_may_say_it(tmp_path: Path) -> None:
    """Whatever files there are."""
    (tmp_path / "tasks.py").write_text(APP)
    (tmp_path / "pyproject.toml").write_text('[tool.kernelq]\napp = "shop.work:app"\n')

    assert ("shop.work:app", "pyproject.toml, [tool.kernelq] app") == find(tmp_path)


def test_a_project_that_says_nothing_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "tasks.py").write_text(APP)
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'x'\n")

    assert "tasks" == find(tmp_path)[0]


@pytest.mark.parametrize(
    ("files", "advice"),
    [
        ({}, "none of tasks.py, app.py, celery.py in .* has a line like app = KernelQ"),
        ({"tasks.py": "x = 1"}, 'or write it down: .tool.kernelq. app = "MODULE"'),
        ({"tasks.py": APP, "app.py": APP}, "type kernelq dev -A tasks or kernelq dev -A app"),
        ({"tasks.py": APP + "b = KernelQ('b')"}, "type kernelq dev -A tasks:app or kernelq dev -A tasks:b"),
        ({"pyproject.toml": "[tool"}, "pyproject.toml is no TOML"),
        ({"pyproject.toml": "[tool.kernelq]\napp = 3"}, "wants a text like"),
    ],
)
def test_what_is_not_obvious_is_an_error_that_says_what_to_type(
    tmp_path: Path, files: dict[str, str], advice: str
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)

    with pytest.raises(ConfigurationError, match=advice):
        find(tmp_path)


@pytest.mark.parametrize(
    ("text", "apps"),
    [
        (APP, ["app"]),
        ("import kernelq\nwork: kernelq.KernelQ = kernelq.KernelQ()\n", ["work"]),
        ("def make():\n    app = KernelQ()\n", []),
        ("app = KernelQ(\n", []),
    ],
)
def test_files_are_read_and_not_run(tmp_path: Path, text: str, apps: list[str]) -> None:
    (tmp_path / "tasks.py").write_text(text)

    assert apps == apps_in(tmp_path / "tasks.py")
