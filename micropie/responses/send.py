"""This module sends a status, a body and headers as one ASGI response.

The type of the body decides how it is sent: text, bytes and data at once, with their length; generators piece by piece
(`streaming`); a `Path` as its file (`files`). `build_messages` is the common case, written out because every request
pays for it: text, bytes or data with content. `send_response` also covers all other cases. This module does not depend
on handlers or apps.
"""

from collections.abc import AsyncIterable, Awaitable, Callable, Iterator
from enum import Enum
from functools import lru_cache, partial
from types import NoneType
from typing import Any, Final, TypeAlias, cast

from .._utils.caching import BoundedCache
from .._utils.lazy_imports import pathlib
from .._utils.worker_threads import run_in_thread
from ..types import HeaderItems, Message, RawHeaders, Receive, RunSync, Scope, Send
from .cache_headers import add_session_headers
from .encoding import BINARY, HTML, JSON, encode_body, write_json
from .handler_results import ExternalBody
from .headers import (
    CONTENT,
    TRANSFER,
    add_content_headers,
    add_missing_headers,
    encode_headers,
    has_no_content_headers,
    recall_encoded_headers,
    remove_headers,
)
from .streaming import EVENT_STREAM, HTML_STREAM, PING, close_chunks, is_event_stream, iterate_chunks, send_stream

NO_CONTENT: Final = frozenset((*range(100, 200), 204, 304))
"""Statuses whose responses end with their headers (RFC 9110 §6.4.1), none of which describes content (§8.6)."""

_HTML_HEADER: Final = (b"content-type", HTML)
_JSON_HEADER: Final = (b"content-type", JSON)


class _Shape(Enum):
    """A way to send a body."""

    PLAIN = "plain"
    JSON = "json"
    STREAM = "stream"
    FILE = "file"
    ELSEWHERE = "elsewhere"


@lru_cache(maxsize=1024)
def _find_shape(cls: type) -> _Shape:
    """Return how bodies of this class are sent. The result is cached, as `issubclass` is slow for abstract classes."""
    # The first that matches counts. An Enum member is data, even if it is also a `str`.
    shapes: tuple[tuple[tuple[type, ...], _Shape], ...] = (
        ((AsyncIterable, Iterator), _Shape.STREAM),
        ((pathlib.Path,), _Shape.FILE),
        ((ExternalBody,), _Shape.ELSEWHERE),
        ((Enum,), _Shape.JSON),
        ((NoneType, str, *BINARY), _Shape.PLAIN),
    )
    return next((shape for types, shape in shapes if issubclass(cls, types)), _Shape.JSON)


_Encoding: TypeAlias = tuple[tuple[bytes, bytes], Callable[[Any], bytes]] | None
"""The Content-Type header for the bodies of a class, and the function that encodes them; None for other shapes."""


def _find_encoding(cls: type) -> _Encoding:
    return (_JSON_HEADER, write_json) if _find_shape(cls) is _Shape.JSON else None


def _build_length_header(length: int) -> tuple[bytes, bytes]:
    return b"content-length", b"%d" % length


_TEXT_ENCODINGS: Final[dict[type, _Encoding]] = {str: (_HTML_HEADER, str.encode), bytes: (_HTML_HEADER, bytes)}
_encodings: Final = BoundedCache[type, _Encoding](_find_encoding, _TEXT_ENCODINGS)
_length_headers: Final = BoundedCache(_build_length_header)


