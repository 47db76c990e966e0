"""The program that tries a change: it imports the app and says what it found.

It is a new interpreter, so what it imports is what is in the files now. It writes one JSON object to stdout; what the
project's modules print goes to stderr. See `kernelq_autoreload.inquiry` for how it is started.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import threading
import traceback
from typing import Any, NoReturn

OURS = (
    "kernelq.loading", "kernelq.conf", "kernelq.sources", "kernelq.kernel.discovery", "kernelq.kernel.hooks",
    "kernelq_autoreload.description", "kernelq_autoreload.project", "kernelq_autoreload.reported",
)  # fmt: skip
"""What is imported before the project can be: it needs much of Python's library."""


def run(asked: dict[str, Any]) -> NoReturn:
    """Answer, and leave without the exit handlers of whatever was imported."""
    answers = os.dup(1)
    os.dup2(2, 1)
    threading.Thread(target=_end_with_the_worker, daemon=True).start()
    for name in OURS:
        importlib.import_module(name)
    sys.path[:] = asked["path"]
    with os.fdopen(answers, "w", encoding="utf-8") as stream:
        json.dump(answer(asked), stream)
    os._exit(0)


def answer(asked: dict[str, Any]) -> dict[str, Any]:
    """Import the app; return its tasks, settings and files, or the error with its place in words."""
    from kernelq_autoreload import project

    found: dict[str, Any]
    try:
        found = _found(asked)
    except BaseException as error:  # noqa: BLE001 - whatever a half-written module raises, the person is told
        found = {"error": _sentence(error), "traceback": _own_frames(error)}
        culprits = _files_of(error)
    else:
        culprits = []
    tops, packages = project.roots()
    # A package that cannot be imported is not among the loaded ones, and it is the one that will be mended.
    broken = {os.path.dirname(path) for path in culprits if project.is_own(path)}
    return {**found, "tops": tops, "packages": sorted({*packages, *broken} - {*tops})}


def _found(asked: dict[str, Any]) -> dict[str, Any]:
    from kernelq.loading import load_app
    from kernelq_autoreload import reported
    from kernelq_autoreload.description import describe

    app = load_app(asked["app"])
    known = set(app.conf.names())  # a setting that only a step of the worker declares may be unknown here
    app.conf.update({name: value for name, value in asked["settings"].items() if name in known}, source="the worker")
    app.import_modules()
    tasks = [describe(task) for _, task in sorted(app.tasks.items())]
    return {"tasks": tasks, "settings": reported.report(app.conf)}


def _sentence(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _own_frames(error: BaseException) -> str:
    """Return the traceback from the project's first line on: what is above is ours and Python's."""
    from kernelq_autoreload import project

    frames = [one for one in traceback.extract_tb(error.__traceback__) if not one.filename.startswith("<frozen")]
    first = next((n for n, one in enumerate(frames) if project.is_own(one.filename)), len(frames))
    return "".join([*traceback.format_list(frames[first:]), *traceback.format_exception_only(error)]).rstrip()


def _files_of(error: BaseException) -> list[str]:
    """Return the files that the error went through."""
    files = [frame.filename for frame in traceback.extract_tb(error.__traceback__)]
    return [*files, error.filename] if isinstance(error, SyntaxError) and error.filename else files


def _end_with_the_worker() -> None:
    # The worker keeps the other end of stdin open as long as it wants the answer.
    sys.stdin.buffer.read()
    os._exit(1)
