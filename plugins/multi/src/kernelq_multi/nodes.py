"""Which nodes were named, and what each of them gets of the options: Celery's rules (celery/apps/multi.py)."""

from __future__ import annotations

import re

from kernelq.kernel.errors import KernelQError
from kernelq.nodenames import gethostname, node_format, nodename, nodesplit
from kernelq_multi.arguments import Arguments, Options
from kernelq_multi.node import COMMAND, Node

RANGE_PREFIX = "celery"
_COUNT = re.compile(r"\d+")
_SPAN = re.compile(r"(\d+)-(\d+)")
_EMPTY = ('""', "''")


class NoSuchNode(KernelQError):
    """An option is for a node that there is not."""

    exit_code = 2


def nodes(arguments: Arguments, given: Options) -> list[Node]:
    """Return the nodes in the order of their names; `given` are options of all nodes, which those typed here replace.

    Raises `NoSuchNode`.
    """
    options = {**given, **arguments.options}
    command = options.pop("--cmd", None) or COMMAND
    append = options.pop("--append", None) or ""
    long, short = options.pop("--hostname", None), options.pop("-n", None)
    prefix = options.pop("--prefix", None) or ""
    suffix = options.pop("--suffix", None) or long or short or gethostname()
    range_prefix = options.pop("--range-prefix", None) or RANGE_PREFIX
    names = counted(arguments.names)
    own = _own(arguments.of_some, arguments.names if names is None else names, names is not None)
    if names is None:
        names = arguments.names
    else:
        prefix = range_prefix
    suffix = "" if suffix in _EMPTY else suffix
    host, made = gethostname(), []
    for name in names:
        whole = name if "@" in name else f"{prefix}{name}@{suffix}"
        whole = node_format(whole, nodename(host.partition(".")[0], host))
        known = own.get(whole) or own.get(nodesplit(whole)[0] or "" if "@" in name else name) or {}
        made.append(Node(whole, {**options, **known}, command, append, tuple(arguments.rest)))
    return made


def counted(names: list[str]) -> list[str] | None:
    """Return the numbers of ``5`` (1 to 5) or ``3-5``; None where nodes are named."""
    if len(names) != 1:
        return None
    if _COUNT.fullmatch(names[0]):
        return [str(number) for number in range(1, int(names[0]) + 1)]
    return _span(names[0])


def _span(text: str) -> list[str] | None:
    hit = _SPAN.fullmatch(text)
    return hit and [str(number) for number in range(int(hit[1]), int(hit[2]) + 1)]


def _own(of_some: dict[str, Options], names: list[str], are_counted: bool) -> dict[str, Options]:
    """Return the options of single nodes, by name. Numbers are places in the list of names, from 1."""
    own: dict[str, Options] = {}
    for whose, options in of_some.items():
        for part in whose.split(","):
            span = _span(part) if are_counted or part not in names else None
            for one in span or [part]:
                known = one if are_counted or one in names else _named(one, names, lenient=span is not None)
                own.setdefault(known, {}).update(options)
    if are_counted:
        _see_that_they_are(of_some, names)
    return own


def _named(one: str, names: list[str], lenient: bool) -> str:
    if not one.isdecimal():
        return one
    place = int(one) - 1
    if not 0 <= place < len(names):
        if lenient:
            return one
        raise NoSuchNode(f"an option is for node {one}, and there are {len(names)}, counted from 1")
    return names[place]


def _see_that_they_are(of_some: dict[str, Options], names: list[str]) -> None:
    for whose, options in of_some.items():
        if whose.isdecimal() and whose not in names:
            raise NoSuchNode(
                f"{next(iter(options))}:{whose} is for a node that there is not; there are {', '.join(names)}"
            )
