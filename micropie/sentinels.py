"""To be described."""

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Any, Final, Literal


class Unset(Enum):
    """The type of `UNSET`: an Enum member, so that type checkers narrow `value is UNSET`."""

    UNSET = "UNSET"

    def __bool__(self) -> Literal[False]:
        """Unset is never a value."""
        return False

    def __repr__(self) -> str:
        return "UNSET"


UNSET: Final = Unset.UNSET


class Elsewhere(Enum):
    """The type of `ELSEWHERE`."""

    ELSEWHERE = "ELSEWHERE"

    def __repr__(self) -> str:
        return "ELSEWHERE"


ELSEWHERE: Final[Any] = Elsewhere.ELSEWHERE
"""The argument for a parameter that the caller does not fill.

That is what the server fills: a session's value, a `Depends`, the `Request`, the WebSocket. In `url` it is also what no
URL carries: bodies, forms, files, headers, cookies.
"""


EMPTY: Final[Mapping[str, Any]] = MappingProxyType({})
