"""An unmodified Flower, of a release in an environment of its own, and what a person and a program ask of it."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from node import ports

from kernelq_testkit.waiting import eventually

ROOT = Path(__file__).parents[2]
COMMAND = ("-m", "celery", "-A", "kernelq.compat.flower", "flower", "--address=127.0.0.1", "--inspect_timeout=5000")


def interpreter(release: str) -> str:
    """Return that of an environment with this release ("newest" or a version), which is made where it is not there."""
    folder = ROOT / ".nox" / f"flower-{release}-{sys.version_info[0]}.{sys.version_info[1]}"
    folder.parent.mkdir(exist_ok=True)
    python = str(folder / "bin" / "python")
    with folder.with_name(f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "made").exists():
            subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
            flower = "flower" if release == "newest" else f"flower=={release}"
            needed = ["celery[redis]>=5.4", "attrs", "pluggy", "stevedore", "networkx", "hatchling", "editables"]
            install = [python, "-m", "pip", "install", "-q"]
            subprocess.run([*install, flower, *needed], check=True)
            subprocess.run([*install, "--no-deps", "--no-build-isolation", "-e", str(ROOT / "core")], check=True)
            (folder / "made").touch()
    return python


class Flower:
    """A running server."""

    def __init__(self, port: int) -> None:
        self.base = f"http://127.0.0.1:{port}"

    def text(self, path: str, **fields: Any) -> str:
        """Return a page or an answer: POST where there are fields (``_=1`` for none). Fails unless it is 200."""
        data = urllib.parse.urlencode(fields).encode() if fields else None
        return self._fetch(urllib.request.Request(self.base + path, data))

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """Send JSON; return the JSON of the answer."""
        request = urllib.request.Request(self.base + path, json.dumps(body).encode())
        request.add_header("Content-Type", "application/json")
        return json.loads(self._fetch(request))

    def json(self, path: str, **fields: Any) -> Any:
        """Return the JSON of an answer."""
        return json.loads(self.text(path, **fields))

    @staticmethod
    def _fetch(request: urllib.request.Request) -> str:
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                text: str = answer.read().decode()
                return text
        except urllib.error.HTTPError as error:
            with error:
                raise AssertionError(f"{request.full_url}: {error.code} {error.read().decode()[:2000]}") from None


@contextmanager
def served(python: str, folder: Path, environment: dict[str, str], *options: str) -> Iterator[Flower]:
    """Run a Flower meanwhile; its log is shown where the test fails."""
    (port,) = ports(1)
    added = {"FLOWER_UNAUTHENTICATED_API": "1", "PYTHONUNBUFFERED": "1"}
    log = folder / "flower.log"
    with log.open("wb") as output:
        command = [python, *COMMAND, f"--port={port}", *options]
        process = subprocess.Popen(command, cwd=folder, env={**environment, **added}, stdout=output, stderr=output)
    flower = Flower(port)

    def answers() -> bool:
        assert process.poll() is None, "Flower has ended"
        try:
            return flower.text("/healthcheck") == "OK"
        except (urllib.error.URLError, ConnectionError):
            return False

    try:
        eventually(answers, 60, wanted="a Flower that answers")
        yield flower
    except BaseException:
        sys.stdout.write(log.read_text())
        raise
    finally:
        process.terminate()
        process.wait(30)


def environment(app: str, folder: Path, **more: str) -> dict[str, str]:
    """Return that of a process which finds the module `app` in `folder`."""
    return {**os.environ, "KERNELQ_APP": app, "PYTHONPATH": str(folder), **more}
