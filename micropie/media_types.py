"""To be described."""

from collections.abc import Mapping
from enum import Enum, auto
from typing import Final


class Media(Enum):
    """What kind of body came."""

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
    """The kind of body that a Content-Type announces; JSON is also whatever ends in `+json` (RFC 6839 §3.1)."""
    known = _MEDIA.get(content_type)
    if known is not None:
        return known
    essence = content_type.partition(";")[0].strip().lower()
    known = _MEDIA.get(essence)
    if known is not None:
        return known
    return Media.JSON if essence.endswith("+json") and "/" in essence else Media.OTHER


JSON_LINES_TYPES: Final = frozenset(
    f"application/{name}" for name in ("jsonl", "jsonlines", "json-lines", "x-jsonlines", "x-ndjson", "ndjson")
)
"""The names by which JSON Lines go: none is registered, the first is what jsonlines.org proposes."""
