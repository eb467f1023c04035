"""Samples, and what follows from them: the best, the ratio to the base, and how far that ratio spreads.

A relative speed is one everywhere: the base's cost divided by the peer's, or the peer's rate divided by the base's, so
that 1 is the base, and more is better. It is taken round by round, between samples that were made next to each other,
because the machine's own ups and downs then fall out of it; what is shown is the median, and the middle half.
"""

import platform
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, TypeAlias

from msgspec import Struct, field

Better: TypeAlias = Literal["lower", "higher"]


class Relative(Struct, frozen=True):
    """A relative speed: its median, and the quartiles around it."""

    median: float
    low: float
    high: float


class Measure(Struct):
    """One thing that was measured of everybody."""

    suite: str
    name: str
    title: str
    unit: str
    better: Better
    base: str
    """The peer that the others are compared with."""
    samples: dict[str, list[float]] = field(default_factory=dict[str, list[float]])
    """By peer, in the order of the rounds."""
    left_out: dict[str, str] = field(default_factory=dict[str, str])
    """Why a peer has no samples."""

    def add(self, peer: str, value: float) -> None:
        """One more sample."""
        self.samples.setdefault(peer, []).append(value)

    def leave_out(self, peer: str, why: str) -> None:
        """No samples of this peer, or no more: what it has is dropped."""
        self.samples.pop(peer, None)
        self.left_out[peer] = why

    def best(self, peer: str) -> float | None:
        """Its best sample."""
        values = self.samples.get(peer)
        if not values:
            return None
        return min(values) if self.better == "lower" else max(values)

    def relative(self, peer: str) -> Relative | None:
        """Its speed relative to the base; None when either has no samples, or none above zero."""
        return relative(self.samples.get(self.base, ()), self.samples.get(peer, ()), self.better)


class Report(Struct):
    """One run."""

    started: str
    """Date and time, RFC 3339."""
    quick: bool
    machine: dict[str, str]
    peers: dict[str, str]
    """Versions by peer."""
    absent: dict[str, str]
    """Why a peer did not take part."""
    measures: list[Measure]
    remarks: list[str] = field(default_factory=list[str])
    """What a reader has to know of this run."""


def relative(base: Sequence[float], peer: Sequence[float], better: Better) -> Relative | None:
    """The relative speed from the samples of the base and the peer, made in the same rounds."""
    pairs = [(one, other) for one, other in zip(base, peer, strict=False) if one > 0 and other > 0]
    if not pairs:
        return None
    ratios = [one / other if better == "lower" else other / one for one, other in pairs]
    if len(ratios) == 1:
        return Relative(ratios[0], ratios[0], ratios[0])
    low, median, high = statistics.quantiles(ratios, n=4, method="inclusive")
    return Relative(median, low, high)


def machine() -> dict[str, str]:
    """What the figures were made on."""
    facts: Mapping[str, str] = {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cpu": _cpu(),
    }
    return dict(facts)


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{len(names)} × {names[0]}" if names else platform.processor()
