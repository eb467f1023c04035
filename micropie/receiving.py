"""The body of one request as it arrives: chunk by chunk, under a size limit and two time limits.

It knows ASGI's `http.request` and `http.disconnect` and nothing of what the bytes mean. Time is only watched while
the client is being waited for: a message that is already there costs no timer.
"""

import asyncio
from collections.abc import Awaitable, Generator, Iterator
from typing import Any

from .errors import ClientDisconnected, HTTPError
from .types import Message, Receive


def _as_generator(steps: Iterator[Any]) -> Generator[Any, Any, Message]:
    """`steps`, whose end carries the message, with the type that says so."""
    return steps  # type: ignore[return-value]  # any iterator may end with a value; `yield from` asks for no more


class _Resumed:
    """An awaitable that was already stepped once and had to wait: waits on, then finishes it."""

    __slots__ = ("_first", "_rest")

    def __init__(self, first: object, rest: Iterator[Any]) -> None:
        self._first = first
        self._rest = rest

    def __await__(self) -> Generator[Any, Any, Message]:
        rest = self._rest
        try:
            yield self._first
        except BaseException as stop:
            # The wait was cancelled: the awaitable must hear of it where it stands, so that its `finally` runs.
            if isinstance(rest, Generator) or hasattr(rest, "throw"):
                rest.throw(stop)
            raise
        message: Message = yield from _as_generator(rest)
        return message


async def receive_within(receive: Receive, seconds: float) -> Message:
    """The next ASGI message. Raises TimeoutError when it is not there within `seconds`.

    The first step is taken by hand: most bodies have arrived with their headers, and then there is no need for a timer.
    """
    awaitable: Awaitable[Message] = receive()
    steps = awaitable.__await__()
    try:
        waiting_for = next(steps)
    except StopIteration as done:
        message: Message = done.value
        return message
    async with asyncio.timeout(seconds):
        return await _Resumed(waiting_for, steps)


class BodyStream:
    """Reads the body of one request from `receive`.

    `size` is the most bytes it may have, `read_timeout` the most seconds between two pieces, `total_timeout` the most
    seconds spent waiting for all of them.
    """

    __slots__ = ("_left", "_patience", "_read_timeout", "_receive", "_size", "ended")

    def __init__(self, receive: Receive, *, size: int, read_timeout: float, total_timeout: float) -> None:
        self._receive = receive
        self._size = size
        self._left = size
        self._read_timeout = read_timeout
        self._patience = total_timeout
        self.ended = False

    async def read(self) -> bytes:
        """The next non-empty piece, or `b""` once the body has ended.

        Raises HTTPError 413 past the size limit and 408 past a time limit, ClientDisconnected when the client left:
        `http.disconnect` is never taken for the end of a body.
        """
        while not self.ended:
            chunk = self._accept(await self._next_message())
            if chunk:
                return chunk
        return b""

    async def _next_message(self) -> Message:
        if self._left < self._size:  # only a body in several pieces needs the whole of it timed
            loop = asyncio.get_running_loop()
            started = loop.time()
        else:
            loop, started = None, 0.0
        try:
            message = await receive_within(self._receive, min(self._read_timeout, self._patience))
        except TimeoutError:
            raise HTTPError(408, "The request body did not arrive in time") from None
        if loop is not None:
            self._patience -= loop.time() - started
            if self._patience <= 0:
                raise HTTPError(408, "The request body took too long")
        return message

    def _accept(self, message: Message) -> bytes:
        if message["type"] == "http.disconnect":
            raise ClientDisconnected
        self.ended = not message.get("more_body", False)
        chunk: bytes = message.get("body", b"")
        self._left -= len(chunk)
        if self._left < 0:
            raise HTTPError(413, f"The request body is larger than {self._size} bytes")
        return chunk
