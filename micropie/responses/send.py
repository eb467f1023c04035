"""What a handler returned becomes one ASGI response, and `send_response` is the only way out.

Results are put in normal form, (status, body, headers), and the body's type decides how it is sent: text, bytes and
data at once, with their length; generators piece by piece (`streaming`); a `Path` as its file (`files`). It does not
know which handler ran, or what an App is. The common case is written out in `send_response` itself, since every request
pays for it.
"""

from collections.abc import AsyncIterable, Callable, Iterator, Mapping
from enum import Enum
from functools import lru_cache
from types import NoneType
from typing import Any, Final, TypeAlias, cast

import msgspec

from .._utils.caching import Remembered
from .._utils.lazy_imports import pathlib, pattern, urls
from .._utils.worker_threads import in_thread
from ..errors import ResponseError
from ..types import HeaderItems, Message, Receive, Scope, Send
from .encoding import BINARY, HTML, JSON, encode, write_json
from .error_responses import error_response, prefers_problem
from .files import send_file
from .headers import (
    CONTENT,
    TRANSFER,
    VARY,
    completed,
    framed,
    raw_headers,
    remembered_headers,
    silent_on_content,
    without,
)
from .streaming import HTML_STREAM, RunSync, as_chunks, close_chunks, send_stream

__all__ = ["NO_CONTENT", "encode", "error_response", "prefers_problem", "redirect", "send_response", "split"]

NO_CONTENT: Final = frozenset((*range(100, 200), 204, 304))
"""Statuses whose responses end with their headers (RFC 9110 §6.4.1): no content, and nothing said of it (§8.6)."""

# RFC 3986 §2.2 and §2.3: what means something in a URL, and `%`. All else in a location is percent-encoded.
_URL_CHARACTERS: Final = "%:/?#[]@!$&'()*+,;=-._~"
_STRAY_PERCENT = pattern("%(?![0-9A-Fa-f]{2})")
_CONTROL = pattern("[\x00-\x1f\x7f]")
_SCHEME = pattern(r"([A-Za-z][A-Za-z0-9+.\-]*):")  # RFC 3986 §3.1

_RAW_VARY: Final = raw_headers(VARY)
_HTML_HEADER: Final = (b"content-type", HTML)
_JSON_HEADER: Final = (b"content-type", JSON)


def split(result: object) -> tuple[int, object, list[tuple[str, str]]]:
    """What a handler returned, as (status, body, headers); the headers are a new list, which may be added to.

    A plain tuple of two or three whose first item is an int is `(status, body)` or `(status, body, headers)`, the
    headers a list of pairs, a mapping or None. None is 204. Everything else, a NamedTuple too, is a body with status
    200. Raises ResponseError for a status outside 100 to 599, and for headers that are none of these.
    """
    if type(result) is not tuple:
        return (200 if result is not None else 204), result, []
    if 2 <= len(result) <= 3:
        status = result[0]
        if isinstance(status, int) and not isinstance(status, bool):
            if not 100 <= status <= 599:
                raise ResponseError(
                    f"A tuple that begins with {status} is not (status, body), as a status is 100 to 599: "
                    "return data as a list"
                )
            return int(status), result[1], _pairs(result[2]) if len(result) == 3 else []
    return 200, result, []


def _pairs(headers: object) -> list[tuple[str, str]]:
    if headers is None:
        return []
    if isinstance(headers, Mapping):
        return list(headers.items())
    if isinstance(headers, list | tuple):
        return list(headers)
    raise ResponseError(
        f"Headers are a list of (name, value) pairs or a mapping, not {type(headers).__qualname__}: "
        'return (200, body, [("X-Name", "value")])'
    )


class Elsewhere(msgspec.Struct, frozen=True, eq=False):
    """A body that is not ours to send, because another application sends it."""


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
        ((Elsewhere,), _Shape.ELSEWHERE),
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
_encodings: Final = Remembered[type, _Encoding](_encoding, _TEXTS)
_lengths: Final = Remembered(_content_length)


