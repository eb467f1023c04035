"""Errors as responses, and in which of their two forms: the documented plain text, or RFC 9457 problem details.

It reads `Content-Type` and `Accept`; it does not know what went wrong or how anything is sent.
"""

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, Final, TypeAlias

import msgspec

from .._utils.lazy_imports import lazy_pattern
from ..errors import BadRequest, HTTPError, reason_phrase
from ..media_types import JSON_LINES_TYPES

_QVALUE = lazy_pattern(r"0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?")  # RFC 9110 §12.4.2

# How much something is wanted, and by what: its own name (2), its family's (1), or `*/*` (0).
_Wish: TypeAlias = tuple[float, int]
_UNWANTED: Final[_Wish] = (0.0, 0)


_ORDINARY: Final = 256
"""Characters of both fields up to which the answer is remembered: clients send few, and none that is longer."""


def build_error_response(error: HTTPError, *, as_problem: bool) -> tuple[int, bytes, list[tuple[str, str]]]:
    """`error` as (status, payload, headers), the error's own headers among them."""
    is_bare = type(error) is HTTPError and not error.detail
    payload = _bare_payload(error.status, as_problem) if is_bare else _payload(error, as_problem)
    kind = "application/problem+json" if as_problem else "text/plain; charset=utf-8"
    own = [(name, value) for name, value in error.headers if name.lower() != "content-type"]
    return error.status, payload, [("Content-Type", kind), *own]


def _payload(error: HTTPError, as_problem: bool) -> bytes:
    return render_problem_json(error) if as_problem else render_plain_text(error).encode(errors="replace")


@lru_cache(maxsize=512)
def _bare_payload(status: int, as_problem: bool) -> bytes:
    """What is said of an error of which there is nothing to say but its status, as of most that are 404 or 405."""
    return _payload(HTTPError(status), as_problem)


def prefers_problem_json(content_type: str, accept: str) -> bool:
    """Whether a caller with these `Content-Type` and `Accept` fields is answered in problem details.

    It is when it sent JSON or JSON Lines, and when it wants JSON of any kind more than text (RFC 9110 §12.5.1). Of two
    wanted alike the one that is named wins over the one that a wildcard covers; then the documented plain text does.
    """
    is_ordinary = len(content_type) + len(accept) <= _ORDINARY
    return (_remembered if is_ordinary else _prefers_problem)(content_type, accept)


def _prefers_problem(content_type: str, accept: str) -> bool:
    sent = content_type.partition(";")[0].strip().lower()
    if _is_json(sent) or sent in JSON_LINES_TYPES:
        return True
    ranges = list(_media_ranges(accept))
    return _wish(ranges, _is_json, "application/*") > _wish(ranges, _is_text, "text/*")


_remembered = lru_cache(maxsize=256)(_prefers_problem)


def _is_json(kind: str) -> bool:
    return kind == "application/json" or ("/" in kind and kind.endswith("+json"))


def _is_text(kind: str) -> bool:
    return kind in ("text/plain", "text/html")


def _media_ranges(accept: str) -> Iterator[tuple[str, float]]:
    """The media ranges of an `Accept` field, each with its quality; one whose quality is malformed is left out."""
    for item in accept.split(","):
        kind, *parameters = (part.strip().lower() for part in item.split(";"))
        quality = next((value for value in parameters if value.startswith("q=")), "q=1").removeprefix("q=")
        if _QVALUE.fullmatch(quality):
            yield kind, float(quality)


def _wish(ranges: list[tuple[str, float]], is_meant: Callable[[str], bool], family: str) -> _Wish:
    """How much a kind of content is wanted: the most specific range that covers it decides."""
    for rank, covers in ((2, is_meant), (1, family.__eq__), (0, "*/*".__eq__)):
        qualities = [quality for kind, quality in ranges if covers(kind)]
        if qualities:
            return (max(qualities), rank) if max(qualities) else _UNWANTED
    return _UNWANTED


def render_plain_text(error: HTTPError) -> str:
    """`error` in the documented plain-text format, one line for each thing that is wrong."""
    heading = f"{error.status} {reason_phrase(error.status)}"
    if isinstance(error, BadRequest):
        return "\n".join(f"{heading}: {invalid.line()}" for invalid in error.errors)
    return f"{heading}: {error.detail}" if error.detail else heading


_encode = msgspec.json.Encoder().encode


def render_problem_json(error: HTTPError) -> bytes:
    """`error` as an RFC 9457 `application/problem+json` document."""
    document: dict[str, Any] = {"type": "about:blank", "title": reason_phrase(error.status), "status": error.status}
    if error.detail:
        document["detail"] = error.detail
    if isinstance(error, BadRequest):
        document["errors"] = error.errors
    return _encode(document)
