"""The body of one request as it arrives: chunk by chunk, under a size limit and two time limits.

It knows ASGI's `http.request` and `http.disconnect` and nothing of what the bytes mean. Time is only watched while
the client is being waited for: a message that is already there costs no timer.
"""

from collections.abc import Generator, Iterator
from typing import Any

from .._utils.lazy_imports import asyncio
from .._utils.timeouts import wait_for
from ..errors import ClientDisconnected, HTTPError
from ..types import Message, Receive


def body_too_large(size: int) -> HTTPError:
    """The answer to a body of more than `size` bytes."""
    return HTTPError(413, f"The request body is larger than {size} bytes")


class ResumedAwaitable:
    """An awaitable that was already stepped once and had to wait: `yield from` it (PEP 380), begun one step late."""

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
                # The wait was cancelled: the awaitable must hear of it where it stands, so that its `finally` runs.
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
    """The next ASGI message if it is there already, else what to await for it.

    The first step of `receive()` is taken by hand: most bodies have arrived with their headers, and then there is no
    need for a timer.
    """
    steps = receive().__await__()
    try:
        return ResumedAwaitable(next(steps), steps)
    except StopIteration as done:
        message: Message = done.value
        return message


async def await_message(message: ResumedAwaitable, seconds: float) -> Message:
    """What `message` comes to. Raises HTTPError 408 when that takes longer than `seconds`."""
    try:
        return await wait_for(message, seconds)
    except TimeoutError:
        raise HTTPError(408, "The request body did not arrive in time") from None


class BodyStream:
    """Reads the body of one request from `receive`.

    `size` is the most bytes it may have, `read_timeout` the most seconds between two pieces, `total_timeout` the most
    seconds spent waiting for all of them. `length` is what Content-Length says; once as much has come, that was all.
    `first` is a message that has been taken from `receive` already.
    """

    __slots__ = ("_begun", "_first", "_left", "_patience", "_read_timeout", "_receive", "_rest", "_size", "ended")

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
        self._left = size
        self._rest = -1 if length is None else length
        self._read_timeout = read_timeout
        self._patience = total_timeout
        self._begun = False
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
        if self._first is not None:
            message, self._first, self._begun = self._first, None, True
            return message
        # Only a body in several pieces needs the whole of it timed.
        loop = asyncio.get_running_loop() if self._begun else None
        started = loop.time() if loop is not None else 0.0
        self._begun = True
        taken = take_message(self._receive)
        message = (
            await await_message(taken, min(self._read_timeout, self._patience))
            if isinstance(taken, ResumedAwaitable)
            else taken
        )
        if loop is not None:
            self._patience -= loop.time() - started
            if self._patience <= 0:
                raise HTTPError(408, "The request body took too long")
        return message

    def _accept(self, message: Message) -> bytes:
        if message["type"] == "http.disconnect":
            raise ClientDisconnected
        chunk: bytes = message.get("body", b"")
        self._left -= len(chunk)
        if self._left < 0:
            raise body_too_large(self._size)
        self._rest -= len(chunk)
        # Some servers tell the end in a message of its own, which one would have to wait for.
        self.ended = self._rest == 0 or not message.get("more_body", False)
        return chunk
