"""Commands that end tasks, or keep them from starting."""

from __future__ import annotations

import signal as _signal
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from kernelq.command import control_command
from kernelq.kernel.keys import Context
from kernelq.keys import POOL, REQUESTS, STATE
from kernelq.notices import GROUP, STAMP, TASK, stamp_names
from kernelq.request import Request
from kernelq_control.keys import NOTES
from kernelq_control.notes import stamps

TERMINATED = "terminated by command"


@control_command()
def revoke(
    ctx: Context,
    task_id: Sequence[str],
    terminate: bool = False,
    signal: str | int | None = None,
    kept: bool = False,
) -> dict[str, str]:
    """Keep tasks from starting, by id; with terminate, end those that run, by a signal (default SIGTERM).

    `kept`: the sender has written it down already, for workers that are down.
    """
    return _revoke(ctx, task_id, bool(terminate), signal, bool(kept))


@control_command()
def revoke_group(
    ctx: Context,
    group_id: Sequence[str],
    terminate: bool = False,
    signal: str | int | None = None,
    kept: bool = False,
) -> dict[str, str]:
    """Keep the tasks of groups from starting, by the groups' ids; with terminate, end those that run."""
    ids = _texts(group_id)
    if ids is None:
        return {"error": "group ids are text"}
    number = _number(signal)
    _note(ctx, GROUP, ids, bool(kept))
    wanted = frozenset(ids)
    shown = ", ".join(ids)
    _withdraw(ctx, lambda request: request.job.headers.get("group") in wanted)
    if not terminate:
        return {"ok": f"groups {shown} flagged as revoked"}
    ended = _end_where(ctx, lambda request: request.job.headers.get("group") in wanted, number)
    return {"ok": f"groups {shown} revoked, {ended} running tasks ended"}


@control_command()
def revoke_by_stamped_headers(
    ctx: Context,
    headers: dict[str, Any] | Sequence[str],
    terminate: bool = False,
    signal: str | int | None = None,
    kept: bool = False,
) -> dict[str, str]:
    """Keep tasks from starting that carry one of these stamps, header=value; with terminate, end those that run."""
    if isinstance(headers, list | tuple):  # as words of a command line (celery/worker/control.py)
        headers = dict(str(word).partition("=")[::2] for word in headers)
    if not isinstance(headers, Mapping):
        return {"error": f"headers are a mapping of stamps, not {headers!r}"}
    number = _number(signal)
    names = stamp_names(headers)
    _note(ctx, STAMP, names, bool(kept))
    shown, wanted = dict(headers), frozenset(names)
    _withdraw(ctx, lambda request: not wanted.isdisjoint(stamps(request.job.headers)))
    if not terminate:
        return {"ok": f"headers {shown} flagged as revoked, but not terminated"}
    ended = _end_where(ctx, lambda request: not wanted.isdisjoint(stamps(request.job.headers)), number)
    return {"ok": f"headers {shown} revoked" if ended else f"headers {shown} were not terminated"}


def _texts(given: object) -> list[str] | None:
    """Return one text or several as a list; None for what is no text."""
    ids = [given] if isinstance(given, str) else given
    if not isinstance(ids, list | tuple | set) or not all(isinstance(one, str) for one in ids):
        return None
    return list(ids)


def _note(ctx: Context, kind: str, names: list[str], kept: bool) -> None:
    """Write a revoke down for workers that do not listen now, unless the sender has."""
    notes = ctx.get(NOTES)
    if notes is not None and names:
        notes.stale() if kept else notes.put(kind, names)


def _withdraw(ctx: Context, chosen: Callable[[Request], bool]) -> None:
    """Have those not begin that were accepted, and wait: here, or sent ahead to a host."""
    waiting = [request for request in ctx[REQUESTS].reserved() if chosen(request)]
    for request in waiting:
        request.revoked = True
    if waiting:
        ctx[POOL].withdraw([request.job.id for request in waiting])


def _end_where(ctx: Context, chosen: Callable[[Request], bool], number: int) -> int:
    active: Iterable[Request] = ctx[REQUESTS].active()
    return sum(_end(ctx, one.id, number) for one in active if chosen(one))


def _revoke(
    ctx: Context, task_id: object, terminate: bool, signal: str | int | None, kept: bool = False
) -> dict[str, str]:
    ids = _texts(task_id)
    if ids is None:
        return {"error": "task ids are text"}
    number = _number(signal)
    ctx[STATE].revoke(ids)
    _note(ctx, TASK, ids, kept)
    if not terminate:
        wanted = frozenset(ids)
        _withdraw(ctx, lambda request: request.id in wanted)
        return {"ok": f"tasks {', '.join(ids)} flagged as revoked"}
    ended = [one for one in ids if _end(ctx, one, number)]
    if not ended:
        return {"ok": "terminate: tasks unknown"}
    return {"ok": f"terminate: {', '.join(ended)}"}


@control_command()
def terminate(ctx: Context, signal: str | int, task_id: Sequence[str], kept: bool = False) -> dict[str, str]:
    """End tasks that run, by id, with a signal; they do not start again."""
    return _revoke(ctx, task_id, True, signal, bool(kept))


def _end(ctx: Context, task_id: str, number: int) -> bool:
    request = ctx[REQUESTS].find(task_id)
    if request is None:
        return False
    before, request.cause = request.cause, TERMINATED
    if not ctx[POOL].terminate(request.job.id, number):
        request.cause = before
        return False
    return True


def _number(name: str | int | None) -> int:
    """Return a signal's number: of "KILL", "SIGKILL", 9 or None, which is TERM. Raises ValueError."""
    if name is None:
        return int(_signal.SIGTERM)
    if isinstance(name, int):
        return int(_signal.Signals(name))
    text = name.upper()
    try:
        return int(_signal.Signals[text if text.startswith("SIG") else f"SIG{text}"])
    except KeyError:
        raise ValueError(f"{name!r} is no signal; write one like TERM or SIGKILL") from None
