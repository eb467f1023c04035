"""This module names the types that cross the ASGI boundary, and those that several packages share.

It imports nothing from micropie.
"""

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, Protocol, TypeAlias, TypeVar

T = TypeVar("T")

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
ASGIApp: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

Hook: TypeAlias = Callable[[], Awaitable[object] | object]
"""A startup or shutdown handler. Its result is awaited if it is an awaitable."""

# Headers as handlers and middleware write them (text), and as they go over the wire (bytes).
HeaderItems: TypeAlias = Iterable[tuple[str, str]]
RawHeaders: TypeAlias = list[tuple[bytes, bytes]]


class RunSync(Protocol):
    """A function that runs a blocking function in a thread, as `asyncio.to_thread` does."""

    def __call__(self, function: Callable[[], T], /) -> Awaitable[T]: ...
