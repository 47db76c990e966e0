"""The queues that a worker consumes from."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kernelq.kernel.errors import ConfigurationError, did_you_mean

if TYPE_CHECKING:
    from kernelq.conf import Conf
    from kernelq.kernel.contracts.transport import Lane


class Queues:
    """See `kernelq.keys.QueueSet`. While a lane is open, adding and cancelling reach it at once."""

    def __init__(self, queues: Mapping[str, Mapping[str, Any]]) -> None:
        self._queues = {name: dict(options) for name, options in queues.items()}
        self.lane: Lane | None = None
        self._paused: frozenset[str] = frozenset()

    def names(self) -> Sequence[str]:
        """Return them in the order they were selected."""
        return list(self._queues)

    def add(self, name: str, **options: Any) -> None:
        """Consume from one more, now and after every reconnect."""
        if not name or not isinstance(name, str):
            raise ValueError(f"a queue's name is wanted, not {name!r}")
        self._queues.setdefault(name, {key: value for key, value in options.items() if value is not None})
        if self.lane is not None and name not in self._paused:
            self.lane.add_queue(name)

    def cancel(self, name: str) -> None:
        """Consume from it no longer. Raises KeyError where it is not consumed."""
        del self._queues[name]
        if self.lane is not None:
            self.lane.cancel_queue(name)

    def attach(self, lane: Lane) -> None:
        """Add to and cancel on this lane, which consumes them all, from now on; what is paused is not consumed."""
        self.lane = lane
        for name in self._paused.intersection(self._queues):
            lane.cancel_queue(name)

    def pause(self, names: Collection[str]) -> None:
        """Take nothing from these for now, and from all others; unknown names are passed over."""
        before, self._paused = self._paused, frozenset(names)
        lane = self.lane
        if lane is None:
            return
        for name in self._queues:
            if (name in self._paused) != (name in before):
                lane.cancel_queue(name) if name in self._paused else lane.add_queue(name)

    def as_dicts(self) -> list[dict[str, Any]]:
        """Return them as kombu's ``Queue.as_dict`` does."""
        from kombu.entity import Exchange, Queue

        shown = []
        for name, options in self._queues.items():
            exchange = Exchange(options.get("exchange") or "", type=options.get("exchange_type") or "direct")
            queue = Queue(name, exchange, routing_key=options.get("routing_key") or name)
            shown.append(queue.as_dict(recurse=True))
        return shown


def select(conf: Conf, only: Iterable[str] = (), without: Iterable[str] = ()) -> Queues:
    """Return the queues of the settings, of them `only` those, `without` these.

    Raises `ConfigurationError` where a name is unknown and ``task_create_missing_queues`` is off, or none is left.
    """
    known = _configured(conf)
    chosen = {name: known.get(name, {}) for name in only} or dict(known)
    unknown = sorted(set(chosen) - set(known))
    if unknown and not conf.task_create_missing_queues:
        raise ConfigurationError(
            f"-Q names the queue {unknown[0]!r}, which task_queues does not have, and task_create_missing_queues is "
            f"off.{did_you_mean(unknown[0], known)} Known: {', '.join(sorted(known))}"
        )
    for name in without:
        chosen.pop(name, None)
    if not chosen:
        raise ConfigurationError("no queue is left to consume from: mend -Q, -X, or the setting task_queues")
    return Queues(chosen)


def _configured(conf: Conf) -> dict[str, Mapping[str, Any]]:
    declared = conf.task_queues
    if not declared:
        return {conf.task_default_queue: {}}
    if isinstance(declared, Mapping):
        return {name: options or {} for name, options in declared.items()}
    return {queue if isinstance(queue, str) else queue.name: _options(queue) for queue in declared}


def _options(queue: Any) -> dict[str, Any]:
    """Return the options of a kombu queue; none of a name."""
    if isinstance(queue, str):
        return {}
    exchange = queue.exchange
    return {
        "exchange": exchange.name if exchange is not None else "",
        "exchange_type": exchange.type if exchange is not None else "direct",
        "routing_key": queue.routing_key,
    }
