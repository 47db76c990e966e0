"""How a worker is: asked from outside, while real faults befall it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import processes
import pytest

RED_WITHIN = 15.0
"""Seconds that are promised."""

CONTROL = '''
from kernelq.command import control_command
from kernelq.keys import LANE


@app.control_command
@control_command()
def block(ctx):
    """Hold the loop up, as no command may."""
    time.sleep(60)


@app.control_command
@control_command()
def deafen(ctx):
    """Let the lane pass over what it may take, now and later."""
    lane = ctx[LANE]
    lane.want(0)
    type(lane).want = lambda self, n: None
    return "deaf"
'''

Ask = Callable[[str], bool]


@pytest.fixture
def port() -> int:
    """A port that nobody has."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@pytest.fixture
def ask(port: int) -> Ask:
    """A function that asks a question over the port, in a process of its own."""

    def asked(question: str) -> bool:
        command = [sys.executable, "-m", "kernelq_health", question, f"--port={port}", "--timeout=1"]
        return subprocess.run(command, capture_output=True).returncode == 0

    return asked


@pytest.fixture
def sick(project: Any, start: Any, ask: Ask, until: Any, port: int) -> Callable[..., Any]:
    """A function that starts a worker, waits until it is ready, hurts it, and tells how long until it is red."""
    (project.folder / "tasks.py").write_text((project.folder / "tasks.py").read_text() + CONTROL)

    def hurt(how: Callable[[Any], None], question: str, *words: str) -> float:
        worker = start("-c", "1", "-P", "prefork", f"--health-port={port}", *words).ready()
        until(lambda: ask("ready"), "it to be ready")
        how(worker)
        began = time.monotonic()
        until(lambda: not ask(question), f"{question} to be red")
        return time.monotonic() - began

    return hurt


def told(project: Any, port: int) -> str:
    """The reasons that are told."""
    with socket.create_connection(("127.0.0.1", port), 5) as sock:
        sock.sendall(b"GET /ready HTTP/1.0\r\n\r\n")
        said = b"".join(iter(lambda: sock.recv(65536), b""))
    return "; ".join(json.loads(said.partition(b"\r\n\r\n")[2])["reasons"])


def control(project: Any, command: str) -> None:
    """Send a command and wait for no answer."""
    project.app.control.broadcast(command, reply=False)


def test_a_worker_that_consumes_is_live_ready_and_started(
    project: Any, start: Any, ask: Ask, port: int, until: Any
) -> None:
    """And by its file; when it ends, it is none of them."""
    path = project.folder / "w1.json"
    worker = start("-c", "1", f"--health-port={port}", "--health-file=%n.json").ready()
    until(lambda: ask("ready"), "it to be ready")
    until(lambda: json.loads(path.read_text())["ready"], "its file to tell so")
    command = [sys.executable, "-m", "kernelq", "health", "-o", "json"]

    assert ask("live")
    assert ask("started")
    done = subprocess.run([*command, "ready", "--file", path], capture_output=True, text=True)
    assert (0, True) == (done.returncode, json.loads(done.stdout)["ready"]), done

    worker.signal(signal.SIGTERM)
    assert 0 == worker.exit_code()
    assert not ask("live")
    assert not path.exists()
    assert 1 == subprocess.run([*command, "--port", str(port)], capture_output=True).returncode


@pytest.mark.slow
def test_a_loop_that_is_blocked_is_red(project: Any, sick: Any, port: int) -> None:
    """The port goes on answering: it has a thread of its own."""
    assert RED_WITHIN > sick(lambda worker: control(project, "block"), "live")
    assert "its loop has not turned" in told(project, port)


@pytest.mark.slow
def test_a_process_that_is_stopped_is_red_by_its_silence(project: Any, sick: Any, until: Any) -> None:
    """The file tells it by its age."""
    path = project.folder / "h.json"
    command = [sys.executable, "-m", "kernelq_health", f"--file={path}"]

    def stop(worker: Any) -> None:
        worker.signal(signal.SIGSTOP)

    began = time.monotonic()
    sick(stop, "live", f"--health-file={path}")

    until(lambda: 1 == subprocess.run(command, capture_output=True).returncode, "the file to be old")
    assert time.monotonic() - began < RED_WITHIN + 10, "it took some seconds to start"


