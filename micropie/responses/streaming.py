"""This module sends a generator's chunks as they are made, until it ends, it fails, or the client leaves.

The request's own task pulls the chunks, so that the generator's `finally` runs in the request's context. While the
response is sent, one other task waits for `http.disconnect`, and interrupts the first as a timeout would. In every case
the generator is closed before `send_stream` returns.
"""

import contextvars
from collections.abc import AsyncIterable, AsyncIterator, Coroutine, Iterator
from contextlib import nullcontext
from enum import Enum
from typing import Any, Final, TypeVar

from .._utils.lazy_imports import asyncio
from .._utils.worker_threads import BlockingCalls
from ..config import Limits
from ..errors import ClientDisconnected
from ..sentinels import UNSET
from ..types import Message, RawHeaders, Receive, RunSync, Send
from .encoding import BINARY, HTML, encode_json, encode_text
from .headers import add_missing_headers
from .server_sent_events import ServerSentEvent

T = TypeVar("T")

PING: Final = Limits().ping

HTML_STREAM: Final[RawHeaders] = [(b"content-type", HTML)]
JSON_LINES: Final[RawHeaders] = [(b"content-type", b"application/jsonl")]
EVENT_STREAM: Final[RawHeaders] = [
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),  # nginx would keep events back until its buffer is full
]

_PING: Final = b": ping\n\n"
"""A comment, which clients ignore (HTML §9.2.6)."""


class BrokenResponse(Exception):
    """A failure of a response that had already begun, so that no other response can be sent.

    `__cause__` is what failed. The server must break the connection, or the client takes a part for the whole.
    """


def encode_chunk(chunk: object) -> tuple[bytes, RawHeaders]:
    """Encode `chunk`, and return with it the headers of a stream that begins with it.

    Raises ResponseError if `chunk` is not data.
    """
    if type(chunk) is bytes:
        return chunk, HTML_STREAM
    if isinstance(chunk, str) and not isinstance(chunk, Enum):
        return encode_text(chunk), HTML_STREAM
    if isinstance(chunk, BINARY):
        return bytes(chunk), HTML_STREAM
    if isinstance(chunk, ServerSentEvent):
        return chunk.encode(), EVENT_STREAM
    return encode_json(chunk) + b"\n", JSON_LINES


class ThreadedChunks(AsyncIterator[object]):
    """An async iterator that makes each chunk of a sync one in a thread, by `run_sync`, all in one context."""

    def __init__(self, chunks: Iterator[object], run_sync: RunSync) -> None:
        self._chunks = chunks
        self._calls = BlockingCalls(run_sync)

    async def __anext__(self) -> object:
        try:
            chunk = await self._calls.run(self._step)
        except StopAsyncIteration as stop:  # which would end the response as if it were complete
            raise RuntimeError("the generator raised StopAsyncIteration") from stop
        if chunk is UNSET:
            raise StopAsyncIteration
        return chunk

    def _step(self) -> object:
        return next(self._chunks, UNSET)  # a StopIteration cannot leave a thread

    async def aclose(self) -> None:
        """Close the sync iterator, once it is not running."""
        close = getattr(self._chunks, "close", None)
        if close is not None:
            await self._calls.run(close)


def iterate_chunks(body: AsyncIterable[object] | Iterator[object], run_sync: RunSync) -> AsyncIterator[object]:
    """Iterate over `body` asynchronously, also if it is a sync iterator."""
    return aiter(body) if isinstance(body, AsyncIterable) else ThreadedChunks(body, run_sync)


async def close_chunks(chunks: AsyncIterator[object]) -> None:
    """Close the generator behind `chunks`. An iterator without `aclose` needs no closing."""
    close = getattr(chunks, "aclose", None)
    if close is not None:
        await close()


def is_event_stream(headers: RawHeaders) -> bool:
    """Return True if the Content-Type in `headers` is that of server-sent events."""
    values = [value for name, value in headers if name == b"content-type"]
    return any(value.partition(b";")[0].strip().lower() == EVENT_STREAM[0][1] for value in values)


