"""What a handler returned becomes one ASGI response, and `send_response` is the only way out.

Results are put in normal form, (status, body, headers), and the body's type decides how it is sent: text, bytes and
data at once, with their length; generators piece by piece (`streaming`); a `Path` as its file (`files`). It does not
know which handler ran, or what an App is. The common case is written out in `send_response` itself, since every request
pays for it.
"""

from collections.abc import AsyncIterable, Callable, Iterator
from enum import Enum
from functools import lru_cache
from types import NoneType
from typing import Any, Final, TypeAlias, cast

from .._utils.caching import BoundedCache
from .._utils.lazy_imports import pathlib
from .._utils.worker_threads import run_in_thread
from ..types import HeaderItems, Message, Receive, RunSync, Scope, Send
from .encoding import BINARY, HTML, JSON, encode, write_json
from .files import send_file
from .handler_results import ExternalBody
from .headers import (
    CONTENT,
    TRANSFER,
    VARY,
    add_content_headers,
    add_missing_headers,
    encode_headers,
    is_silent_on_content,
    recall_encoded_headers,
    remove_headers,
)
from .streaming import HTML_STREAM, close_chunks, iterate_chunks, send_stream

NO_CONTENT: Final = frozenset((*range(100, 200), 204, 304))
"""Statuses whose responses end with their headers (RFC 9110 §6.4.1): no content, and nothing said of it (§8.6)."""


_RAW_VARY: Final = encode_headers(VARY)
_HTML_HEADER: Final = (b"content-type", HTML)
_JSON_HEADER: Final = (b"content-type", JSON)


class _Shape(Enum):
    """How a body is sent."""

    PLAIN = "plain"
    JSON = "json"
    STREAM = "stream"
    FILE = "file"
    ELSEWHERE = "elsewhere"


@lru_cache(maxsize=1024)
def _shape(cls: type) -> _Shape:
    """How bodies of this type are sent. Remembered, as abstract classes are slow to ask."""
    # The first that fits. An Enum member is data, even one that is also a `str`.
    shapes: tuple[tuple[tuple[type, ...], _Shape], ...] = (
        ((AsyncIterable, Iterator), _Shape.STREAM),
        ((pathlib.Path,), _Shape.FILE),
        ((ExternalBody,), _Shape.ELSEWHERE),
        ((Enum,), _Shape.JSON),
        ((NoneType, str, *BINARY), _Shape.PLAIN),
    )
    return next((shape for types, shape in shapes if issubclass(cls, types)), _Shape.JSON)


_Encoding: TypeAlias = tuple[tuple[bytes, bytes], Callable[[Any], bytes]] | None
"""The Content-Type of the bodies of a class, and what makes bytes of them; None where that is not all."""


def _encoding(cls: type) -> _Encoding:
    return (_JSON_HEADER, write_json) if _shape(cls) is _Shape.JSON else None


def _content_length(length: int) -> tuple[bytes, bytes]:
    return b"content-length", b"%d" % length


_TEXTS: Final[dict[type, _Encoding]] = {str: (_HTML_HEADER, str.encode), bytes: (_HTML_HEADER, bytes)}
_encodings: Final = BoundedCache[type, _Encoding](_encoding, _TEXTS)
_lengths: Final = BoundedCache(_content_length)


def build_messages(
    scope: Scope, reply: tuple[int, object, HeaderItems], added: HeaderItems = ()
) -> tuple[Message, Message] | None:
    """The two messages of the common response: text, bytes or data. None for what needs a closer look.

    `added` are headers besides the reply's own.
    """
    status, body, headers = reply
    if (status != 200 and status in NO_CONTENT) or scope["method"] == "HEAD":
        return None
    encoding = _encodings[type(body)]
    if encoding is None:
        return None
    content_type, encoded = encoding
    try:
        payload = encoded(body)
        raw = [content_type, _lengths[len(payload)]]
        if headers:
            given = recall_encoded_headers(headers)
            if given is not None:
                raw += given
            else:
                given = encode_headers(headers)
                raw = (
                    raw + given
                    if is_silent_on_content(given)
                    else add_content_headers(given, content_type[1], len(payload))
                )
        if added:
            raw += _RAW_VARY if added is VARY else encode_headers(added)
    except Exception:  # noqa: BLE001  # data may raise anything as it is read: told by whoever looks closer
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
    *,
    listen: bool = False,
    run_sync: RunSync = run_in_thread,
) -> None:
    """Send `body` as the response to the request of `scope`.

    `headers` are never changed; where they say how long the content is, the truth takes their place. `listen` says that
    the request's body has been read, so that `receive` may be waited on for the client leaving while the response is
    under way. `run_sync` runs what blocks: sync generators and files. When the client left this returns quietly.

    Nothing has been sent when it raises ResponseError (a body or header that cannot be sent), HTTPError (see
    `send_file`), or what a generator raised before its first chunk. What fails later is raised as BrokenResponse.
    """
    headers = headers if isinstance(headers, list | tuple) else list(headers)  # it is looked through more than once
    messages = build_messages(scope, (status, body, headers))
    if messages is None:
        await _send_any(scope, receive if listen else None, send, status, body, headers, run_sync)
    else:
        await send_messages(send, messages)


async def _send_any(
    scope: Scope,
    receive: Receive | None,
    send: Send,
    status: int,
    body: object,
    headers: HeaderItems,
    run_sync: RunSync,
) -> None:
    """`send_response` for every kind of body and header."""
    given = encode_headers(headers)
    unwanted = status in NO_CONTENT or scope["method"] == "HEAD"
    shape = _shape(type(body))  # type: ignore[arg-type]  # mypy: a class is hashable
    if shape is _Shape.STREAM:
        chunks = iterate_chunks(cast("AsyncIterable[object] | Iterator[object]", body), run_sync)
        given = remove_headers(given, TRANSFER)
        if not unwanted:
            await send_stream(send, status, chunks, given, receive)
            return
        await close_chunks(chunks)
        described, payload = add_missing_headers(given, HTML_STREAM), b""
    elif shape is _Shape.FILE and status not in NO_CONTENT:
        await send_file(scope, send, status, cast("pathlib.Path", body), given, receive, run_sync)
        return
    else:
        payload, content_type = encode(None if status in NO_CONTENT else body)
        described = add_content_headers(given, content_type, len(payload))
    if status in NO_CONTENT:
        described = remove_headers(described, CONTENT)
    start = {"type": "http.response.start", "status": status, "headers": described}
    await send_messages(send, (start, {"type": "http.response.body", "body": b"" if unwanted else payload}))


async def send_messages(send: Send, messages: tuple[Message, Message]) -> None:
    try:
        await send(messages[0])
        await send(messages[1])
    except OSError:  # ASGI HTTP 2.4: the client left
        return
