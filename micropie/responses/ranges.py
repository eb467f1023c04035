"""This module selects the part of the content that a request's `Range` and `If-Range` ask for (RFC 9110 §14)."""

import re
from collections.abc import Mapping
from typing import Final

from .._utils.lazy_imports import lazy_pattern
from ..errors import HTTPError
from .etags import Validators, parse_http_date

# RFC 9110 §14.1.2, a single range only.
_BYTE_RANGE = lazy_pattern(rb"bytes=[ \t]*(\d*)-(\d*)[ \t]*", re.IGNORECASE)

_MAX_DIGITS: Final = 18
"""Digits of a position that are converted. No file is that large, and int() refuses thousands of digits."""


def select_range(fields: Mapping[bytes, bytes], current: Validators, size: int) -> range | None:
    """Return the range of bytes that the request asks for, or None for the whole content (RFC 9110 §14.2).

    The whole content is sent if there is no `Range`, if it is malformed or has several ranges, and if `If-Range` names
    another state than `current` (§13.1.5). Raises HTTPError 416 for a range that selects nothing.
    """
    byte_range = _BYTE_RANGE.fullmatch(fields.get(b"range", b"").strip())
    if byte_range is None or not _is_current(fields.get(b"if-range"), current):
        return None
    first, last = byte_range.groups()
    if not first and not last:
        return None
    if not first:
        return _select_suffix(_read_position(last), size)
    start = _read_position(first)
    if last and _read_position(last) < start:
        return None
    if start >= size:
        raise _build_unsatisfiable_error(size)
    return range(start, min(_read_position(last) + 1, size) if last else size)


def _read_position(digits: bytes) -> int:
    """Return the number that `digits` write, or another one that is larger than any file."""
    digits = digits.lstrip(b"0")
    return int(digits or b"0") if len(digits) <= _MAX_DIGITS else 10**_MAX_DIGITS


def _select_suffix(length: int, size: int) -> range | None:
    if not length:
        raise _build_unsatisfiable_error(size)
    return range(max(size - length, 0), size) if size else None  # no Content-Range can describe a part of no bytes


def _is_current(if_range: bytes | None, current: Validators) -> bool:
    if if_range is None:
        return True
    if if_range.endswith(b'"'):
        return if_range == current.etag and not if_range.startswith(b"W/")
    return parse_http_date(if_range) == current.modified


def _build_unsatisfiable_error(size: int) -> HTTPError:
    return HTTPError(416, headers=[("Content-Range", f"bytes */{size}")])