@pytest.mark.slow
def test_hosts_that_are_stopped_are_red_until_they_are_replaced(
    project: Any, sick: Any, ask: Ask, until: Any, port: int
) -> None:
    def stop(worker: Any) -> None:
        for pid in processes.children(worker.process.pid):
            os.kill(pid, signal.SIGSTOP)

    assert RED_WITHIN > sick(stop, "live")
    assert "none of its hosts" in told(project, port)
    until(lambda: ask("ready"), "another host")


@pytest.mark.slow
def test_a_lane_that_takes_nothing_is_red_while_messages_wait(project: Any, sick: Any, port: int, until: Any) -> None:
    """Not before: that nothing comes is no illness."""

    def deafen(worker: Any) -> None:
        assert project.app.control.broadcast("deafen", reply=True, timeout=10)
        project.send("add", 1, 1)

    assert RED_WITHIN > sick(deafen, "live")
    assert "none was taken" in told(project, port)


def test_a_task_that_takes_long_is_no_illness(project: Any, start: Any, ask: Ask, port: int, until: Any) -> None:
    """Nor are the messages that wait behind it."""
    start("-c", "1", "-P", "prefork", f"--health-port={port}").ready()
    for key in ("one", "two"):
        project.send("until_let_go", key)
    project.pid_of("one")
    until(lambda: ask("ready"), "it to be ready")
    project.let_go("one")
    project.let_go("two")


@pytest.mark.slow
def test_a_task_in_the_main_process_itself_is_no_illness(
    project: Any, start: Any, ask: Ask, port: int, until: Any
) -> None:
    """In the pool solo the loop does not turn meanwhile, and nothing is wrong."""
    start("-P", "solo", f"--health-port={port}").ready()
    project.send("until_let_go", "one")
    project.pid_of("one")
    began, answers = time.monotonic(), []
    while time.monotonic() - began < RED_WITHIN:
        answers.append(ask("ready"))

    assert answers[-1]
    assert all(answers[1:]), "after its first turn"
    project.let_go("one")


def serve(folder: Path, port: int) -> subprocess.Popen[bytes]:
    """Start a Redis of the test's own, and wait until it answers."""
    options = ["--port", str(port), "--save", "", "--dir", str(folder), "--bind", "127.0.0.1"]
    server = subprocess.Popen(["redis-server", *options], stdout=subprocess.DEVNULL)
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return server
        except ConnectionRefusedError:
            assert server.poll() is None


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A Redis of the test's own, and its port."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        number = sock.getsockname()[1]
    server = serve(tmp_path, number)
    yield server, number
    server.kill()
    server.wait()


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP], ids=["gone", "silent"])
def test_a_broker_that_is_away_makes_it_unready_and_not_dead(
    start: Any, ask: Ask, port: int, until: Any, redis: Any, how: int, project: Any
) -> None:
    server, number = redis
    url = f"redis://127.0.0.1:{number}/0"
    worker = start("-c", "1", "-P", "prefork", f"--health-port={port}", "-b", url, "--result-backend", "disabled://")
    worker.ready()
    until(lambda: ask("ready"), "it to be ready")

    server.send_signal(how)
    began = time.monotonic()
    until(lambda: not ask("ready"), "it not to be ready")
    red = time.monotonic() - began
    lively = []
    while time.monotonic() - began < RED_WITHIN:
        lively.append(ask("live"))

    assert RED_WITHIN > red
    assert all(lively), (told(project, port), worker.log)


def test_systemd_hears_of_each_turn_of_its_life(start: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """READY, WATCHDOG, RELOADING and READY again as the same process, STOPPING."""
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    monkeypatch.setenv("WATCHDOG_USEC", "600000")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(60)

        def hear(word: str) -> None:
            while word not in manager.recv(4096).decode().split("\n"):
                pass

        worker = start("-c", "1", "-P", "threads")
        hear("READY=1")
        hear("WATCHDOG=1")
        worker.signal(signal.SIGHUP)
        hear("RELOADING=1")
        hear("READY=1")
        worker.signal(signal.SIGTERM)
        hear("STOPPING=1")
        assert 0 == worker.exit_code()
