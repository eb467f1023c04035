"""This module holds samples, and computes the best one, the speed relative to the base and the spread of that speed.

A relative speed is the cost of the base divided by that of the peer, or the rate of the peer divided by that of the
base. So 1 is the base, and more is better. It is computed round by round, from samples that were taken one after the
other, so that changes in the speed of the machine cancel out. Reports show the median and the middle half.
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
    """A quantity that was measured for every peer, with its samples."""

    suite: str
    name: str
    title: str
    unit: str
    better: Better
    base: str
    """The peer that the others are compared with."""
    samples: dict[str, list[float]] = field(default_factory=dict[str, list[float]])
    """Samples by peer, in the order of the rounds."""
    left_out: dict[str, str] = field(default_factory=dict[str, str])
    """The reason why a peer has no samples."""

    def add(self, peer: str, value: float) -> None:
        """Add a sample of `peer`."""
        self.samples.setdefault(peer, []).append(value)

    def leave_out(self, peer: str, why: str) -> None:
        """Record why `peer` has no samples, and drop those that it has."""
        self.samples.pop(peer, None)
        self.left_out[peer] = why

    def best(self, peer: str) -> float | None:
        """Return the best sample of `peer`, or None if it has none."""
        values = self.samples.get(peer)
        if not values:
            return None
        return min(values) if self.better == "lower" else max(values)

    def compare(self, peer: str) -> Relative | None:
        """Return the speed of `peer` relative to the base, or None if either has no samples above zero."""
        return compare_samples(self.samples.get(self.base, ()), self.samples.get(peer, ()), self.better)


class Report(Struct):
    """A run: its machine, its peers and its measures."""

    started: str
    """Date and time, RFC 3339."""
    quick: bool
    machine: dict[str, str]
    peers: dict[str, str]
    """Versions by peer."""
    absent: dict[str, str]
    """The reason why a peer did not take part, by peer."""
    measures: list[Measure]
    remarks: list[str] = field(default_factory=list[str])
    """Remarks for the reader."""


def compare_samples(base: Sequence[float], peer: Sequence[float], better: Better) -> Relative | None:
    """Return the relative speed from samples of the base and the peer, which were taken in the same rounds."""
    pairs = [
        (base_sample, peer_sample)
        for base_sample, peer_sample in zip(base, peer, strict=False)
        if base_sample > 0 and peer_sample > 0
    ]
    if not pairs:
        return None
    ratios = [
        base_sample / peer_sample if better == "lower" else peer_sample / base_sample
        for base_sample, peer_sample in pairs
    ]
    if len(ratios) == 1:
        return Relative(ratios[0], ratios[0], ratios[0])
    low, median, high = statistics.quantiles(ratios, n=4, method="inclusive")
    return Relative(median, low, high)


def describe_machine() -> dict[str, str]:
    """Return the interpreter, the system and the processor that the run uses."""
    facts: Mapping[str, str] = {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cpu": _describe_cpu(),
    }
    return dict(facts)


def _describe_cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{len(names)} × {names[0]}" if names else platform.processor()
