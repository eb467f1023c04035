"""This module sends HTTP requests to an ASGI app without a socket. Bodies stream both ways.

The caller gets the response as soon as the app has started it. A few chunks may wait for the reader; then the app waits
in turn. If the caller closes a response early, the client has left: the app receives `http.disconnect`, and its `send`
raises OSError.
"""

import asyncio
import weakref
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, aclosing
from typing import Any, Final, Protocol, Self, runtime_checkable
from urllib.parse import unquote_to_bytes

import httpx2

from ..types import ASGIApp, Message, Scope
from .exchange import Closed, Closers, Exchange, get_grace_period
from .lifespan import Lifespan
from .websocket import AsyncWebSocketSession

CAPACITY: Final = 4
"""Messages that may wait for the other side, each way, before the sender must wait."""

CHUNK_SIZE: Final = 64 * 1024
"""Bytes of a body that the app receives at once, at most: as many as a server reads from a socket."""

DEFAULT_TIMEOUT: Final = 10.0
"""Seconds to wait for the app's next message, unless the request sets its own timeout."""

PORTS: Final = {"http": 80, "https": 443}
WEBSOCKET_SCHEMES: Final = {"http": "ws", "https": "wss"}

BODILESS: Final = frozenset({204, 304})  # RFC 9110 §6.4.1; the same holds for every response to HEAD

ClientAddress = tuple[str, int]
BodyStream = httpx2.SyncByteStream | httpx2.AsyncByteStream


@runtime_checkable
class ChecksReturns(Protocol):
    """An app that can check the results of its handlers against their return annotations."""

    check_returns: bool


async def read_chunks(stream: BodyStream) -> AsyncGenerator[bytes, None]:
    """Yield the body in `stream`, chunk by chunk. A sync stream may block, so it is read in a worker thread."""
    if isinstance(stream, httpx2.AsyncByteStream):
        chunks = stream.__aiter__()
        try:
            async for chunk in chunks:
                yield chunk
        finally:
            if isinstance(chunks, AsyncGenerator):
                await chunks.aclose()
    else:
        iterator = iter(stream)
        while (next_chunk := await asyncio.to_thread(lambda: next(iterator, None))) is not None:
            yield next_chunk


