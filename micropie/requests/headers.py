"""This module reads the header fields of a request: all of them by name, and the two that announce a body."""

import sys
from typing import Final, TypeVar, overload

from .._utils.caching import BoundedCache
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
