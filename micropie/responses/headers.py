"""This module encodes response headers: the text that handlers and middleware write becomes bytes to send.

It checks each header, so that no text that a user typed can end one header and begin another. It does not
interpret headers, except for the few that describe the content, which the framework decides.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final

from .._utils import http_grammar
from ..errors import ResponseError
from ..types import RawHeaders

_TOKEN = re.compile(http_grammar.TOKEN)
_FIELD_VALUE = re.compile(http_grammar.FIELD_VALUE)

TRANSFER: Final = frozenset({b"transfer-encoding"})
"""Headers that only the server may decide (RFC 9112 §6.1)."""
FRAMING: Final = TRANSFER | {b"content-length"}
"""Headers that tell how long the content is. Where the length is known, it replaces what a handler wrote."""
CONTENT: Final = FRAMING | {b"content-type"}
"""Headers that describe content, and are removed where there is none."""


@lru_cache(maxsize=512)
def _encode_name(name: str) -> bytes:
    if not _TOKEN.fullmatch(name):
        raise ResponseError(f"{name!r} is not a header name: use letters, digits and hyphens, as in 'X-Request-Id'")
    return name.lower().encode("ascii")


_MAX_CACHED: Final = 1024
"""Headers in the cache, which is emptied when it is full."""
_LONGEST_CACHED: Final = 100
"""Characters from which on a value is not cached."""
_encoded_headers: Final[dict[object, tuple[bytes, bytes]]] = {}
"""Encoded headers by name and value. Most headers are the same in all responses."""
_UNCACHED: Final = CONTENT | {b"set-cookie", b"location", b"etag", b"last-modified"}
"""Headers that are not cached: they describe the content, differ from response to response, or are secret."""


def encode_headers(headers: Iterable[Any]) -> RawHeaders:
    """Encode `headers` for ASGI as a new list, with names in lower case. Repeated headers stay separate.

    Raises ResponseError for a name that is not a token, and for a value that is not text, is not latin-1 or contains a
    control character (RFC 9110 §5.5). The message names the header and never shows the value.
    """
    raw: RawHeaders = []
    for item in headers:
        name, value = item if type(item) is tuple and len(item) == 2 else _unpack_pair(item)
        if type(value) is not str or type(name) is not str:
            _check_is_text(name, value)
        # Blanks around a value are not part of it (RFC 9110 §5.5), and some servers refuse them.
        if value.isascii() and value.isprintable():  # true of most values, and cheaper than the pattern
            header = _encode_name(name), value.strip(" ").encode()
            raw.append(header)
            if len(value) < _LONGEST_CACHED and header[0] not in _UNCACHED and type(value) is type(name) is str:
                if len(_encoded_headers) >= _MAX_CACHED:
                    _encoded_headers.clear()
                _encoded_headers[name, value] = header
        elif _FIELD_VALUE.fullmatch(value):
            raw.append((_encode_name(name), value.strip(" \t").encode("latin-1")))
        else:
            raise ResponseError(f"Header {name!r} has a control character or text outside latin-1 in its value")
    return raw


def recall_encoded_headers(headers: Iterable[object]) -> RawHeaders | None:
    """Return `encode_headers(headers)` if all of `headers` are cached, as most are, and None otherwise.

    Cached headers do not describe the content. Raises whatever the hash of an item that is not a header raises.
    """
    raw: RawHeaders = []
    for item in headers:
        header = _encoded_headers.get(item)
        if header is None:
            return None
        raw.append(header)
    return raw


def _unpack_pair(item: object) -> tuple[Any, Any]:
    if not isinstance(item, (tuple, list)) or len(item) != 2:
        raise ResponseError(f"A header must be a (name, value) pair of text, not a {type(item).__name__}")
    return item[0], item[1]


def _check_is_text(name: object, value: object) -> None:
    if not isinstance(name, str) or not isinstance(value, str):
        types = f"({type(name).__name__}, {type(value).__name__})"
        raise ResponseError(f"Header {name!r} is {types}, not (str, str): use str(value)")


def remove_headers(headers: RawHeaders, names: frozenset[bytes]) -> RawHeaders:
    """Return `headers` without those that have one of `names`."""
    return [header for header in headers if header[0] not in names]


def add_missing_headers(headers: RawHeaders, defaults: RawHeaders) -> RawHeaders:
    """Return `headers`, preceded by those of `defaults` whose names they lack."""
    named = {name for name, _ in headers}
    return [header for header in defaults if header[0] not in named] + headers


def has_no_content_headers(headers: RawHeaders) -> bool:
    """Return True if none of `headers` describes the content, which is so for most responses."""
    for name, _ in headers:  # noqa: SIM110  # for three headers, 0.4 µs less than `all` with a generator
        if name in CONTENT:
            return False
    return True


def add_content_headers(headers: RawHeaders, content_type: bytes | None, length: int) -> RawHeaders:
    """Return `headers` for content of `length` bytes. `content_type` counts if they have no Content-Type."""
    raw: RawHeaders = [(b"content-length", b"%d" % length)]
    for header in headers:
        name = header[0]
        if name not in FRAMING:
            raw.append(header)
            if name == b"content-type":
                content_type = None
    if content_type is not None:
        raw.append((b"content-type", content_type))
    return raw
