"""This module caches computed values in a dictionary that fills itself, up to a bound.

It serves look-ups that every request makes and that have few different results. Python reads a dictionary faster than
a `functools.lru_cache`, which also keeps an order. Clients must not be able to fill a cache with large values that they
choose: see `keeps`.
"""

from collections.abc import Callable, Mapping
from typing import Final, TypeVar

K = TypeVar("K")
V = TypeVar("V")

MAX_ENTRIES: Final = 1024
"""Entries that a cache keeps. Once it is full, further values are computed each time."""


class BoundedCache(dict[K, V]):
    """A dictionary that computes a missing value with `make(key)`, and begins with the entries of `initial`.

    With `keeps`, a value is kept only if `keeps(key, value)` is true.
    """

    def __init__(
        self,
        make: Callable[[K], V],
        initial: Mapping[K, V] | None = None,
        *,
        keeps: Callable[[K, V], bool] | None = None,
    ) -> None:
        super().__init__(initial or {})
        self._make = make
        self._keeps = keeps

    def __missing__(self, key: K) -> V:
        value = self._make(key)
        if len(self) < MAX_ENTRIES and (self._keeps is None or self._keeps(key, value)):
            self[key] = value
        return value
