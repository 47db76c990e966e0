"""`kernelq events`, as people type it, in a process of its own."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from kernelq import KernelQ
from kernelq.cli.main import root
from kernelq.kernel.discovery import Discovery
from kernelq_testkit.waiting import eventually

CAMERA = """
import json
from kernelq.events.snapshot import Polaroid
class Album(Polaroid):
    def on_shutter(self, state):
        open("pictures", "a").write(json.dumps(sorted(state.workers)) + "\\n")
"""


class Site:
    """A folder with a broker in it, and an app that speaks to that."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = f"sqlite:///{folder / 'kernelq.db'}"
        self.app = KernelQ("t", broker=self.url, backend="disabled://")

    @contextlib.contextmanager
    def command(self, *words: str) -> Iterator[subprocess.Popen[str]]:
        """Run `kernelq events` meanwhile."""
        line = [sys.executable, "-m", "kernelq", "-b", self.url, "events", *words]
        with (self.folder / "out").open("w") as out, (self.folder / "err").open("w") as err:
            process = subprocess.Popen(line, cwd=self.folder, stdout=out, stderr=err, text=True)
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    def read(self, name: str) -> str:
        path = self.folder / name
        return path.read_text() if path.exists() else ""

    def send_until(self, condition: Any) -> None:
        """Send a worker's event again and again, until it has been seen."""
        with self.app.events.default_dispatcher("w1@h") as dispatcher:

            def look() -> Any:
                dispatcher.send("worker-online", freq=2.0)
                return condition()

            eventually(look, 60, wanted=f"an event that was seen; {self.read('err')}")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    yield made
    made.app.close()


def test_events_are_printed_until_it_is_told_to_end(site: Site) -> None:
    with site.command("--dump") as process:
        site.send_until(lambda: "w1@h [" in site.read("out"))
        process.send_signal(signal.SIGINT)
        assert 0 == process.wait(30)
    assert "] started: " in site.read("out")
    assert "watching for events" in site.read("err")


def test_events_are_printed_whole_as_json_and_no_more_than_so_many(site: Site) -> None:
    with site.command("--dump", "-o", "jsonl", "--limit", "2") as process:
        site.send_until(lambda: process.poll() is not None)
        assert 0 == process.wait(30)
    lines = [json.loads(line) for line in site.read("out").splitlines()]
    assert ["worker-online"] * 2 == [line["type"] for line in lines]
    assert {"hostname", "timestamp", "clock", "pid", "utcoffset", "local_received"} <= set(lines[0])


def test_a_camera_takes_pictures_and_a_last_one(site: Site) -> None:
    (site.folder / "cameras.py").write_text(CAMERA)
    with site.command(
        "--camera", "cameras.Album", "-F", "0.05", "--pidfile", "cam.pid", "-f", "%n.log", "-l", "info"
    ) as process:
        site.send_until(lambda: '["w1@h"]' in site.read("pictures"))
        assert str(process.pid) == site.read("cam.pid").strip()
        process.send_signal(signal.SIGTERM)
        assert 0 == process.wait(30)
    assert not (site.folder / "cam.pid").exists()


def run(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(root, ["events", *words])
    return done.exit_code, done.output


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--dump", "--camera", "a.B"), "exclude each other"),
        (("--limit", "3"), "--limit goes with --dump"),
        (("--detach",), "only with --camera"),
        (("--camera", "a.B", "-F", "0"), "x>0"),
        (("--dumb",), "--dump"),
    ],
)
def test_a_mistake_is_told(words: tuple[str, ...], told: str) -> None:
    code, output = run(*words)

    assert 2 == code
    assert told in output


def test_a_camera_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    code, output = run("--camera", "no.such.Camera")

    assert 3 == code
    assert "there is no camera 'no.such.Camera'" in output


def test_without_the_view_it_tells_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    names = Discovery.names
    monkeypatch.setattr(Discovery, "names", lambda self, group: [] if group == "kernelq.views" else names(self, group))
    code, output = run()

    assert 3 == code
    assert "pip install 'kernelq[monitor]'" in output
    assert "kernelq events --dump" in output


def test_without_a_broker_it_says_so() -> None:
    before = signal.getsignal(signal.SIGINT)
    code, output = run("--dump", "-b", "redis://127.0.0.1:1/0")

    assert 4 == code
    assert "no events can be had from redis://127.0.0.1:1/0" in output
    assert before == signal.getsignal(signal.SIGINT)
