"""What was worked out once is remembered, up to a bound: for what every request asks, and few answers differ.

A dictionary that fills itself. Python asks a dictionary faster than `functools.lru_cache`, which orders its answers.
What clients choose must not fill it with large things: see `keeps`. It knows nothing of what is remembered.
"""

from collections.abc import Callable, Mapping
from typing import Final, TypeVar

K = TypeVar("K")
V = TypeVar("V")

MAX_ENTRIES: Final = 1024
"""Answers that are remembered; what comes later is worked out each time."""


class BoundedCache(dict[K, V]):
    """What `make` gives for each key, and `known` from the start.

    Only what `keeps(key, value)` says is kept, where it is given.
    """

    def __init__(
        self, make: Callable[[K], V], known: Mapping[K, V] | None = None, *, keeps: Callable[[K, V], bool] | None = None
    ) -> None:
        super().__init__(known or {})
        self._make = make
        self._keeps = keeps

    def __missing__(self, key: K) -> V:
        value = self._make(key)
        if len(self) < MAX_ENTRIES and (self._keeps is None or self._keeps(key, value)):
            self[key] = value
        return value
