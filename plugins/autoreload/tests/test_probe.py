"""What a new interpreter finds in the files."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from kernelq_autoreload.inquiry import COMMAND


@pytest.fixture
def keep(project: Path) -> Any:
    """A function that writes the project's tasks.py, with more behind what is there."""
    before = (project / "tasks.py").read_text()

    def write(more: str) -> None:
        (project / "tasks.py").write_text(before + more)

    return write


def run(folder: Path, **settings: Any) -> dict[str, Any]:
    """Run the program as the worker does, with its stdin open until the answer is there."""
    process = subprocess.Popen(
        COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, cwd=folder,
    )  # fmt: skip
    asked = {"app": "tasks", "path": [str(folder), *sys.path], "settings": settings}
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(asked).encode() + b"\n")
        process.stdin.flush()
        answer: dict[str, Any] = json.loads(process.stdout.read())
    return answer


def test_it_tells_the_tasks_with_their_options(project: Path, keep: Any) -> None:
    keep("@app.task(rate_limit='3/m')\ndef pack(): ...\n")

    tasks = {one["name"]: one["options"] for one in run(project)["tasks"]}

    assert {"tasks.add", "tasks.pack"} == set(tasks)
    assert "3/m" == tasks["tasks.pack"]["rate_limit"]


def test_it_has_the_settings_that_were_handed_over(project: Path) -> None:
    answer = run(project, task_time_limit=7.0, known_to_the_workers_step_alone=1)

    assert 7.0 == answer["settings"]["task_time_limit"][0]


def test_it_imports_what_a_worker_imports(project: Path) -> None:
    """The modules of `include` too."""
    (project / "more.py").write_text("from tasks import app\n@app.task\ndef ship(): ...\n")

    assert "more.ship" in [one["name"] for one in run(project, include=["more"])["tasks"]]


def test_it_tells_where_the_project_is(project: Path, keep: Any) -> None:
    (project / "shop").mkdir()
    (project / "shop" / "__init__.py").touch()
    keep("import shop\n")

    answer = run(project)

    assert ([str(project)], [str(project / "shop")]) == (answer["tops"], answer["packages"])


@pytest.mark.parametrize(
    ("more", "error"),
    [
        ("def broken(:\n", "SyntaxError: invalid syntax (tasks.py, line 10)"),
        ("import no_such_module\n", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("raise SystemExit\n", "SystemExit"),
        ("app = None\n", "ConfigurationError: -A tasks: the module tasks has no app"),
    ],
)
def test_it_tells_why_the_app_cannot_be_imported(project: Path, keep: Any, more: str, error: str) -> None:
    keep(more)

    assert run(project)["error"].startswith(error)


def test_the_traceback_begins_with_the_projects_own_lines(project: Path, keep: Any) -> None:
    keep("def f():\n    return 1 / 0\nf()\n")

    traceback = run(project)["traceback"]

    assert traceback.lstrip().startswith(f'File "{project / "tasks.py"}", line 12')
    assert traceback.endswith("ZeroDivisionError: division by zero")


def test_a_package_that_is_broken_is_to_be_watched(project: Path, keep: Any) -> None:
    """It is not loaded, and it is what will be mended."""
    (project / "fresh").mkdir()
    (project / "fresh" / "__init__.py").write_text("oops(")
    keep("import fresh\n")

    assert str(project / "fresh") in run(project)["packages"]


def test_what_modules_print_does_not_disturb_the_answer(project: Path, keep: Any) -> None:
    keep("print('hello', flush=True)\n")

    assert "tasks" in run(project)


def test_it_ends_when_the_worker_does(project: Path, keep: Any) -> None:
    """The worker's end of stdin is closed then, whatever the import is doing."""
    keep("import time\ntime.sleep(600)\n")
    asked = {"app": "tasks", "path": [str(project), *sys.path], "settings": {}}

    process = subprocess.run(
        COMMAND, input=json.dumps(asked).encode() + b"\n", timeout=60,
        stdout=subprocess.DEVNULL, cwd=project,
    )  # fmt: skip

    assert 1 == process.returncode


def test_a_module_of_the_project_may_be_named_like_one_of_pythons(project: Path) -> None:
    """The worker has imported Python's own before it looks into the folder; so has the probe."""
    for name in ("json", "email", "threading", "types", "queue"):
        (project / f"{name}.py").write_text("raise ImportError('not the one that was meant')\n")

    assert ["tasks.add"] == [one["name"] for one in run(project)["tasks"]]
