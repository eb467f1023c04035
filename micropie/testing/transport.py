"""HTTP for an ASGI app without a socket: each request runs the app in a task, and its answer streams.

The response is there as soon as the app has started it. A few chunks may wait for the reader, then the app waits in its
turn. Closing a response early is the client leaving: the app hears `http.disconnect` and its `send` raises OSError.
"""

import asyncio
import weakref
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, aclosing
from typing import Any, Final, Protocol, Self, runtime_checkable
from urllib.parse import unquote_to_bytes

import httpx2

from ..types import ASGIApp, Message, Scope
from .exchange import Closed, Conversation, Live, grace_period
from .lifespan import Lifespan
from .websocket import AsyncWebSocketSession

AHEAD: Final = 4
"""Messages that may wait for the other side, each way, before the sender does."""

PIECE: Final = 64 * 1024
"""Bytes of a body given to the app at once: what a server reads from a socket, at most."""

PATIENCE: Final = 10.0
"""Seconds to wait for the app's next message where a request does not say."""

PORTS: Final = {"http": 80, "https": 443}
WEBSOCKET_SCHEMES: Final = {"http": "ws", "https": "wss"}

BODILESS: Final = frozenset({204, 304})  # RFC 9110 §6.4.1; so is every answer to HEAD

ClientAddress = tuple[str, int]
BodyStream = httpx2.SyncByteStream | httpx2.AsyncByteStream


@runtime_checkable
class ChecksReturns(Protocol):
    """An app that can hold what its handlers return to their return annotations."""

    check_returns: bool


async def read_pieces(stream: BodyStream) -> AsyncGenerator[bytes, None]:
    """The body in `stream`, piece by piece. A sync stream is read in a worker thread: it may block."""
    if isinstance(stream, httpx2.AsyncByteStream):
        pieces = stream.__aiter__()
        try:
            async for piece in pieces:
                yield piece
        finally:
            if isinstance(pieces, AsyncGenerator):
                await pieces.aclose()
    else:
        iterator = iter(stream)
        while (read := await asyncio.to_thread(lambda: next(iterator, None))) is not None:
            yield read


class AnyStream(httpx2.AsyncByteStream, httpx2.SyncByteStream):
    """A request body that both kinds of client accept, whichever kind it is; the transport can read either."""

    def __init__(self, stream: BodyStream) -> None:
        self._stream = stream

    def __aiter__(self) -> AsyncIterator[bytes]:
        """The body, piece by piece."""
        return read_pieces(self._stream)


class BodyWatch:
    """Holds an app to the Content-Length it declared (RFC 9110 §8.6), as servers do."""

    def __init__(self, method: str) -> None:
        self.bodiless = method == "HEAD"
        self._left: int | None = None

    def __call__(self, message: Message) -> None:
        """Look at what the app sends. Raises RuntimeError."""
        if message["type"] == "http.response.start":
            self.bodiless = self.bodiless or message["status"] in BODILESS
            declared = [int(value) for name, value in message["headers"] if name.lower() == b"content-length"]
            if declared and not self.bodiless:
                self._left = declared[0]
        elif self._left is not None:
            self._left -= len(message.get("body", b""))
            if self._left < 0:
                raise RuntimeError("Response content longer than Content-Length")
            if self._left and not message.get("more_body"):
                raise RuntimeError("Response content shorter than Content-Length")


