"""Where a task goes: the queues that are configured, the routes, and the exchange and routing key that follow.

The rules are Celery's (celery/app/routes.py, celery/app/amqp.py): what the call says, then what a route says, then the
default queue; and a direct exchange becomes the anonymous one, with the queue's name as routing key.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from fnmatch import translate
from typing import TYPE_CHECKING, Any

import attrs

from kernelq.kernel.errors import ConfigurationError, did_you_mean

if TYPE_CHECKING:
    from kernelq.conf import Conf

Route = Mapping[str, Any]
Router = Callable[..., "Route | str | None"]
"""Called as ``router(name, args, kwargs, options, task=task)``."""


class QueueNotFound(ConfigurationError):
    """A queue was named that ``task_queues`` lacks, and ``task_create_missing_queues`` is off."""


@attrs.frozen
class Queue:
    """A queue's name, and how an exchange reaches it."""

    name: str
    exchange: str
    exchange_type: str = "direct"
    routing_key: str = ""
    delivery_mode: int | str | None = None


@attrs.frozen
class Destination:
    """Where one message goes. A transport without exchanges looks at `queue` only."""

    queue: str
    exchange: str
    routing_key: str
    delivery_mode: int


class Queues:
    """The configured queues, by name; others are made on demand where the settings allow it."""

    def __init__(self, conf: Conf) -> None:
        default = conf.task_default_queue
        self.default_exchange = conf.task_default_exchange or default
        self.default_type = conf.task_default_exchange_type
        self.default_key = conf.task_default_routing_key or default
        self.create_missing = conf.task_create_missing_queues
        self.known: dict[str, Queue] = {}
        for name, given in _named(conf.task_queues):
            self.known[name] = self._queue(name, given)
        if not conf.task_queues:
            self.known[default] = Queue(default, self.default_exchange, self.default_type, self.default_key)

    def __getitem__(self, name: str) -> Queue:
        found = self.known.get(name)
        if found is None:
            if not self.create_missing:
                raise QueueNotFound(
                    f"the queue {name!r} is not in the setting task_queues, and task_create_missing_queues is off; "
                    f"there are {', '.join(sorted(self.known))}.{did_you_mean(name, self.known)}"
                )
            found = self.known[name] = Queue(name, name, "direct", name)
        return found

    def bound(self, exchange: str, routing_key: str) -> Queue | None:
        """Return the configured queue that this exchange takes this routing key to, or None."""
        for queue in self.known.values():
            if queue.exchange == exchange and _binds(queue, routing_key):
                return queue
        return None

    def _queue(self, name: str, given: Any) -> Queue:
        if isinstance(given, str | None):
            return Queue(name, self.default_exchange, self.default_type, name)
        if isinstance(given, Mapping):
            exchange = given.get("exchange") or self.default_exchange
            kind = given.get("exchange_type") or (self.default_type if not given.get("exchange") else "direct")
            key = given.get("routing_key") or given.get("binding_key") or name
            return Queue(name, exchange, kind, key, given.get("delivery_mode"))
        exchange, key = given.exchange, given.routing_key or self.default_key  # a kombu.Queue
        if exchange is None or not exchange.name:
            return Queue(name, self.default_exchange, self.default_type, key)
        return Queue(name, exchange.name, exchange.type, key, exchange.delivery_mode)


class Routes:
    """The routes of ``task_routes``, ready to be asked."""

    def __init__(self, given: Any) -> None:
        several = given if isinstance(given, list | tuple) and not _pairs(given) else (given,)
        self._routers: list[Router] = [_router(one) for one in several if one is not None]
        self.static = all(isinstance(router, _Table) for router in self._routers)
        """Whether the task's name alone decides."""

    def find(self, name: str, args: Any, kwargs: Any, options: Mapping[str, Any], task: Any) -> dict[str, Any] | None:
        """Return the options of the first route that has an answer, or None."""
        for router in self._routers:
            answer = router(name, args, kwargs, options, task=task)
            if answer is not None:
                return {"queue": answer} if isinstance(answer, str) else dict(answer)
        return None


