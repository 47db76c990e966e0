"""A page as a reader follows it: its code blocks, in order, in one folder.

- ```` ```python title="shop.py" ```` (or toml) is written to that file.
- ```` ```python ```` is run by an interpreter of its own.
- ```` ```console ````: what follows `$` is run by a shell; what it prints is compared. `...` stands for anything. A
  command that ends with `&` runs until the page ends. Commands of installers and of nox are not run: the sessions of
  nox do that.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import attrs

from kernelq_testkit.waiting import patience

FENCE = re.compile(r"^```(?P<kind>\w+)(?P<rest>[^\n]*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
TITLE = re.compile(r'title="([^"]+)"')
NOT_RUN = re.compile(r"(pip|uv|nox|python3 -m pip|kernelq --install-completion)\b")
TIMEOUT = 120
"""Seconds for a command."""
UNANSWERED, TRIES = "no worker answered within", 5
"""Control waits a second for replies, which a loaded machine may not have; a reader would ask again."""


@attrs.frozen
class Block:
    """One fenced block."""

    kind: str
    title: str | None
    body: str
    line: int


def blocks(page: Path) -> Iterator[Block]:
    """Yield the code blocks of `page`."""
    text = page.read_text(encoding="utf-8")
    for hit in FENCE.finditer(text):
        title = TITLE.search(hit["rest"])
        yield Block(hit["kind"], title and title[1], hit["body"], text.count("\n", 0, hit.start()) + 1)


def commands(block: Block) -> Iterator[tuple[str, list[str]]]:
    """Yield each command of a console block with the lines that it is to print."""
    command, expected = "", list[str]()
    for line in block.body.splitlines():
        if line.startswith("$ "):
            if command:
                yield command, expected
            command, expected = line[2:], []
        else:
            expected.append(line)
    if command:
        yield command, expected


def matches(expected: list[str], printed: str) -> bool:
    """Tell whether `printed` is what the page shows; no line shown means that nothing is claimed."""
    if not expected:
        return True
    wanted = "\n".join(line.rstrip() for line in expected).strip("\n")
    pattern = ".*?".join(re.escape(part) for part in wanted.split("..."))
    found = "\n".join(line.rstrip() for line in printed.splitlines()).strip("\n")
    return re.fullmatch(pattern, found, re.DOTALL) is not None


class Reader:
    """Follows one page in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        scripts = sysconfig.get_path("scripts")
        path = os.pathsep.join([scripts, os.environ.get("PATH", "")])
        self.environment = {**os.environ, "PATH": path, "NO_COLOR": "1", "COLUMNS": "120", "PYTHONPATH": str(folder)}
        self._background: list[tuple[subprocess.Popen[bytes], Path]] = []

    def follow(self, block: Block) -> None:
        """Do what a block says; raises AssertionError where it does not come out as shown."""
        if block.title:
            compile(block.body, block.title, "exec") if block.kind == "python" else None
            (self.folder / block.title).write_text(block.body, encoding="utf-8")
        elif block.kind == "python":
            self._run([sys.executable, "-W", "error", "-c", block.body], f"the block in line {block.line}")
        elif block.kind == "console":
            for command, expected in commands(block):
                self._type(command, expected)

    def _type(self, command: str, expected: list[str]) -> None:
        if NOT_RUN.match(command):
            return
        command = re.sub(r"\btimeout (\d+)\b", lambda found: f"timeout {patience(float(found[1])):g}", command)
        if command.endswith("&"):
            self._start(command.removesuffix("&").strip())
            return
        printed = self._run(["sh", "-c", command], command)
        shown = "\n".join(expected)
        assert matches(expected, printed), f"$ {command}\nshown:\n{shown}\nprinted:\n{printed}\n{self.logs()}"

    def _run(self, command: list[str], what: str) -> str:
        for _ in range(TRIES):
            done = subprocess.run(
                command,
                cwd=self.folder,
                env=self.environment,
                capture_output=True,
                text=True,
                timeout=patience(TIMEOUT),
            )
            if UNANSWERED not in done.stdout + done.stderr:
                break
        told = f"{what} left with {done.returncode}\n{done.stdout}\n{done.stderr}\n"
        assert done.returncode == 0, told + self.logs()
        return done.stdout

    def _start(self, command: str) -> None:
        log = self.folder / f"background-{len(self._background)}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                ["sh", "-c", f"exec {command}"], cwd=self.folder, env=self.environment, stdout=output, stderr=output
            )
        self._background.append((process, log))
        app = re.match(r"kernelq (-A \S+) worker\b", command)
        if app:
            self._await_worker(app[1])

    def _await_worker(self, app: str) -> None:
        for _ in range(30):  # each asks for a second
            asked = subprocess.run(
                ["sh", "-c", f"kernelq {app} status"], cwd=self.folder, env=self.environment, capture_output=True
            )
            if asked.returncode == 0 or self._background[-1][0].poll() is not None:
                return

    def logs(self) -> str:
        """Return what the commands in the background have printed."""
        return "\n".join(f"{log.name}:\n{log.read_text(errors='replace')}" for _, log in self._background)

    def close(self) -> None:
        """End what runs in the background, and see that it ends well."""
        for process, _ in self._background:
            process.send_signal(signal.SIGTERM)
        codes = []
        for process, _ in self._background:
            try:
                codes.append(process.wait(patience(60)))
            except subprocess.TimeoutExpired:
                process.kill()
                codes.append(process.wait())
        assert codes == [0] * len(codes), f"commands in the background left with {codes}\n{self.logs()}"
