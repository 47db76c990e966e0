"""A blueprint: from candidate steps to a plan."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import attrs

from kernelq.kernel import errors, graph
from kernelq.kernel.discovery import IN_APP, Discovery
from kernelq.kernel.graph import Edge
from kernelq.kernel.keys import Key
from kernelq.kernel.plan import Disabled, Plan, PlannedStep
from kernelq.kernel.settings import Settings
from kernelq.kernel.step import Step


@attrs.frozen
class Candidate:
    """A step class that may come into a plan, and where it came from."""

    name: str
    cls: type[Step]
    distribution: str = IN_APP
    version: str = ""

    @property
    def site(self) -> str:
        """Where it is declared, for errors."""
        return f"{self.cls.declared_at} ({self.distribution})"


class Blueprint:
    """A named set of steps, found under the entry-point group ``kernelq.steps.<name>``."""

    def __init__(self, name: str, sort: graph.Sort = graph.sort) -> None:
        self.name, self._sort = name, sort
        self.group = f"kernelq.steps.{name}"

    def discover(self, discovery: Discovery, added: Iterable[type[Step]] = ()) -> list[Candidate]:
        """Load every installed step of this blueprint, and take those `added` in code."""
        candidates = []
        for one in discovery.found(self.group):
            cls = one.load()
            if not (isinstance(cls, type) and issubclass(cls, Step)):
                raise errors.PluginBroken(
                    f"the step {one.name!r} of {one.distribution} is {cls!r}, which is no subclass of kernelq.Step; "
                    f"let its entry point name the class"
                )
            candidates.append(Candidate(one.name, cls, one.distribution, one.version))
        return candidates + [Candidate(cls.name or cls.__name__, cls) for cls in added]

    def resolve(self, candidates: Iterable[Candidate], settings: Settings, given: Iterable[Key[Any]] = ()) -> Plan:
        """Return the plan of `candidates`, or raise a `BlueprintError` that names both sides of what does not fit.

        `given` are the keys that have a value before the first step starts.
        """
        ordered = sorted(candidates, key=lambda one: (one.name, one.distribution, one.cls.__qualname__))
        self._refuse_same_names(ordered)
        enabled, disabled = _split(ordered, settings)
        self._refuse_two_runners(enabled)
        edges = sorted(self._edges(enabled, disabled, frozenset(given)))
        order, waves, ring = self._sort((one.name for one in enabled), edges)
        if ring:
            raise errors.Cycle(self.name, ring, _reasons(ring, edges))
        wave_of = {name: number for number, wave in enumerate(waves) for name in wave}
        named = {one.name: one for one in enabled}
        steps = tuple(_planned(named[name], wave_of[name]) for name in order)
        return Plan(self.name, steps, tuple(map(tuple, waves)), tuple(edges), tuple(disabled))

    def _refuse_same_names(self, candidates: Sequence[Candidate]) -> None:
        for one, other in pairwise(candidates):
            if one.name == other.name:
                raise errors.DoubleProvider(
                    f"blueprint {self.name} has two steps named {one.name!r}: {one.site} and {other.site}; rename one"
                )

    def _refuse_two_runners(self, enabled: Sequence[Candidate]) -> None:
        runners = [one for one in enabled if one.cls.run is not Step.run]
        if len(runners) > 1:
            first, second = runners[:2]
            raise errors.StepFault(
                f"blueprint {self.name}: both {first.name} at {first.site} and {second.name} at {second.site} define "
                f"run(); only one step may block: remove one of them"
            )

    def _edges(
        self, enabled: Sequence[Candidate], disabled: Sequence[Disabled], given: frozenset[Key[Any]]
    ) -> Iterator[Edge]:
        providers = self._providers(enabled)
        names = {one.name for one in enabled}
        for one in enabled:
            for verb, keys in (("requires", one.cls.requires), ("wants", one.cls.wants)):
                for key in keys:
                    if key in providers:
                        yield _edge(providers[key].name, one.name, f"{one.name} {verb} key {key.name!r}", one)
                    elif verb == "requires" and key not in given:
                        raise self._unprovided(one, key, disabled, providers)
            for other in names.intersection(one.cls.after):
                yield _edge(other, one.name, f"{one.name} starts after {other}", one)
            for other in names.intersection(one.cls.before):
                yield _edge(one.name, other, f"{one.name} starts before {other}", one)

    def _providers(self, enabled: Sequence[Candidate]) -> dict[Key[Any], Candidate]:
        providers: dict[Key[Any], Candidate] = {}
        for one in enabled:
            for key in one.cls.provides:
                other = providers.setdefault(key, one)
                if other is not one:
                    raise errors.DoubleProvider(
                        f"blueprint {self.name}: the key {key.name!r} is provided by both {other.name} at {other.site} "
                        f"and {one.name} at {one.site}; remove one from the app, or uninstall its distribution"
                    )
        return providers

    def _unprovided(
        self, one: Candidate, key: Key[Any], disabled: Iterable[Disabled], providers: Iterable[Key[Any]]
    ) -> errors.BlueprintError:
        wanted = f"blueprint {self.name}: step {one.name} at {one.site} requires the key {key.name!r}"
        if off := next((off for off in disabled if key.name in off.provides), None):
            return errors.DisabledProvider(
                f"{wanted}, but its provider {off.name} at {off.declared_at} ({off.distribution}) is off: "
                f"{off.reason}; switch {off.name} on, or take {one.name} out"
            )
        known = [k.name for k in providers]
        extra = f" Type: pip install 'kernelq[{key.extra}]'" if key.extra else ""
        return errors.MissingKey(
            f"{wanted}, declared at {key.declared_at}, and no step provides it; "
            f"provided are: {', '.join(sorted(known)) or 'none'}.{errors.did_you_mean(key.name, known)}{extra}"
        )


def _split(candidates: Iterable[Candidate], settings: Settings) -> tuple[list[Candidate], list[Disabled]]:
    enabled, disabled = [], []
    for one in candidates:
        if (answer := one.cls.enabled(settings)) is True:
            enabled.append(one)
        else:
            origin = one.distribution, one.version, one.cls.declared_at
            disabled.append(Disabled(one.name, answer or "off", *origin, _names(one.cls.provides)))
    return enabled, disabled


def _planned(one: Candidate, wave: int) -> PlannedStep:
    cls = one.cls
    keys = _names(cls.requires), _names(cls.wants), _names(cls.provides)
    return PlannedStep(one.name, wave, one.distribution, one.version, cls.declared_at, *keys, cls)


def _names(keys: Iterable[Key[Any]]) -> tuple[str, ...]:
    return tuple(key.name for key in keys)


def _edge(before: str, after: str, reason: str, declared_by: Candidate) -> Edge:
    return Edge(before, after, reason, declared_by.cls.declared_at, declared_by.distribution)


def _reasons(ring: Sequence[str], edges: Sequence[Edge]) -> list[str]:
    first = {(edge.before, edge.after): edge for edge in reversed(edges)}
    hops = (first[pair] for pair in zip(ring, [*ring[1:], ring[0]], strict=True))
    return [f"{e.before} before {e.after}: {e.reason}, at {e.declared_at} ({e.distribution})" for e in hops]
