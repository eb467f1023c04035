"""The two test clients: httpx2's clients over an app, with its lifespan and its WebSockets."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Generator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, ClassVar, Final, ParamSpec, Self, TypeAlias, TypeVar

import httpx2

from ..types import ASGIApp
from .portal import Portal
from .transport import PATIENCE, AnyStream, ASGITransport
from .websocket import AsyncWebSocketSession, WebSocketSession

P = ParamSpec("P")
T = TypeVar("T")

# The shapes that httpx2 takes, which it does not export.
Headers: TypeAlias = httpx2.Headers | Mapping[str, str] | Sequence[tuple[str, str]]
Cookies: TypeAlias = httpx2.Cookies | dict[str, str] | list[tuple[str, str]]
Scalar: TypeAlias = str | int | float | bool | None
Params: TypeAlias = httpx2.QueryParams | Mapping[str, Scalar | Sequence[Scalar]] | list[tuple[str, Scalar]] | str

HTTP_SCHEMES: Final = {"ws": "http", "wss": "https"}

UPGRADE: Final = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",  # RFC 6455 §1.3: its sample
}
"""What every handshake says (RFC 6455 §4.1)."""


class AsyncTestClient(httpx2.AsyncClient):
    """An `httpx2.AsyncClient` whose requests go to `app`.

        async with AsyncTestClient(app) as client:
            assert (await client.get("/greet/Ann")).text == "Hello, Ann!"
            async with client.stream("GET", "/events") as response:
                assert await anext(response.aiter_lines()) == "data: 1"
            async with client.websocket_connect("/chat") as ws:
                await ws.send_text("hello")
                assert await ws.receive_text() == "Echo: hello"

    `async with` runs the app's lifespan; without it there is none, and `aclose` is yours to call. What the app raises
    is raised in the test, unless `raise_server_exceptions` is False. `timeout` is the seconds to wait for each message
    of the app, None for ever; then it is httpx2.ReadTimeout. `root_path` and `client` go into the scope as they are.
    `check_returns`: an app with an attribute of that name has it True while the client is in use (of two clients for
    one app, close the later first). A request's body may be a sync or an async iterator. Cookies are kept as httpx2
    keeps them: a Secure one is sent over https only, and `http://localhost` is no exception.
    """

    def __init__(
        self,
        app: ASGIApp,
        base_url: httpx2.URL | str = "http://localhost",
        *,
        raise_server_exceptions: bool = True,
        root_path: str = "",
        client: tuple[str, int] = ("127.0.0.1", 50000),
        headers: Headers | None = None,
        cookies: Cookies | None = None,
        follow_redirects: bool = False,
        timeout: float | None = PATIENCE,
        check_returns: bool = True,
    ) -> None:
        self._asgi = ASGITransport(
            app,
            raise_server_exceptions=raise_server_exceptions,
            root_path=root_path,
            client=client,
            timeout=timeout,
            check_returns=check_returns,
        )
        super().__init__(
            transport=self._asgi,
            base_url=base_url,
            headers=headers,
            cookies=cookies,
            follow_redirects=follow_redirects,
            timeout=timeout,
            event_hooks={"request": [_accept_any_body_async]},
            trust_env=False,
        )

    @property
    def state(self) -> dict[str, Any]:
        """What the app's lifespan put into `scope["state"]`. Each request's scope has a copy of it."""
        return self._asgi.state

    @asynccontextmanager
    async def websocket_connect(
        self,
        url: httpx2.URL | str,
        *,
        subprotocols: Sequence[str] = (),
        headers: Headers | None = None,
        params: Params | None = None,
        cookies: Cookies | None = None,
    ) -> AsyncGenerator[AsyncWebSocketSession, None]:
        """Open a WebSocket for an `async with` block, at whose end it is closed with 1000.

        Raises WebSocketRefused when the app does not accept, and what the app raised. Cookies are sent and kept as for
        requests.
        """
        request = _handshake(self, url, subprotocols, headers, params, cookies)
        session = await self._asgi.connect_websocket(request, subprotocols)
        try:
            self.cookies.extract_cookies(session.response)
            yield session
        finally:
            await session.close()


class TestClient(httpx2.Client):
    """An `httpx2.Client` whose requests go to `app`: AsyncTestClient for plain tests, with the same options.

        with TestClient(app) as client:
            assert client.get("/greet/Ann").text == "Hello, Ann!"
            with client.stream("GET", "/events") as response:
                assert next(response.iter_lines()) == "data: 1"
            with client.websocket_connect("/chat") as ws:
                ws.send_text("hello")
                assert ws.receive_text() == "Echo: hello"

    The app runs on an event loop in a thread of the client's own, from the first use until `close`.
    """

    __test__: ClassVar[bool] = False  # pytest: a class to use, not to collect

    def __init__(
        self,
        app: ASGIApp,
        base_url: httpx2.URL | str = "http://localhost",
        *,
        raise_server_exceptions: bool = True,
        root_path: str = "",
        client: tuple[str, int] = ("127.0.0.1", 50000),
        headers: Headers | None = None,
        cookies: Cookies | None = None,
        follow_redirects: bool = False,
        timeout: float | None = PATIENCE,
        check_returns: bool = True,
    ) -> None:
        self._portal = Portal()
        self._asgi = ASGITransport(
            app,
            raise_server_exceptions=raise_server_exceptions,
            root_path=root_path,
            client=client,
            timeout=timeout,
            check_returns=check_returns,
        )
        super().__init__(
            transport=_PortalTransport(self._asgi, self._portal),
            base_url=base_url,
            headers=headers,
            cookies=cookies,
            follow_redirects=follow_redirects,
            timeout=timeout,
            event_hooks={"request": [_accept_any_body]},
            trust_env=False,
        )

    @property
    def state(self) -> dict[str, Any]:
        """What the app's lifespan put into `scope["state"]`. Each request's scope has a copy of it."""
        return self._asgi.state

    def call(self, function: Callable[P, Coroutine[Any, Any, T]], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """What the async `function` returns or raises, run on the app's loop: `client.call(app.jobs.put, "one")`."""
        return self._portal.call(function, *args, **kwargs)

    @contextmanager
    def websocket_connect(
        self,
        url: httpx2.URL | str,
        *,
        subprotocols: Sequence[str] = (),
        headers: Headers | None = None,
        params: Params | None = None,
        cookies: Cookies | None = None,
    ) -> Generator[WebSocketSession, None, None]:
        """Open a WebSocket for a `with` block, at whose end it is closed with 1000.

        Raises WebSocketRefused when the app does not accept, and what the app raised. Cookies are sent and kept as for
        requests.
        """
        request = _handshake(self, url, subprotocols, headers, params, cookies)
        session = self._portal.call(self._asgi.connect_websocket, request, subprotocols)
        try:
            self.cookies.extract_cookies(session.response)
            yield WebSocketSession(session, self._portal)
        finally:
            if not self._portal.closed:
                self._portal.call(session.close)


