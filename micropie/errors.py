"""This module defines the exceptions that micropie raises.

The place of an error in a request (`in` and `parameter`, or a JSON pointer) is data, from which
`responses/error_responses.py` renders plain text and RFC 9457 problem details. No error holds a value that the client
sent.
"""

from collections.abc import Sequence
from contextvars import ContextVar
from functools import lru_cache
from typing import Final, Literal, TypeAlias

import msgspec
from msgspec.structs import replace

from ._utils.lazy_imports import http
from .config import KIB, MAX_ERROR_RESPONSE
from .types import HeaderItems

Source: TypeAlias = Literal["path", "query", "form", "body", "header", "cookie", "session", "file"]
"""The part of a request that a value comes from. `path`, `query`, `header` and `cookie` are OpenAPI's `in`."""


@lru_cache(maxsize=256)
def reason_phrase(status: int) -> str:
    """Return the reason phrase of `status` (RFC 9110 §15), or `"Unknown"` for an unregistered status."""
    try:
        return http.HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


class HTTPError(Exception):
    """An error that becomes a response with `status`. Raise it anywhere while a request is handled.

    `detail` is shown to the client; `headers` are added to the response. Raises ValueError unless `status` is in one of
    the error classes, 400 to 599 (RFC 9110 §15.5, §15.6).
    """

    def __init__(self, status: int, detail: str = "", headers: HeaderItems = ()) -> None:
        if not 400 <= status <= 599:
            raise ValueError(f"An HTTPError's status must be 400 to 599, not {status}: return (status, body) instead")
        super().__init__(status, detail)
        self.status = status
        self.detail = detail
        self.headers = list(headers)

    def __str__(self) -> str:
        heading = f"{self.status} {reason_phrase(self.status)}"
        return f"{heading}: {self.detail}" if self.detail else heading


_MISSING: Final = "Missing required parameter"


def describe_missing_parameter(name: str) -> str:
    """Return the documented detail for a missing parameter."""
    return f"{_MISSING} '{name}'"


class Invalid(msgspec.Struct, frozen=True, omit_defaults=True, rename={"source": "in"}):
    """An error in one place of a request.

    The place is either `source` and `parameter`, or `pointer` (RFC 6901) into the JSON body. Without a parameter it is
    the whole source. Encoded as JSON it is a member of `errors` in RFC 9457 problem details.
    """

    detail: str
    source: Source | None = None
    parameter: str | None = None
    pointer: str | None = None

    def line(self) -> str:
        """Return the error as one line of the plain-text response."""
        if self.detail.startswith(_MISSING):  # which names the parameter
            return self.detail
        if self.pointer:
            return f"Invalid value at '{self.pointer}': {self.detail}"
        if self.parameter is None:
            return self.detail
        return f"Invalid {self.source} parameter '{self.parameter}': {self.detail}"

    def problem(self) -> dict[str, str]:
        """Return the error as a member of `errors` in problem details."""
        member: dict[str, str] = msgspec.to_builtins(self)
        return member


class MoreErrors(Invalid, frozen=True, kw_only=True):
    """The last entry of a list that leaves errors out: `"and 12 more errors"`."""

    count: int

    def problem(self) -> dict[str, str]:
        """Return the entry as a member of `errors` in problem details."""
        return {"detail": self.detail}


def make_more_errors(count: int, *, is_exact: bool = True) -> MoreErrors:
    """Return the entry for `count` errors that are not listed. There may be more of them unless `is_exact`."""
    noun = "error" if count == 1 else "errors"
    return MoreErrors(f"and {'' if is_exact else 'at least '}{count} more {noun}", count=count)


_MAX_ERRORS_BYTES: Final = MAX_ERROR_RESPONSE - KIB
"""Bytes of the errors in one response. The rest of `MAX_ERROR_RESPONSE` is for the text around them."""
_LONGEST_TEXT: Final = 2000
"""Characters of a detail or a pointer. JSON takes up to six bytes for each, and names both of an error twice."""
_LONGEST_NAME: Final = 100
"""Characters of a name that the client may have chosen."""


def shorten_name(name: str) -> str:
    """Return `name` if it is short, else its beginning and an ellipsis."""
    return _shorten(name, _LONGEST_NAME)


def _shorten(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[:longest]}…"


