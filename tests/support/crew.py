"""Several workers of which one after the other is killed, and the processes that send meanwhile."""

from __future__ import annotations

import itertools
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import processes

SENDER = Path(__file__).with_name("sender.py")
RECEIVED = re.compile(r"\[([\w-]+)\] received$", re.MULTILINE)


class Senders:
    """Processes that send until they are told to stop; what they attempted and what was accepted is in files."""

    def __init__(self, folder: Path, count: int, ahead: int) -> None:
        self._folder = folder
        self._names = [f"s{number}" for number in range(count)]
        self._processes = [
            subprocess.Popen([sys.executable, str(SENDER), str(folder), name, str(ahead)], cwd=folder)
            for name in self._names
        ]

    def stop(self) -> None:
        """Let them end, and wait for it."""
        (self._folder / "stop").touch()
        for process in self._processes:
            process.wait(60)

    def kill(self) -> None:
        """End what is left."""
        for process in self._processes:
            process.kill()
            process.wait()

    def attempted(self) -> int:
        """Return how many tasks they began to send."""
        return len(self._lines("attempted"))

    def accepted(self) -> dict[str, SimpleNamespace]:
        """Return what was accepted, by its key, with the task's id."""
        pairs = (line.split() for line in self._lines("accepted"))
        return {key: SimpleNamespace(id=task_id) for key, task_id in pairs}

    def _lines(self, what: str) -> list[str]:
        paths = [self._folder / f"{name}.{what}" for name in self._names]
        return [line for path in paths if path.exists() for line in path.read_text().splitlines()]


class Crew:
    """As many workers as there are pools named, and one that is spared; whoever is killed has a successor at once.

    Where only its age tells that a lease has ended, it takes one that lives as long to see it.
    """

    def __init__(self, scene: Any, pools: tuple[str, ...], *arguments: str) -> None:
        self._scene = scene
        self._arguments = arguments
        self._numbers = itertools.count(1)
        self.spared = self._launch(pools[0])
        self.workers = [self._launch(pool) for pool in pools]
        self.killed: list[Any] = []
        self.left: list[float] = []
        """Seconds from each kill to the end of the last host that the worker had."""

    def ready(self) -> list[Any]:
        """Return those that consume."""
        return [worker for worker in self.workers if "ready." in worker.log()]

    def kill(self, dice: random.Random) -> None:
        """Kill the main process of one, wait for its hosts to end by themselves, and start another."""
        chosen = dice.choice(self.ready() if dice.random() < 0.9 else self.workers)
        processes.hurt(chosen.pid, signal.SIGSTOP)  # so that the list of its hosts is whole
        self._scene.until(lambda: processes.state(chosen.pid) in "TZX", "the stop", look=0.0005)
        hosts = self._scene.hosts(chosen)
        at = time.monotonic()
        processes.hurt(chosen.pid, signal.SIGKILL)
        chosen.process.wait()
        self.killed.append(chosen)
        self._scene.hurt.update(dict.fromkeys(hosts, at))
        self.workers[self.workers.index(chosen)] = self._launch(chosen.pool)
        self._scene.until(lambda: not any(map(processes.lives, hosts)), f"hosts {hosts} of a killed worker to end")
        self.left.append(time.monotonic() - at)

    def taken(self) -> set[str]:
        """Return the ids of the tasks that those who are killed had taken, begun or not."""
        return {task_id for worker in self.killed for task_id in RECEIVED.findall(worker.log())}

    def _launch(self, pool: str) -> Any:
        return self._scene.launch(pool, *self._arguments, name=f"w{next(self._numbers)}")
