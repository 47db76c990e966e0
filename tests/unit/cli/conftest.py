"""An app that remembers what it was asked, in place of one that talks to servers."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence

import pytest
from click.testing import CliRunner

from kernelq import keys
from kernelq.cli.main import root
from kernelq.cli.state import Cli
from kernelq.command import control_command, inspect_command
from kernelq.delivery import DeadLetter, QueueInfo
from kernelq.kernel.blueprint import Blueprint
from kernelq.kernel.discovery import Discovery
from kernelq.kernel.step import Step


class FakeAdmin:
    def __init__(self):
        self.purged, self.replayed, self.dropped = [], [], []
        self.letters = [
            DeadLetter(
                one, f"task-{one}", "app.add", queue, "poison\nat the third", 1700000000.0, 3, {"lang": "py"}, {},
                b"[[1], {}, {}]", "application/json", "utf-8",
            )
            for one, queue in (("1", "celery"), ("2", "mail"))
        ]  # fmt: skip

    def queues(self):
        return [QueueInfo("celery", 3, 1, 2, 1), QueueInfo("mail", 0, 0, 0, 1)]

    def purge(self, queue):
        self.purged.append(queue)
        return 5

    def dead(self, queue=None, limit=100):
        return [one for one in self.letters if queue in (None, one.queue)][:limit]

    def dead_letter(self, letter_id):
        return next((one for one in self.letters if one.id == letter_id), None)

    def replay(self, ids):
        self.replayed += ids
        return len(ids)

    def drop(self, ids):
        self.dropped += ids
        return len(ids)


class FakeControl:
    def __init__(self, replies):
        self.replies = replies
        self.asked = []

        self.paused = []
        self.kept = object()

    def broadcast(self, command, **options):
        self.asked.append((command, options))
        return self.replies

    def notices(self):
        return self.kept

    def paused_queues(self):
        return list(self.paused)

    def pause_queue(self, *names, seconds=None):
        self.paused += names
        self.seconds = seconds

    def resume_queue(self, *names):
        count = len([name for name in names if name in self.paused])
        self.paused = [name for name in self.paused if name not in names]
        return count


class FakeTransport:
    def __init__(self):
        self._admin = FakeAdmin()

    def admin(self):
        return self._admin

    def safe_url(self):
        return "sqlite:///x.db"


class Hub(Step):
    provides = (keys.LOOP,)


class Pool(Step):
    requires = (keys.LOOP,)
    provides = (keys.POOL,)


class Timer(Step):
    pass


class Beat(Step):
    @classmethod
    def enabled(cls, settings):
        return "off: -B not given"


class Tasks(Step):
    requires = (keys.POOL,)


class FakeWorker:
    def __init__(self, app):
        self.app = app

    def resolve(self):
        outer, inner = Blueprint("worker"), Blueprint("consumer")
        return (
            outer.resolve(outer.discover(self.app.discovery), self.app.conf),
            inner.resolve(inner.discover(self.app.discovery), self.app.conf, given=[keys.LOOP, keys.POOL]),
        )


@inspect_command()
def ping(ctx):
    """Answer."""


@inspect_command()
def query_task(ctx, ids: str | Sequence[str], deep: bool = False):
    """Tell of tasks."""


@control_command()
def rate_limit(ctx, task_name: str, rate_limit: str, burst: int = 1):
    """Limit a task."""


class FakeApp:
    main = "fake"
    backend = None

    def __init__(self, conf):
        self.conf = conf
        self.tasks = {}
        self.transport = self.write_transport = FakeTransport()
        self.control = FakeControl([])
        self.sent = []
        self.closed = False
        self.discovery = Discovery(
            {
                "kernelq.steps.worker": {"Hub": Hub, "Pool": Pool, "Timer": Timer, "Beat": Beat},
                "kernelq.steps.consumer": {"Tasks": Tasks},
                "kernelq.workers": {"default": FakeWorker},
                "kernelq.commands": {"ping": ping, "query_task": query_task, "rate_limit": rate_limit},
            },
            installed=False,
        )

    def finalize(self):
        pass

    def import_modules(self):
        return []

    def added_commands(self):
        return []

    def send_task(self, name, args, kwargs, **options):
        self.sent.append((name, args, kwargs, options))
        return self.AsyncResult("new-id")

    def AsyncResult(self, task_id):
        return FakeResult(task_id)

    def close(self):
        self.closed = True


class FakeResult:
    """The id is the state, or ``late`` for one that never comes."""

    def __init__(self, task_id):
        self.id = task_id
        self.state = "SUCCESS" if task_id == "new-id" else task_id
        self.result = {"SUCCESS": 5, "FAILURE": ValueError("no such file")}.get(self.state)
        self.traceback = "Traceback: …" if self.state == "FAILURE" else None

    def get(self, timeout=None, propagate=True):
        if self.state == "late":
            from kernelq.exceptions import TimeoutError

            raise TimeoutError(f"{self.id} has not ended after {timeout:g} seconds")
        return self.result


@pytest.fixture
def app(monkeypatch):
    from kernelq.conf import Conf

    fake = FakeApp(Conf())
    monkeypatch.setattr(Cli, "_load", lambda self: fake)
    return fake


@pytest.fixture
def run(monkeypatch):
    """Run a command line in this process; the terminal is 100 columns wide and has no colour."""
    for name in [name for name in os.environ if name.startswith("KERNELQ_")] + ["NO_COLOR"]:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "100")

    def run(*words, **more):
        return CliRunner().invoke(root, list(words), **more)

    return run


APP = """
from kernelq.app import KernelQ
from kernelq.kernel.blueprint import Blueprint
from kernelq.kernel.discovery import Discovery
from kernelq.kernel.errors import BrokerUnreachable
from kernelq.kernel.keys import Key
from kernelq.kernel.step import Step

