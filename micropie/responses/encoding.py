"""This module encodes a value that a handler returned or yielded as the bytes that are sent.

Text and bytes are sent as they are, and everything else as JSON. That is what msgspec can encode, and a few types more.
This module does not look at statuses or headers, and sends nothing.
"""

from collections.abc import Callable, Mapping
from enum import Enum
from types import CoroutineType
from typing import Any, Final

import msgspec

from ..errors import ResponseError

HTML: Final = b"text/html; charset=utf-8"
JSON: Final = b"application/json"

BINARY: Final = (bytes, bytearray, memoryview)
"""The types that are sent as the bytes they hold."""

# msgspec encodes subclasses of `dict` and `list`, but not those of the other types, such as `Markup` (a `str`), nor
# other mappings, such as `CaseInsensitiveDict`. Each has the same JSON as its base.
_BASES: Final[dict[type, Callable[[Any], object]]] = {
    str: str,
    int: int,
    float: float,
    bytes: bytes,
    Mapping: dict,
}


def build_await_error(value: object) -> ResponseError:
    """Return the error for a result that holds `value`, which must be awaited. A coroutine is closed."""
    name = getattr(value, "__qualname__", type(value).__qualname__)
    if isinstance(value, CoroutineType):
        value.close()  # else Python warns about it, too
    return ResponseError(
        f"await is missing: the result holds a {type(value).__qualname__} of {name}. "
        f"Write `await {name.rpartition('.')[2]}(…)`, in an `async def` handler"
    )


def _convert_to_base(value: object) -> object:
    """Convert a value that msgspec cannot encode into one that it can, as its `enc_hook`."""
    for base, convert in _BASES.items():
        if isinstance(value, base):
            return convert(value)
    if hasattr(value, "__await__"):
        raise build_await_error(value)
    raise ResponseError(
        f"{type(value).__module__}.{type(value).__qualname__} cannot be sent: return text, bytes, a generator, "
        "a pathlib.Path, or JSON data (dict, list, dataclass, msgspec.Struct, TypedDict, NamedTuple, attrs class)"
    )


write_json = msgspec.json.Encoder(enc_hook=_convert_to_base).encode
"""Encode a value as JSON, with whatever errors msgspec raises. After one, call `encode_json` for an error to report."""


def encode_json(value: object) -> bytes:
    """Encode `value` as JSON. Raises ResponseError, which names the type, if it is not data."""
    try:
        return write_json(value)
    except ResponseError:
        raise
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        # The causes: keys that are not text, lone surrogates, a structure that contains itself.
        raise ResponseError(f"{type(value).__qualname__} cannot be sent as JSON: {error}") from error


def encode_text(text: str) -> bytes:
    """Encode `text` as UTF-8. Raises ResponseError for a lone surrogate, which has no encoding."""
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise ResponseError(f"The text cannot be sent as UTF-8: {error.reason} at {error.start}") from error


def encode_body(body: object) -> tuple[bytes, bytes | None]:
    """Encode `body` as (payload, Content-Type): text and bytes are HTML, None is nothing, and the rest is JSON.

    An Enum member is data even if it is also a `str`. Raises ResponseError, which names the type, for other than data.
    """
    if body is None:
        return b"", None
    if isinstance(body, str) and not isinstance(body, Enum):
        return encode_text(body), HTML
    if isinstance(body, BINARY):
        return bytes(body), HTML
    return encode_json(body), JSON
