"""This module makes entity tags and modification times, and evaluates conditional requests (RFC 9110 §8.8, §13).

It decides from header fields, a time and a size alone. It opens no file and sends nothing.
"""

from collections.abc import Mapping
from datetime import UTC
from typing import Final

import msgspec

from .._utils.lazy_imports import email_utils, lazy_pattern
from ..types import RawHeaders, Scope

_FIELDS: Final = frozenset(
    (b"if-match", b"if-none-match", b"if-modified-since", b"if-unmodified-since", b"if-range", b"range")
)
_ENTITY_TAG = lazy_pattern(rb'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"')  # RFC 9110 §8.8.3; a tag may contain a comma


class Validators(msgspec.Struct, frozen=True):
    """The two values that tell one state of a resource from another (RFC 9110 §8.8)."""

    etag: bytes
    """The entity tag with its quotes; strong unless it begins with `W/`."""
    modified: int
    """The time of the last change, in whole seconds since 1970, which is the precision of an HTTP date."""

    def headers(self) -> RawHeaders:
        """Return the headers `ETag` and `Last-Modified`."""
        return [(b"etag", self.etag), (b"last-modified", format_http_date(self.modified).encode("ascii"))]


def build_file_validators(headers: RawHeaders, modified_ns: int, size: int) -> Validators:
    """Return the validators of a file: those in the handler's `headers`, else made from its time and size."""
    fields = dict(headers)
    modified = parse_http_date(fields.get(b"last-modified", b""))
    return Validators(
        etag=fields.get(b"etag", b'"%x-%x"' % (modified_ns, size)),
        modified=modified_ns // 10**9 if modified is None else modified,
    )


def format_http_date(seconds: int) -> str:
    """Return seconds since 1970 as an IMF-fixdate (RFC 9110 §5.6.7)."""
    return email_utils.formatdate(seconds, usegmt=True)


def parse_http_date(value: bytes) -> int | None:
    """Return an HTTP date in any of its three forms (RFC 9110 §5.6.7) as seconds since 1970, or None if malformed."""
    try:
        moment = email_utils.parsedate_to_datetime(value.decode("latin-1"))
        return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
    except (ValueError, TypeError, OverflowError, IndexError):  # all that `email` was seen to raise for malformed dates
        return None


def read_conditional_fields(scope: Scope) -> dict[bytes, bytes]:
    """Return the conditional and range fields of a request. Repeated fields are joined (RFC 9110 §5.3)."""
    fields: dict[bytes, bytes] = {}
    for name, value in scope["headers"]:
        if name in _FIELDS:
            fields[name] = fields[name] + b", " + value if name in fields else value
    return fields


def evaluate_preconditions(fields: Mapping[bytes, bytes], current: Validators) -> int | None:
    """Return 412 or 304 if the preconditions demand it, and None otherwise, in the order of RFC 9110 §13.2.2."""
    if b"if-match" in fields:
        if not _has_tag(fields[b"if-match"], current.etag, weak=False):
            return 412
    elif b"if-unmodified-since" in fields:
        since = parse_http_date(fields[b"if-unmodified-since"])
        if since is not None and current.modified > since:
            return 412
    if b"if-none-match" in fields:
        return 304 if _has_tag(fields[b"if-none-match"], current.etag, weak=True) else None
    since = parse_http_date(fields.get(b"if-modified-since", b""))
    return 304 if since is not None and current.modified <= since else None


def _has_tag(condition: bytes, etag: bytes, *, weak: bool) -> bool:
    """Return True if `condition`, a list of entity tags or `*`, names `etag` (RFC 9110 §8.8.3.2)."""
    if condition.strip() == b"*":
        return True
    tags = _ENTITY_TAG.findall(condition)
    if weak:
        return etag.removeprefix(b"W/") in {tag.removeprefix(b"W/") for tag in tags}
    return etag in tags and not etag.startswith(b"W/")
