"""Every exception that micropie raises, and how one becomes an answer.

Where an error is (`in` and `parameter`, or a JSON pointer) is data; the two renderings at the end turn that
data into the documented plain text and into RFC 9457 problem details. No value that was sent is ever part of it.
"""

from collections.abc import Sequence
from contextvars import ContextVar
from functools import lru_cache
from typing import Final, Literal, TypeAlias

import msgspec

from ._utils.lazy_imports import http
from .types import HeaderItems

Source: TypeAlias = Literal["path", "query", "form", "body", "header", "cookie", "session", "file"]
"""Where a value comes from. All but `form`, `body`, `session` and `file` are OpenAPI's own `in`."""


@lru_cache(maxsize=256)
def reason_phrase(status: int) -> str:
    """The reason phrase of `status` (RFC 9110 §15), or `"Unknown"` for a status without a registered one."""
    try:
        return http.HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


class HTTPError(Exception):
    """Raise it anywhere to answer with `status`.

    `detail` is shown to the client; `headers` are added to the answer. Raises ValueError unless `status` is one of
    the error classes, 400 to 599 (RFC 9110 §15.5, §15.6).
    """

    def __init__(self, status: int, detail: str = "", headers: HeaderItems = ()) -> None:
        if not 400 <= status <= 599:
            raise ValueError(f"HTTPError is for 400 to 599, not {status}: return (status, body) instead")
        super().__init__(status, detail)
        self.status = status
        self.detail = detail
        self.headers = list(headers)

    def __str__(self) -> str:
        heading = f"{self.status} {reason_phrase(self.status)}"
        return f"{heading}: {self.detail}" if self.detail else heading


_MISSING: Final = "Missing required parameter"


def missing_parameter_detail(name: str) -> str:
    """The documented detail for a parameter that is not there."""
    return f"{_MISSING} '{name}'"


class Invalid(msgspec.Struct, frozen=True, omit_defaults=True, rename={"source": "in"}):
    """One thing wrong with a request: what, and where.

    Either `source` and `parameter` say where, or `pointer` does (RFC 6901, into the JSON body). Without a parameter
    it is the whole source. Encoded it is a member of the problem's `errors`.
    """

    detail: str
    source: Source | None = None
    parameter: str | None = None
    pointer: str | None = None

    def line(self) -> str:
        """The error as one line of the plain-text answer."""
        if self.detail.startswith(_MISSING):  # it says which
            return self.detail
        if self.pointer:
            return f"Invalid value at '{self.pointer}': {self.detail}"
        if self.parameter is None:
            return self.detail
        return f"Invalid {self.source} parameter '{self.parameter}': {self.detail}"

    def problem(self) -> dict[str, str]:
        """The error as a member of the problem's `errors`."""
        member: dict[str, str] = msgspec.to_builtins(self)
        return member


class BadRequest(HTTPError):
    """The request does not fit the handler's signature: 400, with every error at once in `errors`."""

    def __init__(self, errors: Sequence[Invalid]) -> None:
        super().__init__(400, "; ".join(error.line() for error in errors))
        self.errors = list(errors)


class UploadError(HTTPError):
    """An upload ended before its end: truncated, malformed, over a limit, stalled, or the client left.

    Raised by every way of reading an upload. Left alone it is the answer: 400, 408, 413 or 415.
    """


class ClientDisconnected(Exception):
    """The client left before its request was whole. There is nobody to answer; the handler does not run."""


class ResponseError(TypeError):
    """What a handler returned cannot be sent, or does not fit its return annotation. Answered 500, and logged."""


class MissingDependency(ImportError):
    """An optional package is needed and not installed. The message names the command that installs it."""

    def __init__(self, package: str, purpose: str, extra: str) -> None:
        install = f"pip install 'micropie[{extra}]'"
        super().__init__(f"{purpose} needs {package}, which is not installed. Install it with: {install}")
        self.name = package


class SetupProblem(msgspec.Struct, frozen=True):
    """One handler that cannot work: where it stands, what is wrong with it, and how to mend it."""

    where: str
    """`Class.method`, with `(parameter: annotation)` where one parameter is to blame."""
    what: str
    remedy: str
    file: str | None = None
    line: int | None = None

    def __str__(self) -> str:
        place = f"\n    at {self.file}:{self.line}" if self.file else ""
        return f"{self.where}: {self.what}\n    {self.remedy}{place}"


class SetupError(Exception):
    """The app cannot be built. `problems` holds every bad handler, each with its remedy."""

    def __init__(self, problems: Sequence[SetupProblem]) -> None:
        self.problems = list(problems)
        count = len(self.problems)
        heading = "1 handler cannot work" if count == 1 else f"{count} problems in the app's handlers"
        super().__init__(heading + ":\n\n" + "\n\n".join(str(problem) for problem in self.problems))


collected_setup_problems: Final[ContextVar[list[SetupProblem] | None]] = ContextVar("micropie.setup", default=None)
"""Where the apps that are being built leave their problems. None, the default, lets each app raise its own."""


def report_setup_problems(problems: Sequence[SetupProblem]) -> None:
    """Raise SetupError if there are `problems`, or add them to `collected_setup_problems` where that is set."""
    if not problems:
        return
    collected = collected_setup_problems.get()
    if collected is None:
        raise SetupError(problems)
    collected.extend(problems)
