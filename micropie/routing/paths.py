"""To be described."""

from collections.abc import Sequence
from typing import Final

from .._utils.lazy_imports import urls
from ..errors import HTTPError
from ..types import Scope

PERCENT: Final = ord("%")
"""As a number: Python finds a byte in bytes at once, where for `b"%" in` it first fails to read that as a number."""


def decode_segment(segment: bytes) -> str:
    """A path segment, percent-decoded. Raises HTTPError 400 for what is no UTF-8 or holds NUL."""
    try:
        text = urls.unquote(segment.decode("utf-8"), errors="strict")
    except ValueError:
        raise HTTPError(400, "The path is not valid UTF-8 text") from None
    if "\0" in text:
        raise HTTPError(400, "The path holds a NUL")
    return text


def split_path(scope: Scope) -> list[str]:
    """The path's segments below `root_path`, percent-decoded each by itself, so that `a%2Fb` stays one segment.

    One trailing slash is ignored. Raises HTTPError 404 for a path without a leading slash, and 400 for one that is no
    UTF-8 or holds NUL.
    """
    path: str = scope["path"]
    raw: bytes | None = scope.get("raw_path")
    segments = None
    if raw is not None and PERCENT in raw:
        segments = [decode_segment(segment) for segment in raw.partition(b"?")[0].split(b"/")]
    if segments is None or "/".join(segments) != path:  # who changes only `path` on the way here means that one
        segments = split_plain_path(path)
    else:
        segments = _between_slashes(segments)
    root: str = scope.get("root_path", "")
    return _below(root, segments) if root and root != "/" else segments


def split_plain_path(path: str) -> list[str]:
    """The segments of a decoded path."""
    if "\0" in path or (not path.isascii() and "\ufffd" in path):
        raise HTTPError(400, "The path is not valid UTF-8 text")
    return _between_slashes(path.split("/"))


def _between_slashes(parts: list[str]) -> list[str]:
    """The segments of a path, whose `parts` begin before its leading slash and end after a trailing one."""
    if parts[0]:
        raise HTTPError(404)
    return parts[1:-1] if not parts[-1] else parts[1:]


def split_prefix(scope: Scope, below: Sequence[str]) -> list[str]:
    """The path's segments before those that are `below` something found at it."""
    whole = split_path(scope)
    return whole[: len(whole) - len(below)]


def _below(root: str, segments: list[str]) -> list[str]:
    """`segments` without those of `root`. A server that strips the root itself (not ASGI's way) is understood too."""
    prefix = root.strip("/").split("/")
    return segments[len(prefix) :] if segments[: len(prefix)] == prefix else segments
