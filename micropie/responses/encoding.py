"""Values as bytes: what a handler returned or yielded, in the form in which it is sent.

Text and bytes are sent as they are, everything else as JSON. It knows what msgspec can encode and widens that a little;
it knows nothing of statuses, headers or ASGI.
"""

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, Final

import msgspec

from ..errors import ResponseError

HTML: Final = b"text/html; charset=utf-8"
JSON: Final = b"application/json"

BINARY: Final = (bytes, bytearray, memoryview)
"""The types that are sent as the bytes they hold."""

# msgspec encodes `dict` and `list` subclasses, but of these only the exact type; `Markup` and `CaseInsensitiveDict`
# are no less JSON than what they are made of.
_WIDENED: Final[dict[type, Callable[[Any], object]]] = {
    str: str,
    int: int,
    float: float,
    bytes: bytes,
    Mapping: dict,
}


def _widened(value: object) -> object:
    """msgspec's `enc_hook`: called for what it cannot encode."""
    for base, plain in _WIDENED.items():
        if isinstance(value, base):
            return plain(value)
    raise ResponseError(
        f"{type(value).__module__}.{type(value).__qualname__} cannot be sent: return text, bytes, a generator, "
        "a pathlib.Path, or JSON data (dict, list, dataclass, msgspec.Struct, TypedDict, NamedTuple, attrs class)"
    )


write_json = msgspec.json.Encoder(enc_hook=_widened).encode
"""A value as JSON, for who looks again with `encode_json` when it raises anything."""


def encode_json(value: object) -> bytes:
    """`value` as JSON. Raises ResponseError, naming the type, for what is not data."""
    try:
        return write_json(value)
    except ResponseError:
        raise
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        # Keys that are not text, lone surrogates, a structure that contains itself.
        raise ResponseError(f"{type(value).__qualname__} cannot be sent as JSON: {error}") from error


def encode_text(text: str) -> bytes:
    """`text` as UTF-8. Raises ResponseError for a lone surrogate, which has no encoding."""
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise ResponseError(f"The text cannot be sent as UTF-8: {error.reason} at {error.start}") from error


def encode(body: object) -> tuple[bytes, bytes | None]:
    """`body` as (payload, Content-Type): text and bytes are HTML, None is nothing at all, everything else is JSON.

    An Enum member is data even when it is also a `str`. Raises ResponseError, naming the type, for what is not data.
    """
    if body is None:
        return b"", None
    if isinstance(body, str) and not isinstance(body, Enum):
        return encode_text(body), HTML
    if isinstance(body, BINARY):
        return bytes(body), HTML
    return encode_json(body), JSON
