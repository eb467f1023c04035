"""Responses sent piece by piece: a generator's chunks as they are made, until it ends, fails, or the client leaves.

The chunks are pulled by the request's own task, so that the generator's `finally` runs in the request's context. One
other task, and only while the response is under way, waits for `http.disconnect`; it interrupts the first as a timeout
would. Whatever happens, the generator is closed before `send_stream` returns. This room knows nothing of files.
"""

from collections.abc import AsyncIterable, AsyncIterator, Iterator
from enum import Enum
from typing import Final, TypeVar

from .._utils.lazy_imports import asyncio, threading
from ..errors import ClientDisconnected
from ..sentinels import UNSET
from ..types import Message, RawHeaders, Receive, RunSync, Send
from .encoding import BINARY, HTML, encode_json, encode_text
from .headers import add_missing_headers
from .server_sent_events import ServerSentEvent

T = TypeVar("T")

HTML_STREAM: Final[RawHeaders] = [(b"content-type", HTML)]
JSON_LINES: Final[RawHeaders] = [(b"content-type", b"application/jsonl")]
EVENT_STREAM: Final[RawHeaders] = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-cache")]


class BrokenResponse(Exception):
    """A response failed after it had begun, so that nothing else can be answered; `__cause__` is what failed.

    The server must be made to break the connection, else the client takes a part for the whole.
    """


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


def iterate_chunks(body: AsyncIterable[object] | Iterator[object], run_sync: RunSync) -> AsyncIterator[object]:
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
        headers = add_missing_headers(self._headers, described)
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
