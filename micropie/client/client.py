"""This module owns `Client`, which calls the methods of an App over HTTP: `await client.call(Api.user, 3)`.

A call returns what `Api.user` returns. `routing.request_from_call` decides which request a call needs, `request_body`
writes its body, and `decode_response` reads the response. This module sends the one and receives the other, with httpx2
(the extra `client`).

    async with Client(Api, "https://example.org") as client:
        user = await client.call(Api.user, 3)
"""

import asyncio
import re
import secrets
import shutil
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Mapping
from inspect import get_annotations
from pathlib import Path
from types import TracebackType
from typing import Any, Concatenate, Final, Generic, ParamSpec, Self, TypeAlias, TypeVar, overload

from .._utils.resolve_annotations import resolve_annotation
from ..app.application import App
from ..binding.return_annotation import ResponseShape
from ..binding.signature import FROM_BODY
from ..errors import MissingDependency
from ..routing.discovery import Tree
from ..routing.request_from_call import RequestDraft, draft_request
from ..routing.reverse import find_place, write_url
from ..routing.route import Route
from ..types import ASGIApp
from .decode_response import assemble_result, find_response, is_file, read_body, read_stream
from .errors import CallError, UnexpectedResponse
from .request_body import write_body

try:
    import httpx2
except ModuleNotFoundError:
    raise MissingDependency("httpx2", "micropie.client", "client") from None

A = TypeVar("A", bound=App)
P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
Owner = TypeVar("Owner", bound=Tree)
Streamed: TypeAlias = Iterator[T] | AsyncIterator[T]

TIMEOUT: Final = 30.0
"""Seconds to wait for a connection, and for each piece of a response."""

# The order in which a method is chosen for a route that allows several: for a call with a body, and for one without.
_WITH_BODY: Final = ("POST", "PUT", "PATCH", "DELETE", "GET", "HEAD", "OPTIONS")
_WITHOUT_BODY: Final = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")

_ACCEPT: Final = "application/problem+json, */*"
"""The client asks for errors as data, and for everything else as it is."""


class Stream(AsyncGenerator[T, None]):
    """A response that streams: an asynchronous iterator of its items, which yields them as they come.

    The connection is free again at the end of the stream, or after `aclose`.

        async with await client.call(Api.rows) as rows:
            async for row in rows: ...
    """

    def __init__(self, items: AsyncGenerator[T, None], response: httpx2.Response, where: str) -> None:
        self._items = _yield_and_close(items, response)
        self._response = response
        self._where = where

    async def __anext__(self) -> T:
        return await self.asend(None)

    async def asend(self, value: None, /) -> T:
        """Receive the next item. Raises StopAsyncIteration, UnexpectedResponse and the errors of httpx2."""
        try:
            return await self._items.asend(value)
        except UnexpectedResponse as error:
            raise UnexpectedResponse(f"{self._where}: {error}") from None

    async def athrow(self, typ: Any, val: Any = None, tb: TracebackType | None = None, /) -> T:
        """End the stream with an exception, as `athrow` of a generator does."""
        error = typ if val is None else val  # the form with three arguments is deprecated since Python 3.12
        if isinstance(error, type):
            error = error()
        return await self._items.athrow(error.with_traceback(tb) if tb is not None else error)

    async def aclose(self) -> None:
        """Close the response; the rest of the stream is not received."""
        await self._items.aclose()
        await self._response.aclose()  # a generator that never began does not reach its `finally`

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


async def _yield_and_close(items: AsyncGenerator[T, None], response: httpx2.Response) -> AsyncGenerator[T, None]:
    """Yield `items`, and close the response at their end, after an error, or when the caller stops early."""
    try:
        async for item in items:
            yield item
    finally:
        await response.aclose()