def written(
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
            given = remembered_headers(headers)
            if given is not None:
                raw += given
            else:
                given = raw_headers(headers)
                raw = raw + given if silent_on_content(given) else framed(given, content_type[1], len(payload))
        if added:
            raw += _RAW_VARY if added is VARY else raw_headers(added)
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
    run_sync: RunSync = in_thread,
) -> None:
    """Send `body` as the response to the request of `scope`.

    `headers` are never changed; where they say how long the content is, the truth takes their place. `listen` says that
    the request's body has been read, so that `receive` may be waited on for the client leaving while the response is
    under way. `run_sync` runs what blocks: sync generators and files. When the client left this returns quietly.

    Nothing has been sent when it raises ResponseError (a body or header that cannot be sent), HTTPError (see
    `send_file`), or what a generator raised before its first chunk. What fails later is raised as BrokenResponse.
    """
    headers = headers if isinstance(headers, list | tuple) else list(headers)  # it is looked through more than once
    messages = written(scope, (status, body, headers))
    if messages is None:
        await _send_any(scope, receive if listen else None, send, status, body, headers, run_sync)
    else:
        await send_both(send, messages)


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
    given = raw_headers(headers)
    unwanted = status in NO_CONTENT or scope["method"] == "HEAD"
    shape = _shape(type(body))  # type: ignore[arg-type]  # mypy: a class is hashable
    if shape is _Shape.STREAM:
        chunks = as_chunks(cast("AsyncIterable[object] | Iterator[object]", body), run_sync)
        given = without(given, TRANSFER)
        if not unwanted:
            await send_stream(send, status, chunks, given, receive)
            return
        await close_chunks(chunks)
        described, payload = completed(given, HTML_STREAM), b""
    elif shape is _Shape.FILE and status not in NO_CONTENT:
        await send_file(scope, send, status, cast("pathlib.Path", body), given, receive, run_sync)
        return
    else:
        payload, content_type = encode(None if status in NO_CONTENT else body)
        described = framed(given, content_type, len(payload))
    if status in NO_CONTENT:
        described = without(described, CONTENT)
    start = {"type": "http.response.start", "status": status, "headers": described}
    await send_both(send, (start, {"type": "http.response.body", "body": b"" if unwanted else payload}))


async def send_both(send: Send, messages: tuple[Message, Message]) -> None:
    try:
        await send(messages[0])
        await send(messages[1])
    except OSError:  # ASGI HTTP 2.4: the client left
        return


def redirect(
    location: str, headers: HeaderItems = (), *, external: bool = False
) -> tuple[int, str, list[tuple[str, str]]]:
    """A redirection to `location` as `(302, "", headers)`, with `headers` after the `Location`.

    `location` is a path, a query, or an absolute http or https URL. What is no URL character is percent-encoded as
    UTF-8; existing %XX are kept. Raises ValueError for a control character, and, unless `external`, for what leads
    elsewhere than it seems to: `//host`, `/\\host`, and schemes such as `javascript:`.
    """
    target = location.strip(" ")  # as browsers do, before they look at anything
    if _CONTROL.search(target):
        raise ValueError("A redirect's location has a control character in it")
    if not external:
        _refuse_disguised(target)
    quoted = urls.quote(_STRAY_PERCENT.sub("%25", target), safe=_URL_CHARACTERS)
    return 302, "", [("Location", quoted), *headers]


def _refuse_disguised(target: str) -> None:
    # The URL standard (§4.4) reads `\` as `/`, and two of them begin a host.
    if target[:2].replace("\\", "/") == "//":
        raise ValueError(f"A redirect to {target!r} leaves for another host: pass external=True if that is meant")
    scheme = _SCHEME.match(target)
    if scheme and scheme[1].lower() not in ("http", "https"):
        raise ValueError(f"A redirect to {scheme[1]!r} is not to a web page: pass external=True if that is meant")