class _Table:
    """A route given as a mapping: exact names first, then globs and regexes in their order."""

    def __init__(self, given: Any) -> None:
        self._exact: dict[str, Any] = {}
        self._patterns: list[tuple[re.Pattern[str], Any]] = []
        for key, route in given.items() if isinstance(given, Mapping) else given:
            if isinstance(key, re.Pattern):
                self._patterns.append((key, route))
            elif "*" in key:
                self._patterns.append((re.compile(translate(key)), route))
            else:
                self._exact[key] = route

    def __call__(self, name: str, *_: Any, **__: Any) -> Any:
        if name in self._exact:
            return self._exact[name]
        for pattern, route in self._patterns:
            if pattern.match(name):
                return route
        return None


class Routing:
    """Takes a task's name and a call's options to a destination."""

    def __init__(self, conf: Conf) -> None:
        self.queues = Queues(conf)
        self.routes = Routes(conf.task_routes)
        self.default = conf.task_default_queue
        self._mode = delivery_mode(conf.task_default_delivery_mode)

    def options(
        self, options: Mapping[str, Any], name: str, args: Any = (), kwargs: Any = None, task: Any = None
    ) -> dict[str, Any]:
        """Return the call's `options` with those of its route beneath them."""
        route = self.routes.find(name, args, kwargs or {}, options, task)
        given = {key: value for key, value in options.items() if value is not None}
        if route is None:
            return given
        return {**route, **given}

    def destination(self, options: Mapping[str, Any]) -> Destination:
        """Return where the options `queue`, `exchange` and `routing_key` lead. Raises `QueueNotFound`."""
        exchange, key = options.get("exchange"), options.get("routing_key")
        given = options.get("queue")
        if given is None:
            bound = self.queues.bound(exchange, key) if exchange and key else None
            queue = bound or self.queues[self.default]
        else:
            queue = self.queues[given] if isinstance(given, str) else self.queues._queue(given.name, given)
        mode = delivery_mode(options.get("delivery_mode") or queue.delivery_mode or self._mode)
        if (not exchange or not key) and queue.exchange_type == "direct":
            return Destination(queue.name, "", queue.name, mode)
        if exchange is None:
            return Destination(queue.name, queue.exchange, key or queue.routing_key, mode)
        return Destination(queue.name, exchange, key or "", mode)


def delivery_mode(value: int | str) -> int:
    """Return AMQP's number of a delivery mode: 1 transient, 2 persistent."""
    return {"transient": 1, "persistent": 2}[value] if isinstance(value, str) else value


def _named(given: Any) -> list[tuple[str, Any]]:
    if not given:
        return []
    if isinstance(given, Mapping):
        return list(given.items())
    return [(one if isinstance(one, str) else one.name, one) for one in given]


def _pairs(given: Any) -> bool:
    """Tell whether a list is one table, written as (key, route) pairs to keep its order."""
    return bool(given) and all(
        isinstance(one, list | tuple) and len(one) == 2 and isinstance(one[0], str | re.Pattern) for one in given
    )


def _router(given: Any) -> Router:
    if isinstance(given, Mapping | list | tuple):
        return _Table(given)
    if callable(given):
        return given  # type: ignore[no-any-return]  # the user's function
    raise ConfigurationError(f"a route is a mapping or a function, not {given!r} (setting task_routes)")


def _binds(queue: Queue, routing_key: str) -> bool:
    if queue.exchange_type == "fanout":
        return True
    if queue.exchange_type != "topic":
        return queue.routing_key == routing_key
    words = [{"*": r"[^.]+", "#": r".*"}.get(word, re.escape(word)) for word in queue.routing_key.split(".")]
    pattern = r"\.".join(words).replace(r"\..*", r"(\..*)?").replace(r".*\.", r"(.*\.)?")
    return re.fullmatch(pattern, routing_key) is not None
