"""Each module imports alone, first in its interpreter, with warnings as errors."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

FORKER = textwrap.dedent(
    """
    import gc, importlib, os, sys, traceback
    libraries, ours = (line.split() for line in sys.stdin)
    for name in libraries:
        importlib.import_module(name)
    gc.freeze()
    for name in ours:
        child = os.fork()
        if child == 0:
            try:
                importlib.import_module(name)
            except BaseException:
                sys.stderr.write(f"--- {name}\\n{traceback.format_exc()}\\n")
                sys.stderr.flush()
                os._exit(1)
            os._exit(0)
        os.waitpid(child, 0)
    """
)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_each_module_imports_alone_without_a_warning(modules):
    """One interpreter forks a child for each module, so that no module leans on what another imported.

    The libraries they use are imported before, once: they take nearly all of the time.
    """
    names = [module.name for module in modules if not module.name.endswith("__main__")]
    used = {found.module.partition(".")[0] for module in modules for found in module.running()}
    libraries = [name for name in sorted(used) if not name.startswith("kernelq") and _is_installed(name)]
    command = [sys.executable, "-W", "error", "-c", FORKER]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}

    done = subprocess.run(
        command,
        input="\n".join([" ".join(libraries), " ".join(names)]),
        capture_output=True,
        text=True,
        env=environment,
        check=True,
    )

    assert done.stderr == ""


def _is_installed(name: str) -> bool:
    return name in sys.modules or importlib.util.find_spec(name) is not None  # kombu, once loaded, has no spec


def test_a_module_prints_nothing_and_starts_no_thread_when_imported(modules, repository: Path):
    """Importing is free of work; a plugin that is only found must not do anything."""
    packages = sorted({module.name.partition(".")[0] for module in modules})
    source = f"import {', '.join(packages)}, threading; assert threading.active_count() == 1"

    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, cwd=repository)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
