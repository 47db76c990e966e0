"""What workers can be asked from code: a method for each standard command."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from kernelq.asking import check_destination

if TYPE_CHECKING:
    from kernelq.control import ControlClient


class Inspect:
    """Asks workers. Every method returns ``{node: answer}``, or None where nobody answered in time.

    With one destination given as ``destination=["w1@host"]`` the answer is by node just the same.
    """

    def __init__(self, client: ControlClient, destination: Sequence[str] | None = None, **options: Any) -> None:
        check_destination(destination)
        self._client = client
        self._options = {"destination": destination, **options}

    def command(self, name: str, /, **arguments: Any) -> dict[str, Any] | None:
        """Ask with any command, your own too."""
        replies = self._client.broadcast(name, arguments, reply=True, **self._options)
        return {node: answer for reply in replies for node, answer in reply.items()} if replies else None

    def active(self, safe: bool | None = None) -> dict[str, Any] | None:
        """Return the tasks that run now."""
        return self.command("active", **_given(safe=safe))

    def active_queues(self) -> dict[str, Any] | None:
        """Return the queues that are consumed."""
        return self.command("active_queues")

    def clock(self) -> dict[str, Any] | None:
        """Return the logical clocks."""
        return self.command("clock")

    def conf(self, with_defaults: bool = False) -> dict[str, Any] | None:
        """Return the settings that are set, or all `with_defaults`; secrets hidden."""
        return self.command("conf", with_defaults=with_defaults)

    def hello(self, from_node: str, revoked: Any = None) -> dict[str, Any] | None:
        """Return what a starting worker asks of its neighbours: revoked ids and clocks."""
        return self.command("hello", from_node=from_node, revoked=revoked)

    def memdump(self, samples: int = 10) -> dict[str, Any] | None:
        """Return memory samples."""
        return self.command("memdump", samples=samples)

    def memsample(self) -> dict[str, Any] | None:
        """Have a memory sample taken; return it."""
        return self.command("memsample")

    def objgraph(self, type: str = "Request", n: int = 200, max_depth: int = 10) -> dict[str, Any] | None:
        """Return the file that a graph of the objects of `type` was written to."""
        return self.command("objgraph", num=n, max_depth=max_depth, type=type)

    def ping(self) -> dict[str, Any] | None:
        """Return ``{"ok": "pong"}`` of each that answers."""
        return self.command("ping")

    def query_task(self, *ids: Any) -> dict[str, Any] | None:
        """Return what is known of the tasks with these ids: ``{id: [state, info]}``."""
        if len(ids) == 1 and isinstance(ids[0], list | tuple):
            ids = tuple(ids[0])
        return self.command("query_task", ids=list(ids))

    def registered(self, *taskinfoitems: str) -> dict[str, Any] | None:
        """Return the names of the tasks, each with the attributes asked for: ``"add [rate_limit=10/m]"``."""
        return self.command("registered", taskinfoitems=list(taskinfoitems))

    registered_tasks = registered

    def report(self) -> dict[str, Any] | None:
        """Return a text about each worker, for a bug report."""
        return self.command("report")

    def reserved(self, safe: bool | None = None) -> dict[str, Any] | None:
        """Return the tasks that wait for a slot."""
        return self.command("reserved", **_given(safe=safe))

    def revoked(self) -> dict[str, Any] | None:
        """Return the ids of revoked tasks."""
        return self.command("revoked")

    def scheduled(self, safe: bool | None = None) -> dict[str, Any] | None:
        """Return the tasks with a time to come that a worker holds."""
        return self.command("scheduled", **_given(safe=safe))

    def stats(self) -> dict[str, Any] | None:
        """Return each worker's figures."""
        return self.command("stats")


def _given(**arguments: Any) -> dict[str, Any]:
    return {name: value for name, value in arguments.items() if value is not None}
