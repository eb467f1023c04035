"""Response headers: the text that handlers and middleware write, as the bytes that go over the wire.

It owns what may be a header at all, so that nothing a user typed can end one header and begin another. It knows nothing
of what any header means, except for the few that describe the content and are therefore ours to decide.
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
"""The server's alone to decide (RFC 9112 §6.1)."""
FRAMING: Final = TRANSFER | {b"content-length"}
"""How long the content is: decided by what is sent, where that is known, not by what a handler wrote."""
CONTENT: Final = FRAMING | {b"content-type"}
"""What describes content, and is out of place where there is none."""

VARY: Final = (("Vary", "Cookie"),)
"""What a response says that came of a session (RFC 9110 §12.5.5)."""


@lru_cache(maxsize=512)
def _raw_name(name: str) -> bytes:
    if not _TOKEN.fullmatch(name):
        raise ResponseError(f"{name!r} is not a header name: use letters, digits and hyphens, as in 'X-Request-Id'")
    return name.lower().encode("ascii")


_MOST_REMEMBERED: Final = 1024
_LONGEST_REMEMBERED: Final = 100
_remembered: Final[dict[object, tuple[bytes, bytes]]] = {}
"""What `encode_headers` made of a header, by name and value: most are the same in all responses."""
_FORGOTTEN: Final = CONTENT | {b"set-cookie", b"location", b"etag", b"last-modified"}
"""Not remembered: what describes the content, and what differs from response to response anyway, or is secret."""


def encode_headers(headers: Iterable[object]) -> RawHeaders:
    """`headers` as ASGI wants them: a new list, names in lower case, repeated headers (`Set-Cookie`) kept apart.

    Raises ResponseError for a name that is no token, and for a value that is not text, is not latin-1 or has a
    control character in it (RFC 9110 §5.5). The message names the header and never shows the value.
    """
    raw: RawHeaders = []
    for item in headers:
        name, value = item if type(item) is tuple and len(item) == 2 else _pair(item)
        if type(value) is not str or type(name) is not str:
            _refuse_other_than_text(name, value)
        # Blanks around a value are not part of it (RFC 9110 §5.5), and some servers refuse them.
        if value.isascii() and value.isprintable():  # as most are
            header = _raw_name(name), value.strip(" ").encode()
            raw.append(header)
            if len(value) < _LONGEST_REMEMBERED and header[0] not in _FORGOTTEN and type(value) is type(name) is str:
                if len(_remembered) >= _MOST_REMEMBERED:
                    _remembered.clear()
                _remembered[name, value] = header
        elif _FIELD_VALUE.fullmatch(value):
            raw.append((_raw_name(name), value.strip(" \t").encode("latin-1")))
        else:
            raise ResponseError(f"Header {name!r} has a control character or text outside latin-1 in its value")
    return raw


def recall_encoded_headers(headers: Iterable[object]) -> RawHeaders | None:
    """`encode_headers(headers)` if all of them were met before and say nothing of the content, as most do; else None.

    Raises whatever the hash of one that is no header does.
    """
    raw: RawHeaders = []
    for item in headers:
        header = _remembered.get(item)
        if header is None:
            return None
        raw.append(header)
    return raw


def _pair(item: object) -> tuple[Any, Any]:
    if not isinstance(item, (tuple, list)) or len(item) != 2:
        raise ResponseError(f"Headers are (name, value) pairs of text, and one is a {type(item).__name__}")
    return item[0], item[1]


def _refuse_other_than_text(name: object, value: object) -> None:
    if not isinstance(name, str) or not isinstance(value, str):
        found = f"({type(name).__name__}, {type(value).__name__})"
        raise ResponseError(f"Header {name!r} is {found}, not (str, str): use str(value)")


def remove_headers(headers: RawHeaders, names: frozenset[bytes]) -> RawHeaders:
    """`headers` less those called one of `names`."""
    return [header for header in headers if header[0] not in names]


def add_missing_headers(headers: RawHeaders, defaults: RawHeaders) -> RawHeaders:
    """`headers`, preceded by those of `defaults` that they do not name."""
    named = {name for name, _ in headers}
    return [header for header in defaults if header[0] not in named] + headers


def is_silent_on_content(headers: RawHeaders) -> bool:
    """Whether `headers` say nothing of the content, as most do."""
    for name, _ in headers:  # noqa: SIM110  # a generator for `all` costs more than the whole look
        if name in CONTENT:
            return False
    return True


def add_content_headers(headers: RawHeaders, content_type: bytes | None, length: int) -> RawHeaders:
    """`headers` for content of `length` bytes, which is of `content_type` if they do not say otherwise."""
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