class _Stream:
    """A streamed response that is being sent.

    Two tasks may send, too: one starts the response before the first chunk, one sends comments between the chunks. All
    take turns by a lock, which there is only if one of these tasks runs.
    """

    __slots__ = (
        "_headers",
        "_helpers",
        "_is_between_events",
        "_lock",
        "_ping",
        "_send",
        "_status",
        "client_left",
        "started",
    )

    def __init__(self, send: Send, status: int, headers: RawHeaders, ping: float) -> None:
        self._send = send
        self._status = status
        self._headers = headers
        self._ping = ping
        self._lock: asyncio.Lock | None = None
        self._is_between_events = True  # a handler may also yield pieces of an event, as text
        self._helpers: set[asyncio.Task[None]] = set()
        self.started = False
        self.client_left = False

    async def pump(self, chunks: AsyncIterator[object]) -> None:
        """Send every chunk. The first is encoded before anything is sent, and decides the content type."""
        async for chunk in chunks:
            if self.client_left:  # and the generator ignored its cancellation
                return
            payload, chunk_headers = encode_chunk(chunk)
            if self._lock is None and self.started:
                if payload:
                    try:  # `await self._deliver(…)`, written out: 0.1 µs less for each chunk
                        await self._send({"type": "http.response.body", "body": payload, "more_body": True})
                    except OSError as error:
                        raise ClientDisconnected from error
            else:
                await self._send_in_turn(payload, chunk_headers)
            # If neither the generator nor `send` waits, other tasks still get a turn here, after each chunk. With a
            # turn each millisecond only, granian reported a disconnect seconds late.
            await asyncio.sleep(0)

    async def _send_in_turn(self, payload: bytes, chunk_headers: RawHeaders) -> None:
        async with self._lock or nullcontext():
            if not self.started:
                await self._start(chunk_headers)
            if payload and (payload is not _PING or self._is_between_events):
                await self._deliver({"type": "http.response.body", "body": payload, "more_body": True})
                self._is_between_events = payload.endswith(b"\n\n")

    async def start_early(self, seconds: float) -> None:
        """Start the response at once, or after `seconds` unless a chunk has come until then."""
        if seconds > 0:
            self._run_beside(self._start_after(seconds))
        else:
            await self._start(EVENT_STREAM if is_event_stream(self._headers) else HTML_STREAM)

    async def _start_after(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await self._send_in_turn(b"", HTML_STREAM)

    async def _send_comments(self) -> None:
        while True:
            await asyncio.sleep(self._ping)
            await self._send_in_turn(_PING, EVENT_STREAM)

    def _run_beside(self, work: Coroutine[Any, Any, None]) -> None:
        self._lock = self._lock or asyncio.Lock()
        # A timer that is cancelled keeps its context until it is due. In this one there is no request.
        self._helpers.add(asyncio.create_task(work, context=contextvars.Context()))

    async def stop_helpers(self) -> None:
        """End the tasks that send, too, between two messages."""
        if not self._helpers:
            return
        try:
            if self._lock is not None and not self.client_left:
                await self._lock.acquire()
        finally:
            for helper in self._helpers:
                helper.cancel()
            await asyncio.wait(self._helpers)
            for helper in self._helpers:
                if not helper.cancelled():
                    helper.exception()  # retrieved: the next chunk, or the end, meets it as well
            self._helpers.clear()  # what cancelled a task refers to this object: a reference cycle

    async def pump_while_connected(self, chunks: AsyncIterator[object], receive: Receive) -> None:
        """Send every chunk until the client leaves. A cancellation from outside is not mistaken for its leaving."""
        try:
            async with asyncio.timeout(None) as interrupt:
                watcher = asyncio.create_task(self._watch(receive, interrupt))
                try:
                    await self.pump(chunks)
                finally:
                    watcher.cancel()
                    await asyncio.wait([watcher])
                if not watcher.cancelled():
                    watcher.result()
        except TimeoutError:
            if not self.client_left:  # the generator raised it
                raise

    async def finish(self) -> None:
        """Tell the server that the response is complete. Start one that had no chunks."""
        if not self.started:
            await self._start(HTML_STREAM)
        await self._deliver({"type": "http.response.body", "body": b"", "more_body": False})

    async def _start(self, chunk_headers: RawHeaders) -> None:
        headers = add_missing_headers(self._headers, chunk_headers)
        self.started = True
        await self._deliver({"type": "http.response.start", "status": self._status, "headers": headers})
        if chunk_headers is EVENT_STREAM:
            self._run_beside(self._send_comments())
        else:
            self._lock = None  # from now on only `pump` sends

    async def _deliver(self, message: Message) -> None:
        try:
            await self._send(message)
        except OSError as error:  # ASGI HTTP 2.4: the client left
            raise ClientDisconnected from error

    async def _watch(self, receive: Receive, interrupt: "asyncio.Timeout") -> None:
        try:
            while (await receive())["type"] != "http.disconnect":
                await asyncio.sleep(0)  # a `receive` that never waits must not block the event loop
        except OSError:
            pass  # some servers report a lost connection like this
        self.client_left = True
        interrupt.reschedule(0)


async def send_stream(
    send: Send,
    status: int,
    chunks: AsyncIterator[object],
    headers: RawHeaders,
    receive: Receive | None,
    *,
    start_after: float | None = None,
    ping: float = PING,
) -> None:
    """Send `chunks` as the body of one response, and close them.

    `headers` win over those that the first chunk suggests. `receive`, if passed, is awaited to notice that the client
    leaves; what it returns of the request's body is dropped. Returns when everything was sent, and quietly when the
    client left.

    The response starts with the first chunk, or after `start_after` seconds, if they are given and `headers` name the
    Content-Type. In a stream of server-sent events a comment is sent every `ping` seconds.

    What the generator raises before its first chunk is raised as it is, before anything is sent. Later exceptions are
    raised as BrokenResponse, and the response stays without its end.
    """
    stream = _Stream(send, status, headers, ping)
    try:
        try:
            if start_after is not None:
                await stream.start_early(start_after)
            if receive is None:
                await stream.pump(chunks)
            else:
                await stream.pump_while_connected(chunks, receive)
        finally:
            try:
                await stream.stop_helpers()
            finally:
                await close_chunks(chunks)
        if not stream.client_left:
            await stream.finish()
    except ClientDisconnected:
        return
    except Exception as error:
        if stream.started:
            raise BrokenResponse("The response broke off after it had begun") from error
        raise
