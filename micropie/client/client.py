"""A client that follows from an app's own methods: `await client.call(Api.user, 3)` is what `Api.user` would return.

Which request that takes is `links.py`'s and `drafting.py`'s, what the answer means `answers.py`'s; this sends one and
receives the other, with httpx2 (the extra `client`). Nothing else imports it.

    async with Client(Api, "https://example.org") as client:
        user = await client.call(Api.user, 3)
"""

import asyncio
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Mapping
from inspect import get_annotations
from mimetypes import guess_type
from pathlib import Path
from types import TracebackType
from typing import Any, Concatenate, Final, Generic, ParamSpec, Self, TypeAlias, TypeVar, cast, overload
from urllib.parse import urlencode

import msgspec

from .._utils.resolve_annotations import resolve_annotation
from ..app.application import App
from ..binding.return_annotation import ResponseShape
from ..binding.signature import FROM_BODY
from ..errors import MissingDependency
from ..routing.discovery import Tree
from ..routing.request_from_call import RequestDraft, draft_request
from ..routing.reverse import find_place, write_url
from ..routing.route import Route
from ..sentinels import ELSEWHERE, UNSET
from ..types import ASGIApp
from ..uploads.upload_file import UploadFile
from .decode_response import (
    CallError,
    UnexpectedResponse,
    assemble_result,
    find_response,
    is_file,
    read_body,
    read_stream,
)

try:
    import httpx2
except ModuleNotFoundError:
    raise MissingDependency("httpx2", "micropie.client", "client") from None

__all__ = ["ELSEWHERE", "CallError", "Client", "Stream", "UnexpectedResponse", "upload"]

A = TypeVar("A", bound=App)
P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
Owner = TypeVar("Owner", bound=Tree)
Streamed: TypeAlias = Iterator[T] | AsyncIterator[T]

TIMEOUT: Final = 30.0
"""Seconds to wait for a connection, and for each piece of an answer."""

# What is chosen of several methods: with something to be sent in a body, and without.
_WITH_BODY: Final = ("POST", "PUT", "PATCH", "DELETE", "GET", "HEAD", "OPTIONS")
_WITHOUT: Final = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")

_ACCEPT: Final = "application/problem+json, */*"
"""Errors are wanted as data, everything else as it is."""
_PIECE: Final = 64 * 1024
"""Bytes of a file that are read and sent at once."""


class Stream(AsyncGenerator[T, None]):
    """The items of an answer that streams, as they come; at its end, or by `aclose`, the connection is free again.

    async with await client.call(Api.rows) as rows:
        async for row in rows: ...
    """

    def __init__(self, items: AsyncGenerator[T, None], response: httpx2.Response, where: str) -> None:
        self._items = _until_closed(items, response)
        self._response = response
        self._where = where

    async def __anext__(self) -> T:
        return await self.asend(None)

    async def asend(self, value: None, /) -> T:
        """The next item. Raises StopAsyncIteration, UnexpectedResponse, and what httpx2 raises."""
        try:
            return await self._items.asend(value)
        except UnexpectedResponse as error:
            raise UnexpectedResponse(f"{self._where}: {error}") from None

    async def athrow(self, typ: Any, val: Any = None, tb: TracebackType | None = None, /) -> T:
        """End the stream with an exception, as generators do."""
        return await self._items.athrow(typ, val, tb)

    async def aclose(self) -> None:
        """Leave: nothing more is received."""
        await self._items.aclose()
        await self._response.aclose()  # a generator that never began has nothing to end

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


async def _until_closed(items: AsyncGenerator[T, None], response: httpx2.Response) -> AsyncGenerator[T, None]:
    """`items`, at the end of which, however it comes about, the response is closed: also when nobody wants more."""
    try:
        async for item in items:
            yield item
    finally:
        await response.aclose()


class _Upload:
    """A file to be sent."""

    def __init__(self, source: bytes | Path, filename: str, content_type: str) -> None:
        self.source = source
        self.filename = filename
        self.content_type = content_type


def upload(
    source: bytes | os.PathLike[str], *, filename: str | None = None, content_type: str | None = None
) -> UploadFile:
    """A file as an argument of `Client.call`: bytes, or a path that is read while it is sent.

    It can be sent, and nothing else. The name is the path's, the media type the one that goes with the name. Raises
    ValueError for a media type that is none.
    """
    held = source if isinstance(source, bytes) else Path(source)
    name = filename or (held.name if isinstance(held, Path) else "upload")
    kind = content_type or guess_type(name)[0] or "application/octet-stream"
    if not (kind.isascii() and kind.isprintable()):
        raise ValueError(f"content_type={content_type!r} is no media type")
    return cast("UploadFile", _Upload(held, name, kind))


