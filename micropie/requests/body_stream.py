"""This module receives the body of one request, chunk by chunk, under a size limit and two time limits.

It reads ASGI's `http.request` and `http.disconnect`, and leaves the meaning of the bytes to others. Time counts only
while the app waits for the client: a message that is already there needs no timer.
"""

from collections import deque
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
        "_ahead",
        "_ahead_size",
        "_begun",
        "_failure",
        "_first",
        "_length_left",
        "_lock",
        "_read_timeout",
        "_receive",
        "_size",
        "_size_left",
        "_taken",
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
        self._lock = asyncio.Lock()
        self._ahead: deque[bytes] = deque()
        """The pieces that were received ahead of their reader."""
        self._ahead_size = 0
        self._taken = asyncio.Event()
        self._failure: Exception | None = None
        self.ended = False
        """True once all of the body has arrived."""

    async def read(self) -> bytes:
        """Return the next piece, which is not empty, or `b""` once the body has ended.

        Raises HTTPError 413 past the size limit, HTTPError 408 past a time limit, and ClientDisconnected if the client
        left: `http.disconnect` never counts as the end of a body. Every later call raises the same again.
        """
        while not self.ended or self._ahead:
            async with self._lock:
                chunk = self._take_ahead() if self._ahead else await self._receive_chunk()
            if chunk:
                return chunk
        return b""

    async def read_ahead(self, size: int) -> None:
        """Receive the rest of the body before it is read. Wait for `read` while more than `size` bytes are kept for it.

        Raises what `read` raises. `read` returns what is kept before it raises that, too.
        """
        while not self.ended:
            if self._ahead_size > size:
                self._taken.clear()
                await self._taken.wait()
            async with self._lock:
                if chunk := await self._receive_chunk():
                    self._ahead.append(chunk)
                    self._ahead_size += len(chunk)
            await asyncio.sleep(0)  # a `receive` that never waits must not block the event loop

    def _take_ahead(self) -> bytes:
        chunk = self._ahead.popleft()
        self._ahead_size -= len(chunk)
        self._taken.set()
        return chunk

    async def _receive_chunk(self) -> bytes:
        if self.ended:  # while the caller waited for the lock
            return b""
        if self._failure is not None:
            raise self._failure
        try:
            return self._accept(await self._receive_message())
        except Exception as error:
            self._failure = error
            raise

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
