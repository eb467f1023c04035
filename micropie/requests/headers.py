"""This module reads the header fields of a request: all of them by name, and the two that announce a body."""

import sys
from typing import Final, TypeVar, overload

from .._utils.caching import BoundedCache
from .._utils.lazy_imports import lazy_pattern
from ..media_types import Media, parse_content_type

T = TypeVar("T")


class Headers(dict[str, str]):
    """Header fields by name, in any case; the values of a repeated one are joined by `", "` (RFC 9110 §5.3)."""

    def __getitem__(self, name: str) -> str:
        return super().__getitem__(name.lower())

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and super().__contains__(name.lower())

    # `dict.get` accepts any object as the key, but the name of a header is text.
    @overload
    def get(self, name: str, default: None = None, /) -> str | None: ...
    @overload
    def get(self, name: str, default: str, /) -> str: ...
    @overload
    def get(self, name: str, default: T, /) -> str | T: ...
    def get(self, name: str, default: object = None, /) -> object:  # ty: ignore[incompatible-method-override]
        """Return the value of `name`, or `default`."""
        return super().get(name.lower(), default)


_LIST_PART = lazy_pattern(r'"(?:[^"\\]|\\.)*"?|,|[^",]+')
"""RFC 9110 §5.6.1 and §5.6.4: a quoted string, even if it does not end; a comma; what is between them."""


def split_list_lines(lines: list[str]) -> list[str]:
    """Return the items of the `lines` of a header that holds a list (RFC 9110 §5.6.1), without empty ones.

    A comma in a quoted string separates nothing; the quotes are part of the item.
    """
    items: list[str] = []
    for line in lines:
        parts: list[str] = []
        for part in (*_LIST_PART.findall(line), ","):
            if part == ",":
                items.append("".join(parts).strip(" \t"))
                parts = []
            else:
                parts.append(part)
    return [item for item in items if item]


_MAX_DIGITS: Final = 19
"""Digits of the longest Content-Length that is read as a number: no client sends 10 exabytes."""
_MAX_CONTENT_TYPE: Final = 100
"""Bytes of the longest Content-Type that is cached."""


def _parse_media(content_type: bytes) -> Media:
    return parse_content_type(content_type.decode("latin-1"))


def _parse_length(digits: bytes) -> int:
    """Return the number in a Content-Length: 0 for other text, and more than any limit for one that is too long.

    `int` refuses numbers of some thousand digits.
    """
    if not digits.isdigit():
        return 0
    return int(digits) if len(digits) < _MAX_DIGITS else sys.maxsize


# Clients choose these values, so that only short ones are cached, and no Content-Type with a boundary, which differs
# from body to body.
media_by_content_type: Final = BoundedCache(
    _parse_media, keeps=lambda text, media: media is not Media.MULTIPART and len(text) < _MAX_CONTENT_TYPE
)
"""The kind of body that a Content-Type announces."""
length_by_digits: Final = BoundedCache(_parse_length, keeps=lambda digits, _: len(digits) < _MAX_DIGITS)
"""The bytes that a Content-Length announces."""