class Exchange(httpx2.AsyncByteStream):
    """One request and its answer; as a stream, the answer's body.

    `patience` is the seconds to wait for the app's next message. It is in `live` until the app has ended.
    """

    def __init__(
        self, app: ASGIApp, scope: Scope, body: BodyStream, *, patience: float | None, raise_errors: bool, live: Live
    ) -> None:
        self._title = f"{scope['method']} {scope['path']}"
        self._patience = patience
        self._raise_errors = raise_errors
        self._live = live
        self._watch = BodyWatch(scope["method"])
        self._talk = Conversation(app, scope, capacity=AHEAD, farewell={"type": "http.disconnect"}, watch=self._watch)
        self._body_error: BaseException | None = None
        self._feeder: asyncio.Task[None] | None = None
        if isinstance(body, httpx2.ByteStream):
            self._say_whole(b"".join(body))
        else:
            self._feeder = asyncio.create_task(self._feed(body))
        live.add(self.aclose)

    async def start(self) -> Message | None:
        """The app's `http.response.start`; None when it failed before that and errors are not to be raised."""
        return await self._next()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The body as the app sends it. At its end the app has ended too, and what it raised is raised."""
        while (message := await self._next()) is not None:
            body: bytes = message.get("body", b"")
            if body and not self._watch.bodiless:
                yield body

    async def aclose(self) -> None:
        """The client leaves, if the answer is not complete. Raises what the app raised and nobody has heard of yet."""
        await self.stop()
        error = self._talk.take_error()
        if error is not None and self._raise_errors:
            raise error

    async def stop(self) -> None:
        """The client leaves, and does not care what the app says to that."""
        if self.aclose in self._live:
            self._talk.hang_up(discard=True)
            await self._finish(grace_period(self._patience))

    def _say_whole(self, body: bytes) -> None:
        for at in range(0, len(body) or 1, PIECE):
            more = at + PIECE < len(body)
            self._talk.to_app.push({"type": "http.request", "body": body[at : at + PIECE], "more_body": more})

    async def _feed(self, body: BodyStream) -> None:
        say = self._talk.to_app.put
        try:
            async with aclosing(read_pieces(body)) as pieces:
                async for piece in pieces:
                    if piece:
                        await say({"type": "http.request", "body": piece, "more_body": True})
            await say({"type": "http.request", "body": b"", "more_body": False})
        except Closed:
            pass  # the app has answered, or ended: it will not read the rest
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001  raised where the test waits for the answer
            self._body_error = error
            self._talk.hang_up(discard=True)

    async def _next(self) -> Message | None:
        try:
            async with asyncio.timeout(self._patience):
                return await self._talk.from_app.get()
        except Closed:
            await self._settle()
            return None
        except TimeoutError:
            await self.stop()
            self._talk.take_error()
            raise httpx2.ReadTimeout(f"{self._title}: the app sent nothing for {self._patience:g} s") from None

    async def _settle(self) -> None:
        """The app has nothing more to say: wait for its end, and say how it was."""
        if self._body_error is not None:
            await self.stop()
            self._talk.take_error()  # whatever the app made of it
            raise self._body_error
        if not await self._finish(self._patience):
            raise httpx2.ReadTimeout(f"{self._title}: the app still ran {self._patience:g} s after its response")
        error = self._talk.take_error()
        if error is not None and self._raise_errors:
            raise error
        if self._talk.state == "answering":
            raise httpx2.RemoteProtocolError(f"{self._title}: the app ended before its response did") from error
        if self._talk.state == "idle" and self._raise_errors:
            raise httpx2.RemoteProtocolError(f"{self._title}: the app returned without sending a response")

    async def _finish(self, seconds: float | None) -> bool:
        self._live.discard(self.aclose)
        if self._feeder is not None:
            self._feeder.cancel()
            await asyncio.wait({self._feeder}, timeout=grace_period(self._patience))
        return await self._talk.finish(seconds)


class ASGITransport(httpx2.AsyncBaseTransport):
    """Answers the requests of an `httpx2.AsyncClient` by calling an ASGI app, streaming both ways.

    `raise_server_exceptions`: what the app raises is raised in the test; otherwise the client sees what a server would
    make of it, a plain 500 or a broken answer. `root_path` and `client` go into the scope; `root_path` is a statement
    about the path, nothing is added or taken away. As a context manager it runs the app's lifespan, waiting at most
    `timeout` seconds for each step, and fills `state`. `check_returns`: an app with an attribute of that name has it
    set while the transport is open.

        async with httpx2.AsyncClient(transport=ASGITransport(app), base_url="http://localhost") as client:
            async with client.stream("GET", "/events") as response:
                async for chunk in response.aiter_bytes():
                    ...

    A request with the extension `target` (bytes) is for that path and query, whatever the URL made of it:
    `client.get("/", extensions={"target": b"/a/../b"})`.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        raise_server_exceptions: bool = True,
        root_path: str = "",
        client: ClientAddress = ("127.0.0.1", 50000),
        timeout: float | None = PATIENCE,
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
        self._live: Live = set()

    async def __aenter__(self) -> Self:
        """Start the app up. Raises what its startup raised, else LifespanFailed, or httpx2.ReadTimeout."""
        self._open()
        try:
            await self._lifespan.startup()
        except BaseException:
            await self.aclose()
            raise
        return self

    async def aclose(self) -> None:
        """End what still runs, shut the app down if it was started up, raise what either raised."""
        async with AsyncExitStack() as stack:
            stack.callback(self._put_back)
            stack.push_async_callback(self._lifespan.shutdown)
            for close in list(self._live):
                stack.push_async_callback(close)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """The app's answer to `request`. Raises what the app raised, else ReadTimeout or RemoteProtocolError."""
        scope = self._scope(request, "http")
        exchange = Exchange(
            self.app,
            scope,
            request.stream,
            patience=read_patience(request),
            raise_errors=self._raise_errors,
            live=self._live,
        )
        try:
            start = await exchange.start()
        except BaseException:
            await exchange.stop()  # there will be no response for the caller to close
            raise
        if start is None:
            return httpx2.Response(500, text="Internal Server Error")
        return httpx2.Response(start["status"], headers=start["headers"], stream=exchange)

    async def connect_websocket(
        self, request: httpx2.Request, subprotocols: Sequence[str] = ()
    ) -> AsyncWebSocketSession:
        """Open a WebSocket where `request` points. Raises WebSocketRefused, and as `handle_async_request` does."""
        scope = self._scope(request, "websocket")
        scope["subprotocols"] = list(subprotocols)
        return await AsyncWebSocketSession.open(
            self.app,
            scope,
            request,
            patience=read_patience(request),
            raise_errors=self._raise_errors,
            live=self._live,
        )

    def _scope(self, request: httpx2.Request, kind: str) -> Scope:
        self._open()
        url = request.url
        if url.scheme not in PORTS:
            raise httpx2.UnsupportedProtocol(f"{str(url)!r}: requests are http or https, WebSockets websocket_connect")
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

    def _open(self) -> None:
        app: object = self.app
        if self._check_returns and self._restore is None and isinstance(app, ChecksReturns):
            # A finalizer, so that a client that was never closed puts it back too.
            self._restore = weakref.finalize(self, object.__setattr__, app, "check_returns", app.check_returns)
            object.__setattr__(app, "check_returns", True)  # it may be a frozen dataclass

    def _put_back(self) -> None:
        if self._restore is not None:
            self._restore()
            self._restore = None


def read_patience(request: httpx2.Request) -> float | None:
    """The seconds that `request` is ready to wait for each message of the app; None is for ever."""
    limits: dict[str, float | None] = request.extensions.get("timeout", {})
    return limits.get("read", PATIENCE)
