"""What is done to nodes: start, stop, restart. What happens is told as it happens."""

from __future__ import annotations

import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import psutil

from kernelq_multi.folders import make_folders
from kernelq_multi.node import Node
from kernelq_multi.process import Running, running
from kernelq_multi.told import Told

AT_ONCE = 8
"""Nodes that are started at the same time: importing an app is work for the processor."""
LOOK = 0.05
"""Seconds between two looks whether nodes have ended."""


class Cluster:
    """Nodes of this machine. Every method returns whether all went well."""

    def __init__(self, nodes: Sequence[Node], told: Told) -> None:
        self._nodes = nodes
        self._told = told
        self._refused = False

    def start(self) -> bool:
        """Start them, and wait until each has started or said why not."""
        self._told.note("> Starting nodes...")
        with ThreadPoolExecutor(AT_ONCE) as threads:
            return self._see({node: threads.submit(self._run, node) for node in self._nodes}, "\t> {}: ")

    def stop(self, number: int = signal.SIGTERM) -> bool:
        """Send them a signal to end; wait for nobody."""
        self._signal(number, self._down)
        return not self._refused

    def stopwait(self, number: int = signal.SIGTERM) -> bool:
        """Send them a signal to end, and wait until all have ended."""
        self._await(self._signal(number, self._down), lambda node: None)
        return not self._refused

    def restart(self, number: int = signal.SIGTERM) -> bool:
        """Stop them, and start each anew as soon as it has ended; those that are down are started."""
        starts: dict[Node, Future[subprocess.CompletedProcess[str]]] = {}
        with ThreadPoolExecutor(AT_ONCE) as threads:

            def begin(node: Node) -> None:
                starts[node] = threads.submit(self._run, node)

            self._await(self._signal(number, begin), begin)
            return self._see(starts, "> Restarting node {}: ") and not self._refused

    def kill(self) -> bool:
        """End them at once; their hosts end with them."""
        return self.stop(signal.SIGKILL)

    # starting

    def _run(self, node: Node) -> subprocess.CompletedProcess[str]:
        make_folders(node)
        self._told.info(f"  {shlex.join(node.line)}")
        return subprocess.run(node.line, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)  # noqa: S603 - the nodes' own command

    def _see(self, starts: dict[Node, Future[subprocess.CompletedProcess[str]]], text: str) -> bool:
        well = True
        for node, future in starts.items():
            try:
                done = future.result()
            except OSError as error:
                code, said = 1, str(error)
            else:
                code, said = done.returncode, done.stderr.strip()
            self._told.note(text.format(node.name) + ("OK" if code == 0 else f"FAILED (exit code {code})"))
            if said:
                self._told.error(said)
            well = well and code == 0
        return well

    # ending

    def _signal(self, number: int, on_down: Callable[[Node], None]) -> list[Running]:
        """Send the signal to all that run; return those that got it."""
        name = signal.Signals(number).name.removeprefix("SIG")
        found = [(node, running(node)) for node in self._nodes]
        if any(one for _, one in found):
            self._told.note("> Stopping nodes...")
        got = []
        for node, one in found:
            try:
                if one is not None and one.send(number):
                    got.append(one)
                    self._told.note(f"\t> {node.name}: {name} -> {one.process.pid}")
                    continue
            except psutil.AccessDenied:
                self._refused = True
                self._told.error(
                    f"{node.name}: process {one and one.process.pid} is another user's; nothing is sent to it"
                )
                continue
            on_down(node)
        return got

    def _await(self, left: list[Running], then: Callable[[Node], None]) -> None:
        if left:
            self._told.note(f"> Waiting for {_nodes(left)}...")
        while left:
            gone = [one for one in left if not one.lives]
            left = [one for one in left if one not in gone]
            for one in gone:
                self._told.note(f"\t> {one.node.name}: has ended" + (f"; {_nodes(left)} left" if left else ""))
                then(one.node)
            if left:
                time.sleep(LOOK)

    def _down(self, node: Node) -> None:
        self._told.note(f"> {node.name}: DOWN (nobody holds {node.pidfile})")


def _nodes(several: Sequence[Running]) -> str:
    pids = ", ".join(str(one.process.pid) for one in several)
    return f"{len(several)} node{'s' * (len(several) != 1)} -> {pids}"