def build_messages(
    scope: Scope, reply: tuple[int, object, HeaderItems], added: HeaderItems = ()
) -> tuple[Message, Message] | None:
    """Return the two messages of the common response, or None for every response that `send_response` must examine.

    The common response has content: text, bytes or data. `added` are headers about the session.
    """
    status, body, headers = reply
    if (status != 200 and status in NO_CONTENT) or scope["method"] == "HEAD":
        return None
    encoding = _encodings[type(body)]
    if encoding is None:
        return None
    content_type, encode = encoding
    try:
        payload = encode(body)
        raw = [content_type, _length_headers[len(payload)]]
        if headers:
            encoded = recall_encoded_headers(headers)
            if encoded is not None:
                raw += encoded
            else:
                encoded = encode_headers(headers)
                raw = (
                    raw + encoded
                    if has_no_content_headers(encoded)
                    else add_content_headers(encoded, content_type[1], len(payload))
                )
        if added:
            raw = add_session_headers(raw, added, scope["path"])
    except Exception:  # noqa: BLE001  # data may raise anything as it is read; `send_response` reports it
        return None
    return (
        {"type": "http.response.start", "status": status, "headers": raw},
        {"type": "http.response.body", "body": payload},
    )


async def send_response(
    scope: Scope,
    receive: Receive,
    send: Send,
    status: int,
    body: object,
    headers: HeaderItems = (),
    added: HeaderItems = (),
    *,
    listen: bool = False,
    run_sync: RunSync = run_in_thread,
    start_after: float | None = None,
    ping: float = PING,
) -> None:
    """Send `body` as the response to the request of `scope`.

    `headers` are never changed. Where they tell the length of the content, the actual length replaces it. `added` are
    headers about the session (see `add_session_headers`). Pass `listen` if `receive` returns nothing that is still
    needed: it is then awaited during the response, to notice a disconnect. `run_sync` runs what blocks: sync generators
    and files. `start_after` and `ping` are for streams, see `send_stream`. If the client has left, the function returns
    quietly.

    It raises ResponseError (a body or header that cannot be sent), HTTPError (see `send_file`), or what a generator
    raised before its first chunk, all before anything is sent. Later failures are raised as BrokenResponse.
    """
    headers = headers if isinstance(headers, list | tuple) else list(headers)  # they are iterated more than once
    messages = build_messages(scope, (status, body, headers), added)
    if messages is None:
        encoded = encode_headers(headers)
        if added:
            encoded = add_session_headers(encoded, added, scope["path"])
        send_chunks = partial(send_stream, start_after=start_after, ping=ping)
        await _send_any(scope, receive if listen else None, send, status, body, encoded, run_sync, send_chunks)
    else:
        await send_messages(send, messages)


async def _send_any(
    scope: Scope,
    receive: Receive | None,
    send: Send,
    status: int,
    body: object,
    encoded: RawHeaders,
    run_sync: RunSync,
    send_chunks: Callable[..., Awaitable[None]],
) -> None:
    """Send a response with any body and any headers, as `send_response` does."""
    omits_content = status in NO_CONTENT or scope["method"] == "HEAD"
    shape = _find_shape(type(body))  # type: ignore[arg-type]  # mypy: a class is hashable
    if shape is _Shape.STREAM:
        chunks = iterate_chunks(cast("AsyncIterable[object] | Iterator[object]", body), run_sync)
        encoded = remove_headers(encoded, TRANSFER)
        if is_event_stream(encoded):
            encoded = add_missing_headers(encoded, EVENT_STREAM)
        if not omits_content:
            await send_chunks(send, status, chunks, encoded, receive)
            return
        await close_chunks(chunks)
        all_headers, payload = add_missing_headers(encoded, HTML_STREAM), b""
    elif shape is _Shape.FILE and status not in NO_CONTENT:
        from .files import send_file

        await send_file(scope, send, status, cast("pathlib.Path", body), encoded, receive, run_sync)
        return
    else:
        payload, content_type = encode_body(None if status in NO_CONTENT else body)
        all_headers = add_content_headers(encoded, content_type, len(payload))
    if status in NO_CONTENT:
        all_headers = remove_headers(all_headers, CONTENT)
    start = {"type": "http.response.start", "status": status, "headers": all_headers}
    await send_messages(send, (start, {"type": "http.response.body", "body": b"" if omits_content else payload}))


async def send_messages(send: Send, messages: tuple[Message, Message]) -> None:
    """Send the two messages of a response, unless the client leaves meanwhile."""
    try:
        await send(messages[0])
        await send(messages[1])
    except OSError:  # ASGI HTTP 2.4: the client left
        return
