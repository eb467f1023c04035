"""This module holds the two test clients: httpx2's clients, extended by the app's lifespan and its WebSockets."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Generator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, ClassVar, Final, ParamSpec, Self, TypeAlias, TypeVar

import httpx2

from ..types import ASGIApp
from .portal import Portal
from .transport import DEFAULT_TIMEOUT, AnyStream, ASGITransport
from .websocket import AsyncWebSocketSession, WebSocketSession

P = ParamSpec("P")
T = TypeVar("T")

# The types that httpx2 accepts, which it does not export.
Headers: TypeAlias = httpx2.Headers | Mapping[str, str] | Sequence[tuple[str, str]]
Cookies: TypeAlias = httpx2.Cookies | dict[str, str] | list[tuple[str, str]]
Scalar: TypeAlias = str | int | float | bool | None
Params: TypeAlias = httpx2.QueryParams | Mapping[str, Scalar | Sequence[Scalar]] | list[tuple[str, Scalar]] | str

HTTP_SCHEMES: Final = {"ws": "http", "wss": "https"}

UPGRADE: Final = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",  # the sample of RFC 6455 §1.3
}
"""The headers of every handshake (RFC 6455 §4.1)."""


class AsyncTestClient(httpx2.AsyncClient):
    """An `httpx2.AsyncClient` that sends its requests to `app`.

        async with AsyncTestClient(app) as client:
            assert (await client.get("/greet/Ann")).text == "Hello, Ann!"
            async with client.stream("GET", "/events") as response:
                assert await anext(response.aiter_lines()) == "data: 1"
            async with client.websocket_connect("/chat") as ws:
                await ws.send_text("hello")
                assert await ws.receive_text() == "Echo: hello"

    `async with` runs the app's lifespan. A client without it runs no lifespan, and you must call `aclose` yourself.
    What the app raises is raised in the test, unless `raise_server_exceptions` is False. `timeout` is the seconds to
    wait for each message of the app before httpx2.ReadTimeout is raised; None waits for ever. `root_path` and `client`
    go into the scope as they are. With `check_returns`, the attribute of that name is True while the client is in use,
    on apps that have it (of two clients for one app, close the later first). A request's body may be a sync or an async
    iterator. Cookies are kept as httpx2 keeps them: a Secure cookie is sent over https only, also to localhost.
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
        timeout: float | None = DEFAULT_TIMEOUT,
        check_returns: bool = True,
    ) -> None:
        self._transport_to_app = ASGITransport(
            app,
            raise_server_exceptions=raise_server_exceptions,
            root_path=root_path,
            client=client,
            timeout=timeout,
            check_returns=check_returns,
        )
        super().__init__(
            transport=self._transport_to_app,
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
        """The state that the app's lifespan put into `scope["state"]`. Each request's scope has a copy of it."""
        return self._transport_to_app.state

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
        """Open a WebSocket for an `async with` block. At the end of the block it is closed with 1000.

        Raises WebSocketRefused when the app does not accept, and what the app raised. Cookies are sent and kept as for
        requests.
        """
        request = _build_handshake(self, url, subprotocols, headers, params, cookies)
        session = await self._transport_to_app.connect_websocket(request, subprotocols)
        try:
            self.cookies.extract_cookies(session.response)
            yield session
        finally:
            await session.close()


class TestClient(httpx2.Client):
    """An `httpx2.Client` that sends its requests to `app`. It has the options of AsyncTestClient.

        with TestClient(app) as client:
            assert client.get("/greet/Ann").text == "Hello, Ann!"
            with client.stream("GET", "/events") as response:
                assert next(response.iter_lines()) == "data: 1"
            with client.websocket_connect("/chat") as ws:
                ws.send_text("hello")
                assert ws.receive_text() == "Echo: hello"

    The app runs on an event loop in the client's own thread, from the first use until `close`.
    """

    __test__: ClassVar[bool] = False  # pytest must not collect this class

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
        timeout: float | None = DEFAULT_TIMEOUT,
        check_returns: bool = True,
    ) -> None:
        self._portal = Portal()
        self._transport_to_app = ASGITransport(
            app,
            raise_server_exceptions=raise_server_exceptions,
            root_path=root_path,
            client=client,
            timeout=timeout,
            check_returns=check_returns,
        )
        super().__init__(
            transport=_PortalTransport(self._transport_to_app, self._portal),
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
        """The state that the app's lifespan put into `scope["state"]`. Each request's scope has a copy of it."""
        return self._transport_to_app.state

    def call(self, function: Callable[P, Coroutine[Any, Any, T]], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run the async `function` on the app's loop and return its result: `client.call(app.jobs.put, "job")`."""
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
        """Open a WebSocket for a `with` block. At the end of the block it is closed with 1000.

        Raises WebSocketRefused when the app does not accept, and what the app raised. Cookies are sent and kept as for
        requests.
        """
        request = _build_handshake(self, url, subprotocols, headers, params, cookies)
        session = self._portal.call(self._transport_to_app.connect_websocket, request, subprotocols)
        try:
            self.cookies.extract_cookies(session.response)
            yield WebSocketSession(session, self._portal)
        finally:
            if not self._portal.closed:
                self._portal.call(session.close)


class _PortalTransport(httpx2.BaseTransport):
    """A wrapper that lets a sync client use an async transport, on the portal's loop."""

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
        """Return the app's response to `request`; its stream is sync."""
        response = self._portal.call(self._transport.handle_async_request, request)
        if not isinstance(response.stream, httpx2.SyncByteStream):
            response.stream = _PortalStream(response.stream, self._portal)
        return response

    def close(self) -> None:
        """Close the async transport, and end the portal."""
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
        chunks = aiter(self._stream)
        while (chunk := self._portal.call(_receive_chunk, chunks)) is not None:
            yield chunk

    def close(self) -> None:
        if not self._portal.closed:
            self._portal.call(self._stream.aclose)


async def _receive_chunk(chunks: AsyncIterator[bytes]) -> bytes | None:
    return await anext(chunks, None)


def _accept_any_body(request: httpx2.Request) -> None:
    """Wrap the body of `request`, so that httpx2 sends it whether it is sync or async. The transport reads both."""
    if not isinstance(request.stream, httpx2.ByteStream):
        request.stream = AnyStream(request.stream)


async def _accept_any_body_async(request: httpx2.Request) -> None:
    _accept_any_body(request)


def _build_handshake(
    client: httpx2.Client | httpx2.AsyncClient,
    url: httpx2.URL | str,
    subprotocols: Sequence[str],
    headers: Headers | None,
    params: Params | None,
    cookies: Cookies | None,
) -> httpx2.Request:
    """Build the request that opens a WebSocket (RFC 6455 §4.1), with the client's headers and cookies."""
    if client.is_closed:
        raise RuntimeError("Cannot open a WebSocket, as the client has been closed.")
    target = httpx2.URL(url)
    if target.scheme in HTTP_SCHEMES:
        target = target.copy_with(scheme=HTTP_SCHEMES[target.scheme])  # httpx2 matches cookies by these schemes
    request = client.build_request("GET", target, headers=headers, params=params, cookies=cookies)
    request.headers.update(UPGRADE)
    if subprotocols:
        request.headers["Sec-WebSocket-Protocol"] = ", ".join(subprotocols)
    return request