class AnyStream(httpx2.AsyncByteStream, httpx2.SyncByteStream):
    """A wrapper of a sync or async request body that makes both kinds of client accept it."""

    def __init__(self, stream: BodyStream) -> None:
        self._stream = stream

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Return an iterator over the chunks of the body."""
        return read_chunks(self._stream)


class ContentLengthCheck:
    """A check that the app sends as many bytes as its Content-Length declares (RFC 9110 §8.6), as servers make it."""

    def __init__(self, method: str) -> None:
        self.bodiless = method == "HEAD"
        self._left: int | None = None

    def __call__(self, message: Message) -> None:
        """Count the bytes of `message`. Raises RuntimeError when they are too many, or when too few have come."""
        if message["type"] == "http.response.start":
            self.bodiless = self.bodiless or message["status"] in BODILESS
            lengths = [int(value) for name, value in message["headers"] if name.lower() == b"content-length"]
            if lengths and not self.bodiless:
                self._left = lengths[0]
        elif self._left is not None:
            self._left -= len(message.get("body", b""))
            if self._left < 0:
                raise RuntimeError("Response content longer than Content-Length")
            if self._left and not message.get("more_body"):
                raise RuntimeError("Response content shorter than Content-Length")


class HTTPExchange(httpx2.AsyncByteStream):
    """A request and its response. As a stream it is the body of the response.

    `message_timeout` is the seconds to wait for each message of the app. `closers` holds `aclose` until the app ends.
    """

    def __init__(
        self,
        app: ASGIApp,
        scope: Scope,
        body: BodyStream,
        *,
        message_timeout: float | None,
        raise_errors: bool,
        closers: Closers,
    ) -> None:
        self._title = f"{scope['method']} {scope['path']}"
        self._timeout = message_timeout
        self._raise_errors = raise_errors
        self._closers = closers
        self._check_length = ContentLengthCheck(scope["method"])
        self._exchange = Exchange(
            app, scope, capacity=CAPACITY, final_message={"type": "http.disconnect"}, on_send=self._check_length
        )
        self._body_error: BaseException | None = None
        self._feeder: asyncio.Task[None] | None = None
        if isinstance(body, httpx2.ByteStream):
            self._push_body(b"".join(body))
        else:
            self._feeder = asyncio.create_task(self._feed(body))
        closers.add(self.aclose)

    async def start(self) -> Message | None:
        """Return the app's `http.response.start`, or None if the app failed before it and errors are not raised."""
        return await self._receive()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield the body as the app sends it. At the end, wait for the app to end and raise what it raised."""
        while (message := await self._receive()) is not None:
            body: bytes = message.get("body", b"")
            if body and not self._check_length.bodiless:
                yield body

    async def aclose(self) -> None:
        """Make the client leave if the response is not complete. Raises what the app raised, unless raised before."""
        await self.stop()
        error = self._exchange.take_error()
        if error is not None and self._raise_errors:
            raise error

    async def stop(self) -> None:
        """Make the client leave, and ignore what the app raises then."""
        if self.aclose in self._closers:
            self._exchange.hang_up(discard=True)
            await self._finish(get_grace_period(self._timeout))

    def _push_body(self, body: bytes) -> None:
        for start in range(0, len(body) or 1, CHUNK_SIZE):
            end = start + CHUNK_SIZE
            self._exchange.to_app.push({"type": "http.request", "body": body[start:end], "more_body": end < len(body)})

    async def _feed(self, body: BodyStream) -> None:
        send = self._exchange.to_app.put
        try:
            async with aclosing(read_chunks(body)) as chunks:
                async for chunk in chunks:
                    if chunk:
                        await send({"type": "http.request", "body": chunk, "more_body": True})
            await send({"type": "http.request", "body": b"", "more_body": False})
        except Closed:
            pass  # the app has sent its response, or ended: it will not read the rest
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001  raised where the test waits for the response
            self._body_error = error
            self._exchange.hang_up(discard=True)

    async def _receive(self) -> Message | None:
        try:
            async with asyncio.timeout(self._timeout):
                return await self._exchange.from_app.get()
        except Closed:
            await self._settle()
            return None
        except TimeoutError:
            await self.stop()
            self._exchange.take_error()
            raise httpx2.ReadTimeout(f"{self._title}: the app sent nothing for {self._timeout:g} s") from None

    async def _settle(self) -> None:
        """Wait until the app has ended, and raise if it did not end well."""
        if self._body_error is not None:
            await self.stop()
            self._exchange.take_error()  # a consequence of the body's error, which is raised instead
            raise self._body_error
        if not await self._finish(self._timeout):
            raise httpx2.ReadTimeout(f"{self._title}: the app still ran {self._timeout:g} s after its response")
        error = self._exchange.take_error()
        if error is not None and self._raise_errors:
            raise error
        if self._exchange.state == "answering":
            raise httpx2.RemoteProtocolError(f"{self._title}: the app ended before its response did") from error
        if self._exchange.state == "idle" and self._raise_errors:
            raise httpx2.RemoteProtocolError(f"{self._title}: the app returned without sending a response")

    async def _finish(self, seconds: float | None) -> bool:
        self._closers.discard(self.aclose)
        if self._feeder is not None:
            self._feeder.cancel()
            await asyncio.wait({self._feeder}, timeout=get_grace_period(self._timeout))
        return await self._exchange.finish(seconds)


class ASGITransport(httpx2.AsyncBaseTransport):
    """A transport that answers the requests of an `httpx2.AsyncClient` by calling an ASGI app, streaming both ways.

    With `raise_server_exceptions`, what the app raises is raised in the test. Otherwise the client gets what a server
    would make of it: a plain 500 or a broken response. `root_path` and `client` go into the scope as they are; the
    path of the URL is not changed to fit `root_path`. As a context manager the transport runs the app's lifespan,
    which fills `state`, and waits at most `timeout` seconds for each of its two events. With `check_returns`, the
    attribute of that name is True while the transport is open, on apps that have it.

        async with httpx2.AsyncClient(transport=ASGITransport(app), base_url="http://localhost") as client:
            async with client.stream("GET", "/events") as response:
                async for chunk in response.aiter_bytes():
                    ...

    The request extension `target` (bytes) replaces the path and query of the URL, which httpx2 would normalise:
    `client.get("/", extensions={"target": b"/a/../b"})`.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        raise_server_exceptions: bool = True,
        root_path: str = "",
        client: ClientAddress = ("127.0.0.1", 50000),
        timeout: float | None = DEFAULT_TIMEOUT,
        check_returns: bool = True,
    ) -> None:
        self.app = app
        self.state: dict[str, Any] = {}
        self._raise_errors = raise_server_exceptions
        self._root_path = root_path
        self._client = client
        self._check_returns = check_returns
        self._restore: Callable[[], object] | None = None
        self._lifespan = Lifespan(app, self.state, timeout)
        self._closers: Closers = set()

    async def __aenter__(self) -> Self:
        """Start the app. Raises what its startup raised, else LifespanFailed, or httpx2.ReadTimeout."""
        self._turn_on_checks()
        try:
            await self._lifespan.startup()
        except BaseException:
            await self.aclose()
            raise
        return self

    async def aclose(self) -> None:
        """End what still runs, and shut the app down if it was started. Raises what the app raised meanwhile."""
        async with AsyncExitStack() as stack:
            stack.callback(self._restore_checks)
            stack.push_async_callback(self._lifespan.shutdown)
            for close in list(self._closers):
                stack.push_async_callback(close)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Return the app's response to `request`. Raises its error, else ReadTimeout or RemoteProtocolError."""
        scope = self._build_scope(request, "http")
        exchange = HTTPExchange(
            self.app,
            scope,
            request.stream,
            message_timeout=read_timeout(request),
            raise_errors=self._raise_errors,
            closers=self._closers,
        )
        try:
            start = await exchange.start()
        except BaseException:
            await exchange.stop()  # the caller gets no response that it could close
            raise
        if start is None:
            return httpx2.Response(500, text="Internal Server Error")
        return httpx2.Response(start["status"], headers=start["headers"], stream=exchange)

    async def connect_websocket(
        self, request: httpx2.Request, subprotocols: Sequence[str] = ()
    ) -> AsyncWebSocketSession:
        """Open a WebSocket at the URL of `request`. Raises WebSocketRefused, and as `handle_async_request` does."""
        scope = self._build_scope(request, "websocket")
        scope["subprotocols"] = list(subprotocols)
        return await AsyncWebSocketSession.open(
            self.app,
            scope,
            request,
            message_timeout=read_timeout(request),
            raise_errors=self._raise_errors,
            closers=self._closers,
        )

    def _build_scope(self, request: httpx2.Request, kind: str) -> Scope:
        self._turn_on_checks()
        url = request.url
        if url.scheme not in PORTS:
            raise httpx2.UnsupportedProtocol(
                f"{str(url)!r} is not an http or https URL. Open a WebSocket with client.websocket_connect(url)"
            )
        target: bytes = request.extensions.get("target", url.raw_path)
        raw_path, _, query = target.partition(b"?")
        scope: Scope = {
            "type": kind,
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "scheme": url.scheme,
            "path": unquote_to_bytes(raw_path).decode("utf-8", "replace"),
            "raw_path": raw_path,
            "query_string": query,
            "root_path": self._root_path,
            "headers": [(name.lower(), value) for name, value in request.headers.raw],
            "client": self._client,
            "server": (url.host, url.port or PORTS[url.scheme]),
            "state": self.state.copy(),
            "extensions": {},
        }
        if kind == "http":
            scope["method"] = request.method
        else:
            scope["scheme"] = WEBSOCKET_SCHEMES[url.scheme]
            scope["extensions"] = {"websocket.http.response": {}}
        return scope

    def _turn_on_checks(self) -> None:
        app: object = self.app
        if self._check_returns and self._restore is None and isinstance(app, ChecksReturns):
            # A finalizer, so that the value is also restored after a client that was never closed.
            self._restore = weakref.finalize(self, object.__setattr__, app, "check_returns", app.check_returns)
            object.__setattr__(app, "check_returns", True)  # it may be a frozen dataclass

    def _restore_checks(self) -> None:
        if self._restore is not None:
            self._restore()
            self._restore = None


def read_timeout(request: httpx2.Request) -> float | None:
    """Return the seconds that `request` waits for each message of the app; None means for ever."""
    timeouts: dict[str, float | None] = request.extensions.get("timeout", {})
    return timeouts.get("read", DEFAULT_TIMEOUT)
