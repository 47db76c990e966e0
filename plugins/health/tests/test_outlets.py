"""The port and the file, and the program that asks them."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kernelq.kernel.errors import ConfigurationError
from kernelq_health import probe
from kernelq_health.outlets import File, Server
from kernelq_health.pulse import Pulse


@pytest.fixture
def pulse() -> Pulse:
    """One of a worker that lives, and does not consume."""
    made = Pulse(clock=lambda: 0.0)
    made.turned_at = 0.0
    return made


@pytest.fixture
def port(pulse: Pulse) -> Iterator[int]:
    """A port that tells of it."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        free = sock.getsockname()[1]
    server = Server(pulse, "127.0.0.1", free)
    yield free
    server.close()


@pytest.mark.parametrize(("question", "code"), [("live", 0), ("ready", 1), ("started", 0)])
def test_both_answer_each_question(pulse: Pulse, port: int, tmp_path: Path, question: str, code: int) -> None:
    file = File(pulse, str(tmp_path / "h.json"))
    try:
        for place in (f"--port={port}", f"--file={tmp_path / 'h.json'}"):
            found, said = probe.answer([question, place], {})
            assert code == found
            assert ["it does not consume: there is no connection to the broker"] == json.loads(said)["reasons"]
    finally:
        file.close()
    assert [] == list(tmp_path.iterdir()), "nothing is left"


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        ("GET /live", 200), ("GET /ready?x=1", 503), ("GET /", 200), ("HEAD /ready", 503), ("GET /other", 404),
        ("POST /live", 501),
    ],
)  # fmt: skip
def test_the_port_speaks_http(port: int, request_: str, status: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as sock:
        sock.sendall(f"{request_} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        said = b"".join(iter(lambda: sock.recv(65536), b""))

    assert said.startswith(f"HTTP/1.0 {status} ".encode())


def test_who_asks_and_says_nothing_holds_nobody_up(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)):
        assert 0 == probe.answer(["live", f"--port={port}", "--timeout=20"], {})[0]


def test_a_port_that_is_taken_is_told(port: int, pulse: Pulse) -> None:
    with pytest.raises(ConfigurationError, match=f"--health-port: 127.0.0.1:{port}"):
        Server(pulse, "127.0.0.1", port)


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path, pulse: Pulse) -> None:
    with pytest.raises(ConfigurationError, match="--health-file"):
        File(pulse, str(tmp_path / "nowhere" / "h.json"))


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "No such file"),
        ("{}", "monotonic"),
        ("garbage", "Expecting value"),
        ("[]", "indices"),
        (json.dumps({"live": True, "monotonic": time.monotonic() - 60}), "s old"),
        (json.dumps({"live": True, "monotonic": time.monotonic() + 1e6}), "s old"),
        (json.dumps({"live": 1, "monotonic": 0.0}), "s old"),
    ],
    ids=["missing", "empty", "garbage", "list", "old", "of another boot", "first"],
)
def test_a_file_that_tells_nothing_is_no(tmp_path: Path, content: str | None, why: str) -> None:
    """Of a worker that has ended, or is stopped; also one written before the machine was started anew."""
    path = tmp_path / "h.json"
    if content is not None:
        path.write_text(content)

    code, said = probe.answer([f"--file={path}"], {})

    assert (1, True) == (code, why in said), said


def test_who_answers_with_nothing_is_no() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=lambda: server.accept()[0].close())
        thread.start()
        assert 1 == probe.answer(["--port", str(server.getsockname()[1])], {})[0]
        thread.join()


def test_who_does_not_answer_is_no() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        code, said = probe.answer(["--port", str(server.getsockname()[1]), "--timeout", "0.1"], {})

    assert (1, True) == (code, "timed out" in said)


def test_the_places_may_be_in_the_environment(port: int, tmp_path: Path) -> None:
    """By the variables that set them for the worker too."""
    assert 0 == probe.answer([], {probe.PORT: str(port), probe.HOST: "0.0.0.0"})[0]
    assert 1 == probe.answer([], {probe.FILE: str(tmp_path / "none")})[0]


@pytest.mark.parametrize("words", [[], ["--port", "x"], ["--port"], ["alive"], ["--other=1"]])
def test_what_is_wrong_is_a_mistake_of_usage(words: list[str]) -> None:
    code, said = probe.answer(words, {})

    assert (2, True) == (code, "usage: kernelq-health" in said)


def test_the_program_imports_nothing_of_kernelq(port: int) -> None:
    """Nor click, nor asyncio: it runs every few seconds."""
    script = (
        "import atexit, sys\n"
        "from kernelq_health.probe import main\n"
        "atexit.register(lambda: print(*sys.modules, sep='\\n', file=sys.stderr))\n"
        f"sys.argv[1:] = ['started', '--port={port}']\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    loaded = set(done.stderr.split())

    assert (0, True) == (done.returncode, '"started": true' in done.stdout)
    assert "kernelq_health.probe" in loaded
    assert not loaded & {
        "kernelq",
        "click",
        "asyncio",
        "typing",
        "argparse",
        "http",
        "urllib",
        "encodings.idna",
        "json",
    }
    assert (
        0
        == subprocess.run(
            [sys.executable, "-m", "kernelq_health", "-q"], env={**os.environ, probe.PORT: str(port)}
        ).returncode
    )