KEYS = [Key(f"key{n}") for n in range(40)]


class Gone:
    def __init__(self, url, settings):
        pass

    def sender(self):
        raise BrokerUnreachable("gone://nowhere did not answer within 4 seconds")


def step(n):
    needs = tuple(KEYS[m] for m in {n // 2, n // 3, n - 5} if 0 <= m < n)
    return type(f"Step{n:02}", (Step,), {"provides": (KEYS[n],), "requires": needs})


class Worker:
    def __init__(self, app):
        self.app = app

    def resolve(self):
        plan = Blueprint("worker")
        return (plan.resolve(plan.discover(self.app.discovery), self.app.conf),)


STEPS = {cls.__name__: cls for cls in map(step, range(40))}
app = KernelQ(
    "shop",
    broker="sqlite:///shop.db",
    discovery=Discovery(
        {
            "kernelq.steps.worker": STEPS,
            "kernelq.workers": {"default": Worker},
            "kernelq.transports": {"gone": Gone},
        },
        installed=False,
    ),
)
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "shop.py").write_text(APP)
    (tmp_path / "typo.py").write_text("import nothing_of_that_name\n")
    return tmp_path


@pytest.fixture
def broken(folder):
    """A distribution whose command, hook and step cannot be imported."""
    info = folder / "lame-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: lame\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[kernelq.cli]\nlimp = lame_plugin.command:limp\n[kernelq.gates]\nlame = lame_plugin.gate:gate\n"
    )
    package = folder / "lame_plugin"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('imported')\n")
    (package / "command.py").write_text('"""Walk slowly."""\n')
    return folder


@pytest.fixture
def kernelq(folder):
    def kernelq(*words, code=None, **env):
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("KERNELQ_", "COV"))}
        clean |= {"PYTHONPATH": str(folder), "COLUMNS": "100", "PYTHONWARNINGS": "error", "PYTHONIOENCODING": "utf-8"}
        start = ["-c", code] if code else ["-m", "kernelq.cli.main"]
        return subprocess.run(
            [sys.executable, *start, *words], cwd=folder, env=clean | env, capture_output=True, text=True, timeout=60,
            encoding="utf-8", check=False,
        )  # fmt: skip

    return kernelq