class Client(Generic[A]):
    """Calls the methods of an App of class `A` over HTTP.

    `api` is the class, from which an outline of the app is made without calling its `__init__`: its methods, the
    Resources and Apps in its class attributes, and those that its fields are annotated with. What only an instance
    shows, such as a Resource made in `__init__`, needs an instance. `base_url` is where the app is; with `app` it runs
    right here, in this process, lifespan included.

    `http` is an httpx2 client to use, and to leave open; else one is made with `transport`, `headers`, `timeout`
    (seconds; None for ever) and `follow_redirects`. Cookies, and so sessions, are kept from call to call.
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
        if sum(one is not None for one in (app, http, transport)) > 1 or (http is not None and headers is not None):
            raise TypeError(
                "`app`, `http` and `transport` are three ways to send: give one; `http` has its own headers"
            )
        self.api: A = _instance(api, app)
        """The app whose methods are called: the one that was given, or an outline of it."""
        self._is_ours = http is None
        if http is None:
            if app is not None:
                from ..testing import ASGITransport

                transport = ASGITransport(app, timeout=timeout)
            http = httpx2.AsyncClient(
                transport=transport, headers=headers, timeout=timeout, follow_redirects=follow_redirects
            )
        self.http: httpx2.AsyncClient = http
        """What sends: its headers, cookies and auth go with every call."""
        self._base = httpx2.URL(base_url or str(http.base_url) or ("http://localhost" if app is not None else ""))
        if self._base.scheme not in ("http", "https") or not self._base.host or self._base.query:
            raise ValueError(f"base_url is where the app is, as in 'https://example.org', not {base_url!r}")
        self._downloads: Path | None = None

    async def __aenter__(self) -> Self:
        if self._is_ours:
            await self.http.__aenter__()
        return self

    async def __aexit__(self, *exc_info: Any) -> None:
        self._remove_downloads()
        if self._is_ours:
            await self.http.__aexit__(*exc_info)

    async def aclose(self) -> None:
        """Close the connections, and remove the files that were received."""
        self._remove_downloads()
        if self._is_ours:
            await self.http.aclose()

    # Of a class, and of an object that has the method.
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
        """What `handler`, a method of the app, returns for these arguments, by way of HTTP.

        A stream is a `Stream` of its items, a `Path` a file that lives as long as the client. Raises CallError for a
        status that the return annotation does not spell out, UnexpectedResponse for a body that does not fit it; what
        `App.url` raises for what cannot be asked; and what httpx2 raises.
        """
        place = find_place(self.api, handler)
        if not place.method:
            raise ValueError(f"{place.route.name} is a WebSocket's: open client.api.url(…) with a WebSocket client")
        made = draft_request(place.route, args, kwargs, to_url=False)
        path, query = write_url(self.api, place, made)
        method = _method(place.route, made)
        target = self._base.raw_path.rstrip(b"/") + path.encode() + (f"?{query}".encode() if query else b"")
        where = f"{method} {path}"
        response = await self.http.send(self._request(method, target, made), stream=True)
        try:
            result = await self._result(place.route, response, where)
        except BaseException:
            await response.aclose()
            raise
        return result

    def _request(self, method: str, target: bytes, made: RequestDraft) -> httpx2.Request:
        content, kind = _body(made)
        headers = [(name.encode(), text.encode()) for name, text in made.headers]
        if not any(name.lower() == "accept" for name, _ in made.headers):
            headers.append((b"Accept", _ACCEPT.encode()))
        if kind:
            headers.append((b"Content-Type", kind.encode()))
        url = self._base.copy_with(raw_path=target)
        request = self.http.build_request(method, url, content=content, headers=headers)
        if made.cookies:
            kept_ones = request.headers.get("Cookie")
            pairs = [f"{name}={text}" for name, text in made.cookies] + ([kept_ones] if kept_ones else [])
            raw = [(name, value) for name, value in request.headers.raw if name.lower() != b"cookie"]
            request.headers = httpx2.Headers([*raw, (b"Cookie", "; ".join(pairs).encode())])
        return request

    async def _result(self, route: Route, response: httpx2.Response, where: str) -> object:
        status, content_type = response.status_code, response.headers.get("content-type", "")
        shape = find_response(route.signature.returns, status)
        if shape is None:
            body = await response.aread()
            await response.aclose()
            raise CallError(where, status, response.headers, body)
        where = f"{where} answered {status}"
        if shape.stream is not None:
            items = read_stream(shape.stream, content_type, response.aiter_bytes())
            return assemble_result(shape, status, Stream(items, response, where), response.headers.multi_items())
        value = await self._value(shape, content_type, response, where)
        await response.aclose()
        return assemble_result(shape, status, value, response.headers.multi_items())

    async def _value(self, shape: ResponseShape, content_type: str, response: httpx2.Response, where: str) -> object:
        if is_file(shape, response.status_code, content_type):
            return await self._download(response)
        body = await response.aread()
        try:
            return read_body(shape.bodies, response.status_code, content_type, body)
        except UnexpectedResponse as error:
            raise UnexpectedResponse(f"{where}: {error}") from None

    async def _download(self, response: httpx2.Response) -> Path:
        """The answer's body, in a file of the client's own."""
        if self._downloads is None:
            self._downloads = Path(tempfile.mkdtemp(prefix="micropie-"))  # at once: calls may run side by side
        name = re.sub(r"[^\w.-]", "_", response.url.path.rpartition("/")[2], flags=re.ASCII)
        path = self._downloads / f"{secrets.token_hex(4)}-{name[-100:]}"
        with await asyncio.to_thread(path.open, "xb") as file:
            async for chunk in response.aiter_bytes():
                await asyncio.to_thread(file.write, chunk)
        return path

    def _remove_downloads(self) -> None:
        if self._downloads is not None:
            shutil.rmtree(self._downloads, ignore_errors=True)
            self._downloads = None


def _instance(api: type[A] | A, app: ASGIApp | None) -> A:
    """The app whose URLs are known: what was given, or an outline of its class."""
    if not isinstance(api, type):
        return api
    running: object = app
    if isinstance(running, api):
        return running
    made: A = _outline(api, ())
    return made


def _outline(cls: Any, within: tuple[type, ...]) -> Any:
    """An instance of `cls` that was never initialised, with as much of what it will hold as the class says.

    Raises SetupError for handlers that cannot work.
    """
    made = cls.__new__(cls)
    for name, hint in _fields(cls):
        is_tree = isinstance(hint, type) and issubclass(hint, Tree) and hint not in within
        if is_tree and not name.startswith("_") and not hasattr(cls, name):
            object.__setattr__(made, name, _outline(hint, (*within, cls)))
    if isinstance(made, App):
        made._build()
    return made


def _fields(cls: type) -> Iterator[tuple[str, Any]]:
    """The annotated fields of `cls`, of those above it too, whose types can be found."""
    for base in reversed(cls.__mro__):
        for name, annotation in get_annotations(base).items():
            try:
                yield name, resolve_annotation(base, annotation, cls)
            except Exception:  # noqa: BLE001, S112  (what an annotation that raises anything stands for is not seen)
                continue


def _method(route: Route, made: RequestDraft) -> str:
    """The HTTP method to call `route` by. Raises ValueError where none would do."""
    parameters = route.signature.parameters
    takes_body = any(one.sources and FROM_BODY.issuperset(one.sources) for one in parameters)
    preferred = _WITH_BODY if made.has_body or takes_body else _WITHOUT
    method = next(one for one in preferred if route.methods is None or one in route.methods)
    if made.has_body and method in ("GET", "HEAD", "OPTIONS"):
        raise ValueError(f"{route.name} answers {method} only, and has arguments that need a body")
    return method


# --- bodies ---------------------------------------------------------------------------------------------------------


def _body(made: RequestDraft) -> tuple[bytes | AsyncIterator[bytes] | None, str]:
    """The body of a request, and its Content-Type."""
    if made.content is not UNSET:
        if isinstance(made.content, bytes | bytearray | memoryview):
            return bytes(made.content), "application/octet-stream"
        return _pieces(made.content), "application/jsonl" if made.is_lines else "application/octet-stream"
    if isinstance(made.json, bytes):
        return made.json, "application/json"
    if made.files:
        boundary = secrets.token_hex(16)
        return _parts(made, boundary), f"multipart/form-data; boundary={boundary}"
    return (urlencode(made.form).encode(), "application/x-www-form-urlencoded") if made.form else (None, "")


async def _pieces(content: AsyncIterator[object]) -> AsyncIterator[bytes]:
    """The pieces of a streamed body: bytes as they are, anything else as a line of JSON."""
    async for piece in content:
        yield piece if isinstance(piece, bytes) else msgspec.json.encode(piece) + b"\n"


async def _parts(made: RequestDraft, boundary: str) -> AsyncIterator[bytes]:
    """A multipart/form-data body (RFC 7578 §4)."""
    for name, text in made.form:
        yield _head(boundary, f'name="{_escaped(name)}"') + text.encode() + b"\r\n"
    for name, given in made.files:
        file: Any = upload(given) if isinstance(given, bytes | os.PathLike) else given
        described = f'name="{_escaped(name)}"; filename="{_escaped(file.filename)}"'
        yield _head(boundary, described, file.content_type)
        async for piece in _octets(file):
            yield piece
        yield b"\r\n"
    yield f"--{boundary}--\r\n".encode()


def _head(boundary: str, described: str, content_type: str = "") -> bytes:
    kind = f"Content-Type: {content_type}\r\n" if content_type else ""
    return f"--{boundary}\r\nContent-Disposition: form-data; {described}\r\n{kind}\r\n".encode()


def _escaped(name: str) -> str:
    """A name in a part's header, as browsers write it (HTML §4.10.21.8)."""
    return name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")


async def _octets(file: Any) -> AsyncIterator[bytes]:
    """The content of a file: one made by `upload`, or one that was itself received."""
    if not isinstance(file, _Upload):
        async for piece in file:
            yield piece
    elif isinstance(file.source, bytes):
        yield file.source
    else:
        with await asyncio.to_thread(file.source.open, "rb") as opened:
            while piece := await asyncio.to_thread(opened.read, _PIECE):
                yield piece