class _PortalTransport(httpx2.BaseTransport):
    """An async transport for a sync client: every step of it happens on the portal's loop."""

    def __init__(self, transport: ASGITransport, portal: Portal) -> None:
        self._transport = transport
        self._portal = portal

    def __enter__(self) -> Self:
        try:
            self._portal.call(self._transport.__aenter__)
        except BaseException:
            self._portal.close()
            raise
        return self

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        response = self._portal.call(self._transport.handle_async_request, request)
        if not isinstance(response.stream, httpx2.SyncByteStream):
            response.stream = _PortalStream(response.stream, self._portal)
        return response

    def close(self) -> None:
        try:
            if self._portal.running:
                self._portal.call(self._transport.aclose)
        finally:
            self._portal.close()


class _PortalStream(httpx2.SyncByteStream):
    def __init__(self, stream: httpx2.AsyncByteStream, portal: Portal) -> None:
        self._stream = stream
        self._portal = portal

    def __iter__(self) -> Iterator[bytes]:
        pieces = aiter(self._stream)
        while (piece := self._portal.call(_next_of, pieces)) is not None:
            yield piece

    def close(self) -> None:
        if not self._portal.closed:
            self._portal.call(self._stream.aclose)


async def _next_of(pieces: AsyncIterator[bytes]) -> bytes | None:
    return await anext(pieces, None)


def _accept_any_body(request: httpx2.Request) -> None:
    """A request hook: httpx2 wants a body of the client's own kind, sync or async; the transport takes either."""
    if not isinstance(request.stream, httpx2.ByteStream):
        request.stream = AnyStream(request.stream)


async def _accept_any_body_async(request: httpx2.Request) -> None:
    _accept_any_body(request)


def _handshake(
    client: httpx2.Client | httpx2.AsyncClient,
    url: httpx2.URL | str,
    subprotocols: Sequence[str],
    headers: Headers | None,
    params: Params | None,
    cookies: Cookies | None,
) -> httpx2.Request:
    """The request that opens a WebSocket (RFC 6455 §4.1), with the client's headers and cookies."""
    if client.is_closed:
        raise RuntimeError("Cannot open a WebSocket, as the client has been closed.")
    target = httpx2.URL(url)
    if target.scheme in HTTP_SCHEMES:
        target = target.copy_with(scheme=HTTP_SCHEMES[target.scheme])  # cookies know http and https
    request = client.build_request("GET", target, headers=headers, params=params, cookies=cookies)
    request.headers.update(UPGRADE)
    if subprotocols:
        request.headers["Sec-WebSocket-Protocol"] = ", ".join(subprotocols)
    return request
