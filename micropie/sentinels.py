"""This module defines the values that stand for an absent value, and the shared empty mapping."""

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Any, Final, Literal


class Unset(Enum):
    """The type of `UNSET`: an Enum, so that type checkers narrow `value is UNSET`."""

    UNSET = "UNSET"

    def __bool__(self) -> Literal[False]:
        """Return False, as an absent value is never true."""
        return False

    def __repr__(self) -> str:
        return "UNSET"


UNSET: Final = Unset.UNSET
"""The value of an argument, attribute or result that is absent, where None is a value."""


class Elsewhere(Enum):
    """The type of `ELSEWHERE`, an Enum for its one member."""

    ELSEWHERE = "ELSEWHERE"

    def __repr__(self) -> str:
        return "ELSEWHERE"


ELSEWHERE: Final[Any] = Elsewhere.ELSEWHERE
"""The argument for a parameter that the caller does not fill.

The server fills it: a session's value, a `Depends`, the `Request`, the WebSocket. In `url` it also stands for what no
URL carries: bodies, forms, files, headers, cookies.
"""


EMPTY: Final[Mapping[str, Any]] = MappingProxyType({})
"""An immutable mapping without items, shared so that requests create none."""
