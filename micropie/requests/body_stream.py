"""This module receives the body of one request, chunk by chunk, under a size limit and two time limits.

It reads ASGI's `http.request` and `http.disconnect`, and leaves the meaning of the bytes to others. Time counts only
while the app waits for the client: a message that is already there needs no timer.
"""

from collections.abc import Generator, Iterator
from typing import Any

from .._utils.lazy_imports import asyncio
from ..errors import ClientDisconnected, HTTPError
from ..types import Message, Receive


def build_body_too_large_error(size: int) -> HTTPError:
    """Return the error for a body of more than `size` bytes."""
    return HTTPError(413, f"The request body is larger than {size} bytes")


class ResumedAwaitable:
    """An awaitable that was stepped once already; awaiting it here goes on from there, as `yield from` (PEP 380)."""

    __slots__ = ("_first", "_rest")

    def __init__(self, first: object, rest: Iterator[Any]) -> None:
        self._first = first
        self._rest = rest

    def __await__(self) -> Generator[Any, Any, Message]:
        rest: Any = self._rest
        waiting_for = self._first
        while True:
            try:
                yield waiting_for
            except BaseException as stop:
                # The wait was cancelled. The exception is raised inside the awaitable, so that its `finally` runs.
                if not hasattr(rest, "throw"):
                    raise
                try:
                    waiting_for = rest.throw(stop)
                except StopIteration as done:
                    message: Message = done.value
                    return message
            else:
                message = yield from rest
                return message


def take_message(receive: Receive) -> Message | ResumedAwaitable:
    """Return the next ASGI message if it is there already, else the awaitable for it.

    This takes the first step of `receive()` by hand. Most bodies have arrived with their headers, and then no timer is
    needed.
    """
    steps = receive().__await__()
    try:
        return ResumedAwaitable(next(steps), steps)
    except StopIteration as done:
        message: Message = done.value
        return message


async def await_message(message: ResumedAwaitable, seconds: float) -> Message:
    """Return the message that `message` waits for. Raises HTTPError 408 if it takes longer than `seconds`."""
    try:
        from .._utils.timeouts import wait_for

        return await wait_for(message, seconds)
    except TimeoutError:
        raise HTTPError(408, "The request body did not arrive in time") from None


class BodyStream:
    """A reader of the body of one request.

    `size` is the most bytes that the body may have. `read_timeout` is the most seconds between two pieces, and
    `total_timeout` the most seconds of waiting for all of them. `length` is the Content-Length: the body has ended once
    as many bytes have arrived. `first` is a message that was already taken from `receive`.
    """

    __slots__ = (
        "_begun",
        "_first",
        "_length_left",
        "_read_timeout",
        "_receive",
        "_size",
        "_size_left",
        "_time_left",
        "ended",
    )

    def __init__(
        self,
        receive: Receive,
        *,
        size: int,
        read_timeout: float,
        total_timeout: float,
        length: int | None = None,
        first: Message | None = None,
    ) -> None:
        self._first = first
        self._receive = receive
        self._size = size
        self._size_left = size
        self._length_left = -1 if length is None else length
        self._read_timeout = read_timeout
        self._time_left = total_timeout
        self._begun = False
        self.ended = False

    async def read(self) -> bytes:
        """Return the next piece, which is not empty, or `b""` once the body has ended.

        Raises HTTPError 413 past the size limit, HTTPError 408 past a time limit, and ClientDisconnected if the client
        left: `http.disconnect` never counts as the end of a body.
        """
        while not self.ended:
            chunk = self._accept(await self._receive_message())
            if chunk:
                return chunk
        return b""

    async def _receive_message(self) -> Message:
        if self._first is not None:
            message, self._first, self._begun = self._first, None, True
            return message
        # The total time only matters for a body in several pieces.
        loop = asyncio.get_running_loop() if self._begun else None
        started = loop.time() if loop is not None else 0.0
        self._begun = True
        taken = take_message(self._receive)
        message = (
            await await_message(taken, min(self._read_timeout, self._time_left))
            if isinstance(taken, ResumedAwaitable)
            else taken
        )
        if loop is not None:
            self._time_left -= loop.time() - started
            if self._time_left <= 0:
                raise HTTPError(408, "The request body took too long")
        return message

    def _accept(self, message: Message) -> bytes:
        if message["type"] == "http.disconnect":
            raise ClientDisconnected
        chunk: bytes = message.get("body", b"")
        self._size_left -= len(chunk)
        if self._size_left < 0:
            raise build_body_too_large_error(self._size)
        self._length_left -= len(chunk)
        # Some servers announce the end in a separate, empty message. `length` saves waiting for it.
        self.ended = self._length_left == 0 or not message.get("more_body", False)
        return chunk
