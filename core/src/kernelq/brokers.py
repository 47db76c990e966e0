"""Which brokers an app has: the URLs in its settings, and the order in which one takes another's place."""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

from kernelq.kernel.errors import ConfigurationError
from kernelq.schemes import plugin

if TYPE_CHECKING:
    from kernelq.app import KernelQ
    from kernelq.conf import Conf
    from kernelq.kernel.contracts.transport import Transport

Strategy = Callable[[list[str]], Iterator[str]]
"""Takes the URLs in the order of the settings and yields, for ever, the one to try next (kombu/connection.py)."""

_SCHEME = re.compile(r"([a-z][a-z0-9.+-]*)://", re.IGNORECASE)


def split(text: str) -> list[str]:
    """Return the broker URLs in ``"a;b"``.

    What follows a ``;`` begins another broker where it has a scheme; but the sentinels of one Redis,
    ``sentinel://a;sentinel://b``, are one URL. Two such groups are written as a list.
    """
    found: list[str] = []
    for part in text.split(";"):
        scheme = _scheme(part)
        if found and (not scheme or ("sentinel" in scheme and "sentinel" in _scheme(found[-1]))):
            found[-1] += f";{part}"
        elif part.strip():
            found.append(part.strip())
    return [one.rstrip(";") for one in found]


def _scheme(url: str) -> str:
    match = _SCHEME.match(url.strip())
    return match[1].lower() if match else ""


def urls(conf: Conf, direction: str) -> tuple[list[str], str]:
    """Return the brokers to "read" from or "write" to, and the setting that names them.

    Raises `ConfigurationError` where it names none.
    """
    name = f"broker_{direction}_url"
    given = getattr(conf, name)
    if given is None:
        name, given = "broker_url", conf.broker_url
    found = split(given) if isinstance(given, str) else [url.strip() for url in given if isinstance(url, str)]
    if not found or (not isinstance(given, str) and len(found) != len(given)):
        raise ConfigurationError(f"{name} names no broker: write a URL, as sqlite:///kernelq.db, or a list of URLs")
    return list(dict.fromkeys(found)), name


def open_transport(app: KernelQ, direction: str) -> Transport:
    """Return the transport to "read" from or to "write" to; over several brokers, one that changes between them.

    Where the settings do not tell the two apart it is the same object.
    """
    found, name = urls(app.conf, direction)
    if direction == "write" and found == urls(app.conf, "read")[0]:
        return app.transport

    def make(url: str, settings: Any) -> Transport:
        made: Transport = plugin(app.discovery, "kernelq.transports", url, name)(url, settings)
        return made

    if len(found) == 1:
        return make(found[0], app.conf)
    from kernelq.failover import Failover

    return Failover(found, make, app.conf)


def strategy(given: str | Strategy | None) -> Strategy:
    """Return what ``broker_failover_strategy`` names: round-robin, shuffle, or a function by its path.

    Raises `ConfigurationError`.
    """
    if callable(given):
        return given
    if given is None:
        return itertools.cycle
    if given in STRATEGIES:
        return STRATEGIES[given]
    module, _, name = given.partition(":") if ":" in given else given.rpartition(".")
    try:
        found = getattr(import_module(module), name) if module else None
    except (ImportError, AttributeError) as error:
        raise ConfigurationError(f"broker_failover_strategy: there is no {given!r} ({error}); {_CHOICES}") from error
    if not callable(found):
        raise ConfigurationError(f"broker_failover_strategy: {given!r} is no function; {_CHOICES}")
    chosen: Strategy = found
    return chosen


def _shuffled(brokers: list[str]) -> Iterator[str]:
    while True:
        yield from random.sample(brokers, len(brokers))


STRATEGIES: dict[str, Strategy] = {"round-robin": itertools.cycle, "shuffle": _shuffled}
_CHOICES = "write round-robin, shuffle, or module:function, which takes the list of URLs and yields the next ones"


def shown(app: KernelQ) -> str:
    """Return the broker in use as a log may show it, those that could take its place, and where messages go to."""
    text = _shown(app.transport)
    return text if app.write_transport is app.transport else f"{text}, sending to {_shown(app.write_transport)}"


def _shown(transport: Transport) -> str:
    others = alternates(transport)
    return f"{transport.safe_url()} (else {', '.join(others)})" if others else transport.safe_url()


def alternates(transport: Transport) -> Sequence[str]:
    """Return the URLs, without passwords, of the brokers that could take this one's place."""
    others: Sequence[str] = getattr(transport, "alternates", ())
    return others
