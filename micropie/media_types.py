"""This module names the media types of request bodies, and reads the one that a Content-Type announces."""

from collections.abc import Mapping
from enum import Enum, auto
from typing import Final


class Media(Enum):
    """The kind of a request body."""

    NONE = auto()
    JSON = auto()
    FORM = auto()
    MULTIPART = auto()
    OTHER = auto()


_MEDIA: Final[Mapping[str, Media]] = {
    "application/json": Media.JSON,
    "application/x-www-form-urlencoded": Media.FORM,
    "multipart/form-data": Media.MULTIPART,
}


def parse_content_type(content_type: str) -> Media:
    """Return the kind of body that a Content-Type announces. A type that ends in `+json` is JSON (RFC 6839 §3.1)."""
    media = _MEDIA.get(content_type)
    if media is not None:
        return media
    essence = content_type.partition(";")[0].strip().lower()
    media = _MEDIA.get(essence)
    if media is not None:
        return media
    return Media.JSON if essence.endswith("+json") and "/" in essence else Media.OTHER


JSON_LINES_TYPES: Final = frozenset(
    f"application/{name}" for name in ("jsonl", "jsonlines", "json-lines", "x-jsonlines", "x-ndjson", "ndjson")
)
"""The media types that clients use for JSON Lines. None is registered; jsonlines.org proposes the first."""
