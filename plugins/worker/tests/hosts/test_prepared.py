"""Hosts that were forked from a template are like those that are started one by one."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from kernelq_worker.hosts.spawn import Fresh
from kernelq_worker.hosts.template import Template

from .conftest import Rig, job

APP = """
import json, os, random, signal, sys
from kernelq import KernelQ, hookimpl
HERE = os.path.dirname(os.path.abspath(__file__))
signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(3))
kept = open(HERE + "/kept", "w")
app = KernelQ("x", broker="sqlite:///" + HERE + "/q.db")

class Diary:
    @hookimpl
    def worker_process_init(self):
        kept.write("it is open")
        seen = {
            "drawn": random.random(), "parent": os.getppid(), "argv": sys.argv,
            "inheritable": [fd for fd in range(3, 256) if inheritable(fd)],
        }
        with open(f"{HERE}/begun-{os.getpid()}", "w") as file:
            json.dump(seen, file)
        os.rename(f"{HERE}/begun-{os.getpid()}", f"{HERE}/seen-{os.getpid()}")

def inheritable(fd):
    try:
        return os.get_inheritable(fd)
    except OSError:
        return False

app.register(Diary())
"""


class Made:
    """Two hosts of one slot, and what each noted when it began."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "kq_prepared_app.py").write_text(APP)
        self.template = Template(Fresh("kernelq_threads.pool:Threads", "kq_prepared_app:app", "w@here", name="some"))
        self.rig = Rig(2, 1, spawn=self.template).start()

    def seen(self) -> list[dict[str, Any]]:
        """Return what the hosts noted, the first started first."""
        pids = self.rig.pids()
        self.rig.until(lambda: all((self.folder / f"seen-{pid}").exists() for pid in pids))
        return [json.loads((self.folder / f"seen-{pid}").read_text()) for pid in pids]


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], Made]]:
    monkeypatch.syspath_prepend(str(tmp_path))
    all_made: list[Made] = []

    def make() -> Made:
        all_made.append(Made(tmp_path))
        return all_made[-1]

    yield make
    for one in all_made:
        one.rig.close()


def test_each_has_its_own_random_numbers_and_the_supervisor_as_its_parent(made: Callable[[], Made]) -> None:
    first, second = made().seen()
    assert first["drawn"] != second["drawn"]
    assert os.getpid() == first["parent"] == second["parent"]
    assert first["argv"] == second["argv"]


def test_titles_tell_which_is_which(made: Callable[[], Made]) -> None:
    """The template has one too, and none of them shows a command line."""
    m = made()
    titles = [" ".join(psutil.Process(pid).cmdline()).strip() for pid in (m.template.pid, *m.rig.pids())]
    assert [f"[kernelqd: w@here:some-{name}]" for name in ("template", 1, 2)] == titles


def test_a_host_has_one_socket_and_the_apps_own_files(made: Callable[[], Made]) -> None:
    """Neither the template's connection, nor another host's; and what it has, no program that a task starts gets."""
    m = made()
    for pid, seen in zip(m.rig.pids(), m.seen(), strict=True):
        open_on = [os.readlink(link) for link in Path(f"/proc/{pid}/fd").iterdir()]
        assert 1 == len([name for name in open_on if name.startswith("socket:")])
        assert 1 == len([name for name in open_on if name == str(m.folder / "kept")])
        assert set(seen["inheritable"]) <= _inheritable(), "beyond what the tests were started with"


def _inheritable() -> set[int]:
    found = set()
    for name in os.listdir("/proc/self/fd"):
        with suppress(OSError):  # the listing's own
            found.update([int(name)] if os.get_inheritable(int(name)) else [])
    return found


def test_a_signal_to_all_ends_none_of_them(made: Callable[[], Made]) -> None:
    """Whatever handler the app's modules set: TERM and INT are the supervisor's to hear."""
    m = made()
    m.seen()
    pids, before = m.rig.pids(), m.template.pid
    for pid in (before, *pids):
        assert pid is not None
        os.kill(pid, signal.SIGTERM)
        os.kill(pid, signal.SIGINT)
    m.rig.pool.submit([job(number) for number in range(50)])
    m.rig.until(lambda: m.rig.book.seen == 50)
    assert (pids, before) == (m.rig.pids(), m.template.pid)
