"""Commands about the worker's memory, for who looks for a leak."""

from __future__ import annotations

import gc
import tempfile
from typing import Any

from kernelq.command import inspect_command
from kernelq.kernel.keys import Context
from kernelq_control.keys import SAMPLES

UNITS = ((2**30, "GB"), (2**20, "MB"), (2**10, "KB"), (1, "b"))


@inspect_command()
def memsample(ctx: Context) -> str:
    """Ask how much memory the worker's main process takes, and have it remembered for memdump."""
    seen = resident()
    ctx[SAMPLES].append(seen)
    return seen


@inspect_command()
def memdump(ctx: Context, samples: int = 10) -> str:
    """Ask for what memsample has seen, at most so many of it, and for the memory after a garbage collection."""
    given: object = samples  # over the wire anything may come
    if not isinstance(given, int) or isinstance(given, bool) or given < 1:
        raise ValueError(f"samples is a number above 0, not {samples!r}")
    kept = ctx[SAMPLES]
    seen = list(kept)
    kept.clear()
    gc.collect()
    chosen = seen[:: max(len(seen) // samples, 1)][:samples]
    lines = ["- rss (sample):", *(f"-    > {one}," for one in chosen)] if chosen else []
    return "\n".join([*lines, f"- rss (end): {resident()}.", ""])


@inspect_command()
def objgraph(ctx: Context, type: str = "Request", num: int = 200, max_depth: int = 10) -> dict[str, Any]:
    """Ask for a picture of what keeps objects of a type in memory; the reply names its file, on the worker's host."""
    try:
        import objgraph as library  # type: ignore[import-untyped,unused-ignore]  # it has no types
    except ImportError:
        raise ImportError(
            "objgraph is not installed where the worker runs; type: pip install 'kernelq-control[objgraph]'"
        ) from None
    objects = library.by_type(type)[:num]
    with tempfile.NamedTemporaryFile(prefix="kernelq-objgraph-", suffix=".dot", delete=False, mode="w") as file:
        library.show_backrefs(objects, max_depth=max_depth, highlight=lambda one: one in objects, output=file)
        return {"filename": file.name}


def resident() -> str:
    """Return the memory that this process has in use, as people read it: ``45.6MB``."""
    import psutil  # a worker starts without it

    size = psutil.Process().memory_info().rss
    unit, name = next((unit, name) for unit, name in UNITS if size >= unit)
    return f"{size / unit:.5g}{name}"
