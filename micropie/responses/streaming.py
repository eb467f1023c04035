"""Responses sent piece by piece: a generator's chunks as they are made, until it ends, fails, or the client leaves.

The chunks are pulled by the request's own task, so that the generator's `finally` runs in the request's context. One
other task, and only while the response is under way, waits for `http.disconnect`; it interrupts the first as a timeout
would. Whatever happens, the generator is closed before `send_stream` returns. This room knows nothing of files.
"""

import re
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterator
from enum import Enum
from typing import Final, Generic, Protocol, TypeVar

import msgspec

from .._utils.lazy_imports import asyncio, threading
from ..errors import ClientDisconnected
from ..types import UNSET, Message, RawHeaders, Receive, Send, Unset
from .encoding import BINARY, HTML, encode_json, encode_text
from .headers import completed

T = TypeVar("T")

HTML_STREAM: Final[RawHeaders] = [(b"content-type", HTML)]
JSON_LINES: Final[RawHeaders] = [(b"content-type", b"application/jsonl")]
EVENT_STREAM: Final[RawHeaders] = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-cache")]

# HTML §9.2.5, end-of-line. Nothing else ends a line, so str.splitlines() would not do.
_LINE_END = re.compile("\r\n|\r|\n")


class RunSync(Protocol):
    """Runs a function that may block where it blocks nobody, as `asyncio.to_thread` does."""

    def __call__(self, function: Callable[[], T], /) -> Awaitable[T]: ...


class BrokenResponse(Exception):
    """A response failed after it had begun, so that nothing else can be answered; `__cause__` is what failed.

    The server must be made to break the connection, else the client takes a part for the whole.
    """


class ServerSentEvent(msgspec.Struct, Generic[T], frozen=True):
    """One event of a `text/event-stream` (HTML §9.2.6). Yield it from a handler; a browser's `EventSource` receives it.

    Raises ValueError for an `event` or `id` that would end its line, an `id` with a NUL, and a negative `retry`.
    """

    data: T | Unset = UNSET
    """Text is sent line by line as it is, anything else as JSON. Without data, a browser dispatches no event."""
    event: str | None = None
    """The event's type; `message` when not given."""
    id: str | None = None
    """What a browser sends back as `Last-Event-ID` when it connects again."""
    retry: int | None = None
    """Milliseconds to wait before connecting again."""
    comment: str | None = None
    """Text that nobody sees: a sign of life through proxies that close idle connections."""

    def __post_init__(self) -> None:
        for name, value, banned in (("event", self.event, "\r\n"), ("id", self.id, "\r\n\0")):
            if value is not None and any(character in value for character in banned):
                raise ValueError(f"ServerSentEvent {name} is one line without NUL, not {value!r}")
        if self.retry is not None and self.retry < 0:
            raise ValueError(f"ServerSentEvent retry is milliseconds, not {self.retry}")

    def encode(self) -> bytes:
        """The event as it goes over the wire, with the empty line that ends it."""
        fields: list[tuple[str, str]] = []
        if self.comment is not None:
            fields += [("", line) for line in _LINE_END.split(self.comment)]
        if self.event is not None:
            fields.append(("event", self.event))
        if self.id is not None:
            fields.append(("id", self.id))
        if self.retry is not None:
            fields.append(("retry", str(self.retry)))
        if self.data is not UNSET:
            is_text = isinstance(self.data, str) and not isinstance(self.data, Enum)
            text = str(self.data) if is_text else encode_json(self.data).decode()
            fields += [("data", line) for line in _LINE_END.split(text)]
        return encode_text("".join(f"{name}: {value}\n" for name, value in fields) + "\n")


def encode_chunk(chunk: object) -> tuple[bytes, RawHeaders]:
    """`chunk` as bytes, and the headers of a stream that begins with it. Raises ResponseError for what is not data."""
    if type(chunk) is bytes:
        return chunk, HTML_STREAM
    if isinstance(chunk, str) and not isinstance(chunk, Enum):
        return encode_text(chunk), HTML_STREAM
    if isinstance(chunk, BINARY):
        return bytes(chunk), HTML_STREAM
    if isinstance(chunk, ServerSentEvent):
        return chunk.encode(), EVENT_STREAM
    return encode_json(chunk) + b"\n", JSON_LINES


