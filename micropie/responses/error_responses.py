"""This module turns an error into a response: the documented plain text, or RFC 9457 problem details.

`build_error_response` alone decides between the two, by the request's `Content-Type` and `Accept`. The module does not
decide what is logged, and it does not send anything.
"""

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, Final, TypeAlias

import msgspec

from .._utils.lazy_imports import lazy_pattern
from ..errors import BadRequest, HTTPError, reason_phrase
from ..media_types import JSON_LINES_TYPES, Media, parse_content_type
from .handler_results import Reply

_QVALUE = lazy_pattern(r"0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?")  # RFC 9110 §12.4.2

_Preference: TypeAlias = tuple[float, int]
"""The quality of a kind of content, and the rank of the range that names it: itself 2, its family 1, `*/*` 0."""
_UNWANTED: Final[_Preference] = (0.0, 0)

_LONGEST_CACHED: Final = 256
"""Characters of both fields together up to which a decision is cached. Clients send few different ones, all shorter."""


def build_error_response(error: HTTPError, content_type: str, accept: str) -> Reply:
    """Return the response to `error`, for a request with these `Content-Type` and `Accept` fields.

    It is problem details if the client sent JSON or JSON Lines, or if it prefers JSON of any kind to text
    (RFC 9110 §12.5.1). At equal quality, a kind that is named wins over one that a wildcard covers, and then plain text
    wins. The error's own headers are sent, except for `Content-Type`.
    """
    is_short = len(content_type) + len(accept) <= _LONGEST_CACHED
    as_problem = (_prefers_problem_cached if is_short else _prefers_problem)(content_type, accept)
    is_bare = type(error) is HTTPError and not error.detail
    payload = _render_bare(error.status, as_problem) if is_bare else _render(error, as_problem)
    media_type = "application/problem+json" if as_problem else "text/plain; charset=utf-8"
    headers = [(name, value) for name, value in error.headers if name.lower() != "content-type"]
    return error.status, payload, [("Content-Type", media_type), *headers]


def render_plain_text(error: HTTPError) -> str:
    """Return `error` in the documented plain-text format, with one line for each fault."""
    heading = f"{error.status} {reason_phrase(error.status)}"
    if isinstance(error, BadRequest):
        return "\n".join(f"{heading}: {invalid.line()}" for invalid in error.errors)
    return f"{heading}: {error.detail}" if error.detail else heading


_encode = msgspec.json.Encoder().encode


def render_problem_json(error: HTTPError) -> bytes:
    """Return `error` as an RFC 9457 `application/problem+json` document."""
    document: dict[str, Any] = {"type": "about:blank", "title": reason_phrase(error.status), "status": error.status}
    if error.detail:
        document["detail"] = error.detail
    if isinstance(error, BadRequest):
        document["errors"] = [invalid.problem() for invalid in error.errors]
    return _encode(document)


def _render(error: HTTPError, as_problem: bool) -> bytes:
    return render_problem_json(error) if as_problem else render_plain_text(error).encode(errors="replace")


@lru_cache(maxsize=512)
def _render_bare(status: int, as_problem: bool) -> bytes:
    """Return the payload of an error that consists of its status alone, as most 404 and 405 do."""
    return _render(HTTPError(status), as_problem)


def _prefers_problem(content_type: str, accept: str) -> bool:
    if _is_json(content_type) or content_type.partition(";")[0].strip().lower() in JSON_LINES_TYPES:
        return True  # a client that sent JSON need not say that it accepts JSON
    ranges = list(_parse_accept(accept))
    return _find_preference(ranges, _is_json, "application/*") > _find_preference(ranges, _is_text, "text/*")


_prefers_problem_cached = lru_cache(maxsize=256)(_prefers_problem)


def _is_json(media_type: str) -> bool:
    return parse_content_type(media_type) is Media.JSON


def _is_text(media_type: str) -> bool:
    return media_type in ("text/plain", "text/html")


def _parse_accept(accept: str) -> Iterator[tuple[str, float]]:
    """Yield the media ranges of an `Accept` field with their qualities. A range with a malformed quality is skipped."""
    for item in accept.split(","):
        media_range, *parameters = (part.strip().lower() for part in item.split(";"))
        quality = next((parameter for parameter in parameters if parameter.startswith("q=")), "q=1").removeprefix("q=")
        if _QVALUE.fullmatch(quality):
            yield media_range, float(quality)


def _find_preference(ranges: list[tuple[str, float]], is_kind: Callable[[str], bool], family: str) -> _Preference:
    """Return how much `ranges` prefer a kind of content: the most specific range that covers it decides."""
    for rank, covers in ((2, is_kind), (1, family.__eq__), (0, "*/*".__eq__)):
        qualities = [quality for media_range, quality in ranges if covers(media_range)]
        if qualities:
            return (max(qualities), rank) if max(qualities) else _UNWANTED
    return _UNWANTED
