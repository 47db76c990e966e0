"""From a URL to the plugin that its scheme names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kernelq.app import KernelQ
    from kernelq.kernel.contracts.backend import ResultBackend
    from kernelq.kernel.discovery import Discovery


def plugin(discovery: Discovery, group: str, url: str, setting: str) -> Any:
    """Return the plugin of `group` for a URL that `setting` has.

    ``db+postgresql`` is taken by a plugin of that name, else by ``db``, else by the one named ``fallback``. Raises
    `kernelq.kernel.errors.PluginNotFound`.
    """
    scheme = url.partition(":")[0]
    family = scheme.partition("+")[0]
    names = discovery.names(group)
    name = next((one for one in (scheme, family, "fallback") if one in names), family)
    return discovery.load(group, name, wanted_by=f"setting {setting}")


def open_backend(app: KernelQ) -> ResultBackend | None:
    """Return the result store that the settings name; None where results are not kept."""
    url = app.conf.result_backend
    if not url or url.partition(":")[0] == "disabled":
        return None
    made: ResultBackend = plugin(app.discovery, "kernelq.backends", url, "result_backend")(url, app.conf)
    return made
