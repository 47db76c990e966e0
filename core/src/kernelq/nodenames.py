"""Names of nodes: ``celery@host`` for workers, ``gen123@host`` for senders (celery/utils/nodenames.py)."""

from __future__ import annotations

import os
import threading
from functools import cache
from socket import gethostname as _gethostname

SEPARATOR = "@"
DEFAULT_NAME = "celery"


@cache
def gethostname() -> str:
    """Return this machine's name; asked for once."""
    return _gethostname()


def nodename(name: str, host: str) -> str:
    """Return ``name@host``."""
    return f"{name}{SEPARATOR}{host}"


def anon_nodename(prefix: str = "gen") -> str:
    """Return the name of this process where it is no worker: ``gen123@host``, 123 being the process id."""
    return nodename(f"{prefix}{os.getpid()}", gethostname())


def reply_id(instance: object) -> str:
    """Return the id that the calling thread takes replies under, for one app (kombu.common.oid_from)."""
    from uuid import NAMESPACE_OID, getnode, uuid3

    parts = getnode(), os.getpid(), threading.get_ident(), id(instance)
    return str(uuid3(NAMESPACE_OID, "-".join(f"{part:x}" for part in parts)))


def nodesplit(name: str) -> tuple[str | None, str]:
    """Return (name, host); the name is None where there is only a host."""
    first, separator, rest = name.partition(SEPARATOR)
    return (first, rest) if separator else (None, first)


def default_nodename(hostname: str | None = None) -> str:
    """Return a whole node name from what a person gave: nothing, ``w1@``, ``host`` or ``w1@host``."""
    name, host = nodesplit(hostname or "")
    return nodename(name or DEFAULT_NAME, host or gethostname())


def node_format(text: str, name: str, index: int | str = 0, **more: str) -> str:
    """Expand ``%n %h %d %i %I %p %%`` in `text` for the node `name`.

    %n is its short name, %h the host, %d the host's domain, %p the whole name, %i the index of the host process (0 in
    the main process), %I the same with a dash before it, empty in the main process. `more` adds letters.
    """
    short, host = nodesplit(name)
    host = host or gethostname()
    letters = {
        "n": short or DEFAULT_NAME,
        "h": host,
        "d": host.partition(".")[2],
        "p": name,
        "i": str(index),
        "I": f"-{index}" if index else "",
        "%": "%",
        **more,
    }
    parts = text.split("%")
    out, rest = [parts[0]], iter(parts[1:])
    for part in rest:
        if part:
            out.append(letters.get(part[0], "%" + part[0]) + part[1:])
        else:  # "%%": the split leaves an empty part, and what follows is plain text
            out.append("%" + next(rest, ""))
    return "".join(out)
