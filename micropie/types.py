"""Names for what crosses the ASGI boundary, and the one sentinel for "not given".

Nothing here knows of micropie; everything else may know of this.
"""

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from enum import Enum
from typing import Any, Final, Literal, TypeAlias

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
ASGIApp: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

# What handlers and middleware write (text), and what goes over the wire (bytes).
HeaderItems: TypeAlias = Iterable[tuple[str, str]]
RawHeaders: TypeAlias = list[tuple[bytes, bytes]]


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
