"""What has been installed works: run by the session `dist` in new environments, without pytest.

`smoke.py alone NAME` · `smoke.py extras NAME…` · `smoke.py batteries` · `smoke.py example`
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import os
import signal
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable
from pathlib import Path

SHOP = """
from kernelq import KernelQ

app = KernelQ("shop", broker="sqlite:///shop.db", backend="sqlite:///shop.db")


@app.task(name="shop.add")
def add(x, y):
    return x + y
"""
SEND = "from shop import add\nassert 5 == add.delay(2, 3).get(timeout=30)\nprint('the task gave 5')"
SCRIPT = Path(sysconfig.get_path("scripts"), "kernelq")
COMMAND = [str(SCRIPT)] if SCRIPT.exists() else [sys.executable, "-I", "-m", "kernelq.cli.main"]
"""The script is where `kernelq-core` was installed: not where a plugin was put beside it."""


def run(*command: str, cwd: str | None = None) -> str:
    """Run a command; end with its output where it fails."""
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=120)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} left with {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done.stdout


def check_entry_points(distribution: str) -> None:
    """Load every entry point of `distribution`."""
    for point in importlib.metadata.distribution(distribution).entry_points:
        if point.group != "pytest11" or importlib.util.find_spec("pytest"):
            point.load()


def check_from_checkout() -> None:
    """See that nothing comes from the source tree."""
    place = importlib.import_module("kernelq.kernel").__file__ or ""
    if "site-packages" not in Path(place).parts:
        raise SystemExit(f"kernelq.kernel was imported from {place}, which is no wheel's place")


def alone(name: str) -> None:
    """A plugin beside the core: its package imports, its entry points load, the command line starts."""
    importlib.import_module(f"kernelq_{name}")
    check_entry_points(f"kernelq-{name}")


def extras(*names: str) -> None:
    """`kernelq[NAME,NAME…]`: each stands for the plugin of its name, which works beside all others."""
    wanted = [line.replace("'", '"') for line in importlib.metadata.requires("kernelq") or ()]
    for name in names:
        if not any(line.startswith(f"kernelq-{name}") and f'extra == "{name}"' in line for line in wanted):
            raise SystemExit(f"kernelq[{name}] does not ask for kernelq-{name}: {wanted}")
        alone(name)
    graph()


def batteries() -> None:
    """`kernelq` boots a worker, and a task runs from `delay` to its result."""
    graph()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "shop.py").write_text(SHOP)
        log = Path(folder, "worker.log")
        with log.open("wb") as output:
            arguments = [*COMMAND, "-A", "shop", "worker", "-c", "2", "-l", "info"]
            worker = subprocess.Popen(arguments, cwd=folder, stdout=output, stderr=subprocess.STDOUT)
        try:
            print(run(sys.executable, "-c", SEND, cwd=folder).strip())
            worker.send_signal(signal.SIGTERM)
            code = worker.wait(30)
        except BaseException:
            print(log.read_text())
            raise
        finally:
            if worker.poll() is None:
                os.kill(worker.pid, signal.SIGKILL)
        if code:
            raise SystemExit(f"the worker left with {code}\n{log.read_text()}")


def graph() -> str:
    """`kernelq steps graph` shows both blueprints of what is installed."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "shop.py").write_text(SHOP)
        return run(*COMMAND, "-A", "shop", "steps", "graph", cwd=folder)


def example() -> None:
    """The example plugin of the documentation has put its step into the graph."""
    check_entry_points("kernelq-hello")
    shown = graph()
    if "kernelq-hello" not in shown:
        raise SystemExit(f"no step of kernelq-hello in:\n{shown}")
    print(next(line for line in shown.splitlines() if "kernelq-hello" in line).strip())


if __name__ == "__main__":
    check_from_checkout()
    check_entry_points("kernelq-core")
    version = importlib.metadata.version("kernelq-core")
    assert version in run(*COMMAND, "--version"), version
    what: dict[str, Callable[..., object]] = {
        "alone": alone,
        "extras": extras,
        "batteries": batteries,
        "example": example,
    }
    what[sys.argv[1]](*sys.argv[2:])
