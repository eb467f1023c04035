"""This module holds the sizes of the full and the quick run, and the order in which the peers take turns.

The full run takes a quarter of an hour on two slow cores. Each suite has a budget of seconds. Once that is spent, every
measure still gets its first round, but no further one.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from .workloads import KIB, MIB


@dataclass(frozen=True)
class Plan:
    """The sizes of one run."""

    quick: bool
    call_rounds: int
    call_seconds: float
    """Seconds of one sample of in-process calls."""
    load_rounds: int
    load_seconds: float
    """Seconds of one sample under load."""
    connections: int
    transfer_rounds: int
    transfer: int
    """Bytes uploaded and downloaded."""
    fields: int
    echoes: int
    imports: int
    routes: Sequence[int]
    built: int
    """Handlers of the app whose building is timed."""
    clients: Sequence[int]
    json_sizes: Sequence[int]
    parameters: Sequence[int]
    idle: int
    """WebSockets that are open and idle."""
    budget: Mapping[str, float]
    """Seconds for each suite."""


FULL: Final = Plan(
    quick=False,
    call_rounds=15,
    call_seconds=0.04,
    load_rounds=6,
    load_seconds=1.0,
    connections=64,
    transfer_rounds=9,
    transfer=100 * MIB,
    fields=43_000,
    echoes=40_000,
    imports=7,
    routes=(10, 100, 1000, 10_000),
    built=1000,
    clients=(1, 64, 1000),
    json_sizes=(KIB, 32 * KIB, MIB, 10 * MIB),
    parameters=(1, 5, 10, 25, 50),
    idle=1000,
    budget={"calls": 100, "servers": 430, "uploads": 130, "growth": 240},
)

QUICK: Final = Plan(
    quick=True,
    call_rounds=3,
    call_seconds=0.006,
    load_rounds=2,
    load_seconds=0.25,
    connections=64,
    transfer_rounds=1,
    transfer=8 * MIB,
    fields=5000,
    echoes=4000,
    imports=2,
    routes=(10, 1000),
    built=1000,
    clients=(1, 64),
    json_sizes=(KIB, MIB),
    parameters=(1, 50),
    idle=200,
    budget={"calls": 20, "servers": 40, "uploads": 20, "growth": 35},
)


@dataclass
class Turns:
    """A count of rounds that ends when the budget of a suite is spent."""

    seconds: float
    _begin: float = field(default_factory=time.monotonic)

    def rounds(self, count: int) -> Iterator[int]:
        """Yield 0, 1, … below `count`. Stop after the first one once the budget is spent."""
        for number in range(count):
            if number and time.monotonic() - self._begin > self.seconds:
                return
            yield number


def rotate(names: Sequence[str], number: int) -> list[str]:
    """Return `names` in the order of round `number`. Each name is first in its turn, so no place is an advantage."""
    start = number % len(names) if names else 0
    return [*names[start:], *names[:start]]
