"""Names for what crosses the ASGI boundary, and the one sentinel for "not given".

Nothing here knows of micropie; everything else may know of this.
"""

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, Protocol, TypeAlias, TypeVar

T = TypeVar("T")

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
ASGIApp: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

# What handlers and middleware write (text), and what goes over the wire (bytes).
HeaderItems: TypeAlias = Iterable[tuple[str, str]]
RawHeaders: TypeAlias = list[tuple[bytes, bytes]]


class RunSync(Protocol):
    """Runs a function that may block where it blocks nobody, as `asyncio.to_thread` does."""

    def __call__(self, function: Callable[[], T], /) -> Awaitable[T]: ...
