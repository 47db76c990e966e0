"""Views: what shows a cluster to a person, live. A plugin of the group ``kernelq.views``, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from kernelq.kernel.errors import PluginNotFound

if TYPE_CHECKING:
    from kernelq.app import KernelQ

GROUP = "kernelq.views"
HOMES = {"live": "monitor"}
"""The extra that has a view."""


class View(Protocol):
    """The object behind an entry point of the group ``kernelq.views``: `kernelq events` calls the one named ``live``.

    It has the terminal to itself until the user leaves. It watches by `app.events.Receiver` and `app.events.State`,
    and steers by `app.control`.
    """

    def __call__(self, app: KernelQ) -> None:
        """Show the cluster until the user leaves.

        Raises `kernelq.kernel.errors.BrokerUnreachable` where there is no broker at the start; one lost later is
        waited for.
        """


def load(app: KernelQ, name: str = "live") -> View:
    """Return the view `name`. Raises `PluginNotFound`, which tells what to type, where it is not installed."""
    if name not in app.discovery.names(GROUP):
        extra = HOMES.get(name, name)
        raise PluginNotFound(
            f"the {name} view is not installed; type: pip install 'kernelq[{extra}]', or see events line by line with: "
            "kernelq events --dump"
        )
    view: View = app.discovery.load(GROUP, name, wanted_by="kernelq events")
    return view