def limit_errors(errors: Sequence[Invalid]) -> list[Invalid]:
    """Return as many of `errors` as fit into `MAX_ERROR_RESPONSE` bytes, the first ones, with long texts cut.

    If some are left out, the last entry says how many.
    """
    if sum(_count_characters(error) for error in errors) <= _LONGEST_NAME:
        return list(errors)
    listed, bytes_left = list[Invalid](), _MAX_ERRORS_BYTES
    for index, error in enumerate(map(_shorten_error, errors)):
        bytes_left -= _measure_error(error)
        if bytes_left < 0:
            left_out = errors[index:]
            count = sum(error.count if isinstance(error, MoreErrors) else 1 for error in left_out)
            is_exact = not any(isinstance(error, MoreErrors) for error in left_out)
            return [*listed, make_more_errors(count, is_exact=is_exact)]
        listed.append(error)
    return listed


def _count_characters(error: Invalid) -> int:
    return len(error.detail) + len(error.pointer or "") + len(error.parameter or "")


def _shorten_error(error: Invalid) -> Invalid:
    return replace(
        error,
        detail=_shorten(error.detail, _LONGEST_TEXT),
        parameter=None if error.parameter is None else shorten_name(error.parameter),
        pointer=None if error.pointer is None else _shorten(error.pointer, _LONGEST_TEXT),
    )


def _measure_error(error: Invalid) -> int:
    """Return the bytes that `error` takes in problem details, as a member of `errors` and as a part of `detail`."""
    return len(msgspec.json.encode(error.problem())) + len(msgspec.json.encode(error.line())) + len(", ")


class BadRequest(HTTPError):
    """A request that does not fit the handler's signature: 400, with its errors in `errors`.

    `limit_errors` leaves out those that the response cannot hold.
    """

    def __init__(self, errors: Sequence[Invalid]) -> None:
        self.errors = limit_errors(errors)
        super().__init__(400, "; ".join(error.line() for error in self.errors))


class UploadError(HTTPError):
    """An upload that ended early: truncated, malformed, over a limit, stalled, or the client disconnected.

    Every way of reading an upload raises it. If the handler does not catch it, the response is 400, 408, 413 or 415.
    """


class ClientDisconnected(Exception):
    """A client that disconnected before its request was complete. The handler does not run, and no response is sent."""


class ResponseError(TypeError):
    """A handler's result that cannot be sent, or does not fit its return annotation. It is a logged 500."""


class MissingDependency(ImportError):
    """An optional package that is needed but not installed. The message names the command that installs it."""

    def __init__(self, package: str, purpose: str, extra: str) -> None:
        install = f"pip install 'micropie[{extra}]'"
        super().__init__(f"{purpose} needs {package}, which is not installed. Install it with: {install}")
        self.name = package


class SetupProblem(msgspec.Struct, frozen=True):
    """A handler that cannot work: where it is, what is wrong with it, and how to fix it."""

    where: str
    """`Class.method`, with `(parameter: annotation)` where a single parameter is at fault."""
    what: str
    remedy: str
    file: str | None = None
    line: int | None = None

    def __str__(self) -> str:
        place = f"\n    at {self.file}:{self.line}" if self.file else ""
        return f"{self.where}: {self.what}\n    {self.remedy}{place}"


class SetupError(Exception):
    """An app that cannot be built. `problems` holds every handler that cannot work, each with the fix."""

    def __init__(self, problems: Sequence[SetupProblem]) -> None:
        self.problems = list(problems)
        count = len(self.problems)
        heading = "1 handler cannot work" if count == 1 else f"{count} problems in the app's handlers"
        super().__init__(heading + ":\n\n" + "\n\n".join(str(problem) for problem in self.problems))


collected_setup_problems: Final[ContextVar[list[SetupProblem] | None]] = ContextVar("micropie.setup", default=None)
"""The list to which apps that are being built add their setup problems. If it is None, each app raises its own."""


def report_setup_problems(problems: Sequence[SetupProblem]) -> None:
    """Raise SetupError if there are `problems`, or add them to `collected_setup_problems` where that is set."""
    if not problems:
        return
    collected = collected_setup_problems.get()
    if collected is None:
        raise SetupError(problems)
    collected.extend(problems)
