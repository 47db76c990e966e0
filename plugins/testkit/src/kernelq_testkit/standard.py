"""The standard pieces of a worker, given by hand."""

from __future__ import annotations

from kernelq.kernel.discovery import Discovery

STANDARD = frozenset(
    {
        "kernelq-control",
        "kernelq-memory",
        "kernelq-solo",
        "kernelq-strategies",
        "kernelq-threads",
        "kernelq-worker",
    }
)
"""The distributions whose plugins a test app has, whatever else is installed."""

LEFT_OUT = frozenset({"kernelq.cli"})


def standard_discovery(**more: dict[str, object]) -> Discovery:
    """Return a discovery that knows the standard plugins and no others, so that a test means the same everywhere.

    `more` adds to it; the group ``kernelq.pools`` is written ``pools={"mine": MyPool}``, and
    ``kernelq.steps.worker`` is ``steps_worker={"Mine": MyStep}``.
    """
    installed = Discovery()
    given: dict[str, dict[str, object]] = {}
    for group in installed.groups():
        if group not in LEFT_OUT:
            for one in installed.found(group):
                if one.distribution in STANDARD:
                    given.setdefault(group, {})[one.name] = one.load()
    for group, named in more.items():
        given.setdefault(f"kernelq.{group.replace('_', '.')}", {}).update(named)
    return Discovery(given, installed=False)