class Offloaded(AsyncIterator[object]):
    """Blocking chunks as async ones: each is made by `run_sync`, one at a time.

    A thread cannot be interrupted. When the caller of a step is cancelled the step runs on, so the lock makes `aclose`
    wait for it: a generator that is running cannot be closed.
    """

    def __init__(self, chunks: Iterator[object], run_sync: RunSync) -> None:
        self._chunks = chunks
        self._run_sync = run_sync
        self._lock = threading.Lock()

    async def __anext__(self) -> object:
        chunk = await self._run_sync(self._step)
        if chunk is UNSET:
            raise StopAsyncIteration
        return chunk

    def _step(self) -> object:
        with self._lock:
            return next(self._chunks, UNSET)  # a StopIteration cannot leave a thread

    async def aclose(self) -> None:
        """Close what makes the chunks, once it is not running."""
        await self._run_sync(self._close)

    def _close(self) -> None:
        with self._lock:
            close = getattr(self._chunks, "close", None)
            if close is not None:
                close()


def as_chunks(body: AsyncIterable[object] | Iterator[object], run_sync: RunSync) -> AsyncIterator[object]:
    """`body`, whatever kind of stream it is, as an async one."""
    return aiter(body) if isinstance(body, AsyncIterable) else Offloaded(body, run_sync)


async def close_chunks(chunks: AsyncIterator[object]) -> None:
    """Close the generator behind `chunks`; an iterator that has no `aclose` needs none."""
    close = getattr(chunks, "aclose", None)
    if close is not None:
        await close()


class _Stream:
    """One streamed response under way."""

    __slots__ = ("_headers", "_send", "_status", "left", "started")

    def __init__(self, send: Send, status: int, headers: RawHeaders) -> None:
        self._send = send
        self._status = status
        self._headers = headers
        self.started = False
        self.left = False

    async def pump(self, chunks: AsyncIterator[object]) -> None:
        """Send every chunk. The first is encoded before anything is sent, and decides the content type."""
        async for chunk in chunks:
            if self.left:  # and the generator paid no heed to being cancelled
                return
            payload, described = encode_chunk(chunk)
            if not self.started:
                await self._start(described)
            if payload:
                try:  # what `_deliver` does, without its frame
                    await self._send({"type": "http.response.body", "body": payload, "more_body": True})
                except OSError as error:
                    raise ClientDisconnected from error
            # Neither the generator nor `send` need ever have waited. Everybody else has a turn after each chunk: with a
            # turn every millisecond, granian has been seen to tell of a client that left only seconds later.
            await asyncio.sleep(0)
        if not self.started:
            await self._start(HTML_STREAM)

    async def pump_while_connected(self, chunks: AsyncIterator[object], receive: Receive) -> None:
        """`pump`, interrupted when the client leaves. A cancellation from outside is not mistaken for that."""
        try:
            async with asyncio.timeout(None) as patience:
                watcher = asyncio.create_task(self._watch(receive, patience))
                try:
                    await self.pump(chunks)
                finally:
                    watcher.cancel()
                    await asyncio.wait([watcher])
                if not watcher.cancelled():
                    watcher.result()
        except TimeoutError:
            if not self.left:  # it is the generator's own
                raise

    async def finish(self) -> None:
        """Tell the server that the response is whole."""
        await self._deliver({"type": "http.response.body", "body": b"", "more_body": False})

    async def _start(self, described: RawHeaders) -> None:
        headers = completed(self._headers, described)
        self.started = True
        await self._deliver({"type": "http.response.start", "status": self._status, "headers": headers})

    async def _deliver(self, message: Message) -> None:
        try:
            await self._send(message)
        except OSError as error:  # ASGI HTTP 2.4: that is how `send` tells of a client that left
            raise ClientDisconnected from error

    async def _watch(self, receive: Receive, patience: "asyncio.Timeout") -> None:
        try:
            while (await receive())["type"] != "http.disconnect":  # `receive` is what is awaited
                await asyncio.sleep(0)  # a `receive` that always has something must not take the loop for itself
        except OSError:
            pass  # the connection is gone, told in another way
        self.left = True
        patience.reschedule(0)


async def send_stream(
    send: Send,
    status: int,
    chunks: AsyncIterator[object],
    headers: RawHeaders,
    receive: Receive | None,
) -> None:
    """Send `chunks` as the body of one response, and close them.

    `headers` win over those that the first chunk suggests. `receive`, when given, is waited on for the client leaving;
    the request's body must have been read before. Returns when all was sent and, quietly, when the client left.

    What the generator raises before its first chunk is raised as it is, and nothing has been sent. After that it is
    raised as BrokenResponse, and the response stays without its end.
    """
    stream = _Stream(send, status, headers)
    try:
        try:
            if receive is None:
                await stream.pump(chunks)
            else:
                await stream.pump_while_connected(chunks, receive)
        finally:
            await close_chunks(chunks)
        if not stream.left:
            await stream.finish()
    except ClientDisconnected:
        return
    except Exception as error:
        if stream.started:
            raise BrokenResponse("The response broke off after it had begun") from error
        raise
