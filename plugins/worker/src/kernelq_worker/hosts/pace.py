"""The pace of jobs: whether a host may be given more than it can start now."""

from __future__ import annotations

SHORT = 0.0005
"""Seconds of mean run time below which jobs are sent ahead."""
LONGEST_COUNTED = 0.002
"""One long run among short ones is counted as this many seconds: it is the next few that tell."""
WEIGHT = 1 / 16
AHEAD = 64
"""Jobs per slot that a host has at most, while they are short."""
MOST_AHEAD = 1024
"""Jobs beyond its slots that a host is sent for that: enough for milliseconds, however many slots it has."""


class Pace:
    """An exponential mean of run times, and the depth of a host's queue that follows from it."""

    __slots__ = ("_mean", "depth", "least")

    def __init__(self, least: int = 1) -> None:
        self._mean: float | None = None
        self.least = least
        """Jobs per slot that a host may have whatever they take."""
        self.depth = least
        """Jobs per slot that a host may have now."""

    @property
    def mean(self) -> float | None:
        """Seconds; None before the first job has ended."""
        return self._mean

    def ran(self, seconds: float) -> None:
        """Count one run."""
        seconds = min(seconds, LONGEST_COUNTED)
        mean = self._mean
        self._mean = mean = seconds if mean is None else mean + WEIGHT * (seconds - mean)
        self.depth = AHEAD if mean < SHORT else self.least

    def stalled(self) -> None:
        """Send no more ahead than ever until enough short runs have been counted anew."""
        self._mean = LONGEST_COUNTED
        self.depth = self.least

    def room(self, slots: int) -> int:
        """Return how many jobs a host of so many slots may have now."""
        if self.depth == self.least:
            return slots * self.depth
        return max(slots * self.least, slots + min(slots * (self.depth - 1), MOST_AHEAD))
