"""The program that asks a worker how it is: `kernelq-health`, `python -m kernelq_health`.

It is started every few seconds, by docker, kubelet and their like, so it imports nothing of KernelQ, and of Python's
own library what it needs and when.
"""

from __future__ import annotations

import os
import sys
import time

TYPE_CHECKING = False  # the module typing takes a while to import
if TYPE_CHECKING:
    import socket

QUESTIONS = ("live", "ready", "started")
PORT, HOST, FILE = (f"KERNELQ_WORKER_HEALTH_{name}" for name in ("PORT", "HOST", "FILE"))
"""The variables that set the worker's settings; what asks in the same container knows the answer's place by them."""
FRESH = 10.0
"""Seconds after which a file tells nothing: a worker writes it each second."""
USAGE = f"""\
usage: kernelq-health [live|ready|started] [--port PORT] [--host HOST] [--file PATH] [--timeout SECONDS] [-q]

Asks a worker on this machine how it is; without a question: live. Exit code 0: yes; 1: no, or nobody answers.
Without options the places are those of {PORT}, {HOST} and {FILE}.
"""


def ask(question: str, host: str, port: int, timeout: float) -> tuple[bool, str]:
    """Ask over HTTP; return whether the answer is yes, and what was said."""
    import socket

    until = time.monotonic() + timeout  # the name goes as bytes: for a str Python loads the codec idna, for 15 ms
    try:
        with socket.create_connection((host.encode(), port), timeout) as sock:  # type: ignore[arg-type]  # bytes will do
            sock.sendall(f"GET /{question} HTTP/1.0\r\n\r\n".encode())
            said = b""
            while more := _received(sock, until):
                said += more
    except OSError as error:
        return False, f"{host}:{port}: {error}"
    head, _, body = said.partition(b"\r\n\r\n")
    return head.split(b" ")[1:2] == [b"200"], body.decode(errors="replace").strip() or "no answer"


def _received(sock: socket.socket, until: float) -> bytes:
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError("timed out")
    sock.settimeout(left)
    return sock.recv(65536)


def read(question: str, path: str) -> tuple[bool, str]:
    """Read the worker's file; return whether the answer is yes, and what stands there."""
    import json

    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
        told = json.loads(text)
        age = time.monotonic() - told["monotonic"]
        yes = told[question] is True
    except (OSError, ValueError, KeyError, TypeError) as error:
        return False, f"{path}: {error}"
    if not 0 <= age <= FRESH:
        return False, f"{path} is {age:.0f} s old: the worker that wrote it has ended, or is stopped"
    return yes, text


def answer(words: list[str], environment: dict[str, str]) -> tuple[int, str]:
    """Return the exit code, and what is to be printed."""
    question, host, timeout = "live", environment.get(HOST) or "127.0.0.1", "5"
    port, path = environment.get(PORT), environment.get(FILE)
    quiet, left = False, list(words)
    while left:
        word, separator, value = left.pop(0).partition("=")
        if word in ("-h", "--help"):
            return 0, USAGE
        if word in ("-q", "--quiet"):
            quiet = True
        elif word in QUESTIONS:
            question = word
        elif word in ("--port", "--host", "--file", "--timeout") and (separator or left):
            value = value if separator else left.pop(0)
            port, path = (value, None) if word == "--port" else (None, value) if word == "--file" else (port, path)
            host, timeout = value if word == "--host" else host, value if word == "--timeout" else timeout
        else:
            return 2, f"kernelq-health: {word!r} is not known\n{USAGE}"
    if path is None and not (port or "").isdecimal():
        return 2, f"kernelq-health: say where: --port or --file\n{USAGE}"
    host = "127.0.0.1" if host == "0.0.0.0" else host  # noqa: S104 - it listens there, and is asked here
    yes, said = ask(question, host, int(port), float(timeout)) if port else read(question, path or "")
    return int(not yes), "" if quiet else said


def main() -> None:
    """Ask, print, exit."""
    code, said = answer(sys.argv[1:], dict(os.environ))
    if said:
        print(said, file=sys.stderr if code == 2 else sys.stdout)
    sys.exit(code)
