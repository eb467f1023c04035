"""To be described."""

import re
from collections.abc import Mapping

from .._utils.lazy_imports import lazy_pattern
from ..errors import HTTPError
from .etags import Validators, parse_http_date

# RFC 9110 §14.1.2, one range only. 18 digits are more than any file has, and few enough to convert.
_BYTE_RANGE = lazy_pattern(rb"bytes=[ \t]*(\d{0,18})-(\d{0,18})[ \t]*", re.IGNORECASE)


def select_range(fields: Mapping[bytes, bytes], current: Validators, size: int) -> range | None:
    """The one range of bytes that is asked for; None for the whole (RFC 9110 §14.2).

    The whole answers a request without `Range`, one whose `Range` is malformed or has several ranges, and one whose
    `If-Range` names another state (§13.1.5).

    Raises HTTPError 416 for a range with nothing in it.
    """
    asked = _BYTE_RANGE.fullmatch(fields.get(b"range", b"").strip())
    if asked is None or not _is_current(fields.get(b"if-range"), current):
        return None
    first, last = asked.groups()
    if not first and not last:
        return None
    if not first:
        return _suffix(int(last), size)
    start = int(first)
    if last and int(last) < start:
        return None
    if start >= size:
        raise _unsatisfiable(size)
    return range(start, min(int(last) + 1, size) if last else size)


def _suffix(length: int, size: int) -> range | None:
    if not length:
        raise _unsatisfiable(size)
    return range(max(size - length, 0), size) if size else None  # the end of nothing has no Content-Range: all of it


def _is_current(if_range: bytes | None, current: Validators) -> bool:
    if if_range is None:
        return True
    if if_range.endswith(b'"'):
        return if_range == current.etag and not if_range.startswith(b"W/")
    return parse_http_date(if_range) == current.modified


def _unsatisfiable(size: int) -> HTTPError:
    return HTTPError(416, headers=[("Content-Range", f"bytes */{size}")])
