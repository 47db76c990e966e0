"""What an import loads; a producer pays for nothing that only a worker needs."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ["kombu", "pluggy", "stevedore", "networkx", "asyncio", "click", "rich", "importlib.metadata"]


def loaded(source: str, cwd: str = ".") -> set[str]:
    """Return the modules that a new interpreter has loaded after it ran `source`."""
    script = f"import sys\n{source}\nprint(*sys.modules)"
    command = [sys.executable, "-W", "error", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=60)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


@pytest.fixture(scope="module")
def bare() -> set[str]:
    """What the interpreter has loaded before any import of ours, site customisations included."""
    return loaded("")


@pytest.mark.parametrize("library", HEAVY)
def test_importing_kernelq_does_not_load_a_heavy_library(bare, library):
    """`import kernelq` is in the start of every program that sends a task."""
    assert library not in loaded("import kernelq") - bare


def test_declaring_an_app_and_a_task_does_not_load_a_heavy_library(bare):
    """A module of tasks is imported by web servers, tests and shells."""
    source = "from kernelq import KernelQ\napp = KernelQ('shop')\n@app.task\ndef pack(order): ...\n"

    assert set() == (loaded(source) - bare) & {"kombu", "networkx", "click", "rich"}


def test_a_producer_that_has_sent_a_message_never_loads_networkx_nor_the_command_line(bare, tmp_path):
    """Sending finds a transport by name; it resolves no graph and imports no worker."""
    source = (
        "from kernelq import KernelQ\n"
        "app = KernelQ('shop', broker='sqlite:///shop.db', backend='sqlite:///shop.db')\n"
        "@app.task\ndef pack(order): ...\n"
        "pack.delay(1)\napp.close()\n"
    )

    after = loaded(source, cwd=str(tmp_path)) - bare

    assert "kernelq_sqlite" in after
    assert set() == after & {"networkx", "click", "rich", "kernelq_worker.worker", "kernelq_memory", "kernelq_threads"}


IDLE = ["networkx", "psutil", "sqlite3", "rich", "textual", "multiprocessing.pool", "celery"]
"""What a worker that has started, and was asked for nothing special, does without."""


@pytest.fixture(scope="module")
def started(bare) -> set[str]:
    """What a worker has loaded when it consumes."""
    source = (
        "from kernelq import KernelQ, signals\n"
        "from kernelq_worker.worker import Worker\n"
        "app = KernelQ('shop', broker='memory://', backend='memory://')\n"
        "@app.task\ndef pack(order): ...\n"
        "def ready(sender, **more): sender.shutdown()\n"
        "signals.worker_ready.connect(ready)\n"
        "Worker(app, pool='solo', concurrency=1, loglevel='ERROR').run()\n"
    )
    return loaded(source) - bare


@pytest.mark.parametrize("library", IDLE)
def test_a_worker_starts_without_what_it_may_never_need(started, library):
    """Each of them would take a tenth of a worker's start, or of its memory: its steps are ordered without networkx."""
    assert "kernelq_worker.consumer.evloop" in started
    assert library not in started


def test_a_probe_by_the_command_line_loads_no_app(bare):
    """`kernelq health` is run by who has no `kernelq-health` at hand."""
    source = (
        "from kernelq.cli.main import root\n"
        "try:\n    root.main(['-q', 'health', 'live', '--port', '1'])\n"
        "except SystemExit as end:\n    assert end.code == 1, end.code\n"
    )

    after = loaded(source) - bare

    assert "kernelq_health.probe" in after
    assert set() == after & {"kernelq.app", "kernelq.conf", "kernelq_health.step", "kombu", "asyncio", "rich"}