class Client(Generic[A]):
    """A client that calls the methods of an App of class `A` over HTTP.

    `api` is that class or an instance of it. From a class the client makes an outline, without calling `__init__`. The
    outline has the methods of the class, the Resources and Apps in its class attributes, and those that its fields are
    annotated with. Pass an instance if the app holds more than that, such as a Resource that `__init__` makes.

    `base_url` is the URL of the app. With `app` the app runs in this process, lifespan included.

    `http` is an httpx2 client, which stays open. Without it the client makes one with `transport`, `headers`, `timeout`
    (seconds; None waits forever) and `follow_redirects`. Cookies, and so sessions, are kept from call to call.

    Raises TypeError for arguments that contradict each other, and ValueError for a `base_url` that is not an absolute
    HTTP URL.
    """

    def __init__(
        self,
        api: type[A] | A,
        base_url: str = "",
        *,
        app: ASGIApp | None = None,
        http: httpx2.AsyncClient | None = None,
        transport: httpx2.AsyncBaseTransport | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = TIMEOUT,
        follow_redirects: bool = False,
    ) -> None:
        if sum(sender is not None for sender in (app, http, transport)) > 1:
            raise TypeError("Client takes one of `app`, `http` and `transport`: each of them sends the requests")
        if http is not None and headers is not None:
            raise TypeError("Client takes `headers` only without `http`, which has its own: http.headers.update(…)")
        self.api: A = _find_instance(api, app)
        """The app whose methods are called: the instance `api`, or an outline of the class `api`."""
        self._owns_http = http is None
        if http is None:
            if app is not None:
                from ..testing import ASGITransport

                transport = ASGITransport(app, timeout=timeout)
            http = httpx2.AsyncClient(
                transport=transport, headers=headers, timeout=timeout, follow_redirects=follow_redirects
            )
        self.http: httpx2.AsyncClient = http
        """The httpx2 client that sends: its headers, cookies and auth go with every call."""
        self._base = httpx2.URL(base_url or str(http.base_url) or ("http://localhost" if app is not None else ""))
        if self._base.scheme not in ("http", "https") or not self._base.host or self._base.query:
            raise ValueError(f"base_url={base_url!r} is not the URL of an app: expected one like 'https://example.org'")
        self._downloads: Path | None = None

    async def __aenter__(self) -> Self:
        if self._owns_http:
            await self.http.__aenter__()
        return self

    async def __aexit__(self, *exc_info: Any) -> None:
        self._remove_downloads()
        if self._owns_http:
            await self.http.__aexit__(*exc_info)

    async def aclose(self) -> None:
        """Close the connections, and remove the files that the client received."""
        self._remove_downloads()
        if self._owns_http:
            await self.http.aclose()

    # The first three overloads take a method of a class, the others a method of an instance.
    @overload
    async def call(
        self, handler: Callable[Concatenate[Owner, P], Awaitable[R]], /, *args: P.args, **kwargs: P.kwargs
    ) -> R: ...
    @overload
    async def call(
        self, handler: Callable[Concatenate[Owner, P], Streamed[T]], /, *args: P.args, **kwargs: P.kwargs
    ) -> Stream[T]: ...
    @overload
    async def call(self, handler: Callable[Concatenate[Owner, P], R], /, *args: P.args, **kwargs: P.kwargs) -> R: ...
    @overload
    async def call(self, handler: Callable[P, Awaitable[R]], /, *args: P.args, **kwargs: P.kwargs) -> R: ...
    @overload
    async def call(self, handler: Callable[P, Streamed[T]], /, *args: P.args, **kwargs: P.kwargs) -> Stream[T]: ...
    @overload
    async def call(self, handler: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R: ...
    async def call(self, handler: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Call `handler`, a method of the app, over HTTP, and return what it returns.

        A stream is returned as a `Stream` of its items, and a `Path` as a file that exists until the client is closed.

        Raises CallError for a status that the return annotation does not name, and UnexpectedResponse for a body that
        does not fit it. Raises what `App.url` raises for arguments that cannot be sent, and the errors of httpx2.
        """
        place = find_place(self.api, handler)
        if not place.method:
            raise ValueError(
                f"{place.route.name} is a WebSocket handler, which Client cannot call: "
                "connect a WebSocket client to client.api.url(…)"
            )
        draft = draft_request(place.route, args, kwargs, to_url=False)
        path, query = write_url(self.api, place, draft)
        method = _choose_method(place.route, draft)
        target = self._base.raw_path.rstrip(b"/") + path.encode() + (f"?{query}".encode() if query else b"")
        response = await self.http.send(self._build_request(method, target, draft), stream=True)
        try:
            result = await self._read_result(place.route, response, f"{method} {path}")
        except BaseException:
            await response.aclose()
            raise
        return result

    def _build_request(self, method: str, target: bytes, draft: RequestDraft) -> httpx2.Request:
        content, content_type = write_body(draft)
        headers = [(name.encode(), text.encode()) for name, text in draft.headers]
        if not any(name.lower() == "accept" for name, _ in draft.headers):
            headers.append((b"Accept", _ACCEPT.encode()))
        if content_type:
            headers.append((b"Content-Type", content_type.encode()))
        url = self._base.copy_with(raw_path=target)
        request = self.http.build_request(method, url, content=content, headers=headers)
        if draft.cookies:
            stored = request.headers.get("Cookie")
            pairs = [f"{name}={text}" for name, text in draft.cookies] + ([stored] if stored else [])
            raw = [(name, value) for name, value in request.headers.raw if name.lower() != b"cookie"]
            request.headers = httpx2.Headers([*raw, (b"Cookie", "; ".join(pairs).encode())])
        return request

    async def _read_result(self, route: Route, response: httpx2.Response, where: str) -> object:
        status, content_type = response.status_code, response.headers.get("content-type", "")
        shape = find_response(route.signature.returns, status)
        if shape is None:
            body = await response.aread()
            await response.aclose()
            raise CallError(where, status, response.headers, body)
        answered = f"{where} answered {status}"
        if shape.stream is not None:
            items = read_stream(shape.stream, content_type, response.aiter_bytes())
            return assemble_result(shape, status, Stream(items, response, answered), response.headers.multi_items())
        try:
            value = await self._read_value(shape, response, answered)
        except UnexpectedResponse:
            if status < 400:
                raise
            # The handler, or the framework, raised an HTTPError of a status that the annotation names, too.
            raise CallError(where, status, response.headers, await response.aread()) from None
        await response.aclose()
        return assemble_result(shape, status, value, response.headers.multi_items())

    async def _read_value(self, shape: ResponseShape, response: httpx2.Response, where: str) -> object:
        status, content_type = response.status_code, response.headers.get("content-type", "")
        if is_file(shape, status, content_type):
            return await self._download(response)
        body = await response.aread()
        try:
            return read_body(shape.bodies, status, content_type, body)
        except UnexpectedResponse as error:
            raise UnexpectedResponse(f"{where}: {error}") from None

    async def _download(self, response: httpx2.Response) -> Path:
        """Write the body of the response into a file in the client's temporary folder, and return its path."""
        if self._downloads is None:
            # Without an `await` between the test and the assignment: calls may run side by side.
            self._downloads = Path(tempfile.mkdtemp(prefix="micropie-"))
        name = re.sub(r"[^\w.-]", "_", response.url.path.rpartition("/")[2], flags=re.ASCII)
        path = self._downloads / f"{secrets.token_hex(4)}-{name[-100:]}"
        with await asyncio.to_thread(lambda: path.open("xb")) as file:
            async for chunk in response.aiter_bytes():
                await asyncio.to_thread(file.write, chunk)
        return path

    def _remove_downloads(self) -> None:
        if self._downloads is not None:
            shutil.rmtree(self._downloads, ignore_errors=True)
            self._downloads = None


def _find_instance(api: type[A] | A, app: object) -> A:
    """Return the instance whose URLs the client uses: `api`, or `app` if it is of that class, or else an outline."""
    if not isinstance(api, type):
        return api
    if isinstance(app, api):
        return app  # ty: ignore[invalid-explicit-return]  # `api` is a type[A] here
    outline: A = _make_outline(api, ())
    return outline


def _make_outline(cls: Any, owners: tuple[type, ...]) -> Any:
    """Make an instance of `cls` without calling `__init__`, with the Resources and Apps that its annotations name.

    `owners` are the classes above it, so that an annotation that leads back to one of them ends. Raises SetupError for
    handlers that cannot work.
    """
    outline = cls.__new__(cls)
    for name, hint in _list_fields(cls):
        is_tree = isinstance(hint, type) and issubclass(hint, Tree) and hint not in owners
        if is_tree and not name.startswith("_") and not hasattr(cls, name):
            object.__setattr__(outline, name, _make_outline(hint, (*owners, cls)))
    if isinstance(outline, App):
        outline._build()
    return outline


def _list_fields(cls: type) -> Iterator[tuple[str, Any]]:
    """Yield the annotated fields of `cls` and of its bases, but for those whose types cannot be resolved."""
    for base in reversed(cls.__mro__):
        for name, annotation in get_annotations(base).items():
            try:
                yield name, resolve_annotation(base, annotation, cls)
            except Exception:  # noqa: BLE001, S112  (an annotation may raise anything; such a field is not a Resource)
                continue


def _choose_method(route: Route, draft: RequestDraft) -> str:
    """Return the HTTP method to call `route` by. Raises ValueError if no method of the route can carry the body."""
    parameters = route.signature.parameters
    takes_body = any(parameter.sources and FROM_BODY.issuperset(parameter.sources) for parameter in parameters)
    preferred = _WITH_BODY if draft.has_body or takes_body else _WITHOUT_BODY
    method = next(method for method in preferred if route.methods is None or method in route.methods)
    if draft.has_body and method in ("GET", "HEAD", "OPTIONS"):
        raise ValueError(
            f"{route.name} answers {method} only, which has no body, and these arguments need one: "
            '@route(methods=["POST"]) gives it one'
        )
    return method
