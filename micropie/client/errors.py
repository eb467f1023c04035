"""This module owns the errors of the client: what it raises for a response that the handler did not promise."""

from collections.abc import Mapping

import msgspec

from ..conversion.exceptions import CONVERSION_ERRORS
from ..errors import Invalid, Source, reason_phrase
from ..media_types import Media, parse_content_type


class CallError(Exception):
    """An error for a status that the handler's return annotation does not name.

    `title` and `detail` are those of a problem document (RFC 9457). `errors` are those of a 400: each says what was
    wrong with the request, and where. `body` is the body as it came.
    """

    def __init__(self, where: str, status: int, headers: Mapping[str, str], body: bytes) -> None:
        problem = _read_problem(status, headers.get("content-type", ""), body)
        self.status = status
        self.title: str = problem.title or reason_phrase(status)
        self.detail: str = problem.detail
        self.errors: list[Invalid] = [error.to_invalid() for error in problem.errors]
        self.headers = headers
        self.body = body
        hint = self.detail or (f"see {headers['location']}" if "location" in headers else "")
        super().__init__(f"{where}: {status} {self.title}" + (f": {hint}" if hint else ""))


class UnexpectedResponse(Exception):
    """An error for a response whose body does not fit the handler's return annotation."""


class _Error(msgspec.Struct):
    """An error in a problem document, as `errors.Invalid` writes it."""

    detail: str
    source: Source | None = msgspec.field(default=None, name="in")
    parameter: str | None = None
    pointer: str | None = None

    def to_invalid(self) -> Invalid:
        return Invalid(self.detail, self.source, self.parameter, self.pointer)


class _Problem(msgspec.Struct):
    """A problem document (RFC 9457 §3.1), with micropie's own member `errors`."""

    title: str = ""
    detail: str = ""
    errors: list[_Error] = []


def _read_problem(status: int, content_type: str, body: bytes) -> _Problem:
    """Read an error's body: a problem document, or plain text. Return an empty problem for anything else."""
    if parse_content_type(content_type) is Media.JSON:
        try:
            return msgspec.json.decode(body, type=_Problem)
        except CONVERSION_ERRORS:
            return _Problem()
    if content_type.partition(";")[0].strip().lower() != "text/plain":
        return _Problem()
    heading = f"{status} {reason_phrase(status)}"
    return _Problem(detail=body.decode(errors="replace").removeprefix(heading).removeprefix(": "))
