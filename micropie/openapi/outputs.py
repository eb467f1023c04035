"""This module writes the responses of an operation: those that the return annotation promises, and errors.

The media types are those that `responses` sends: text is HTML unless a header says otherwise, structures are JSON, and
a generator of structures is JSON Lines. A handler without a return annotation promises nothing, so its success may have
any body.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec
from msgspec import inspect as mi

from ..binding.return_annotation import ANY_BODY, BodyKind, BodyShape, ResponseShape, ReturnAnnotation
from ..conversion.unwrap_annotated import UnsupportedTypeError, describe_annotation
from ..errors import reason_phrase
from ..responses.send import NO_CONTENT
from ..sentinels import UNSET
from .schemas import BINARY, Json, Schemas

HTML: Final = "text/html"
JSON: Final = "application/json"
EVENTS: Final = "text/event-stream"
LINES: Final = "application/jsonl"
ANYTHING: Final = "*/*"

_TEXTS: Final = frozenset((BodyKind.TEXT, BodyKind.BYTES))
_TEXT: Final[Json] = {"schema": {"type": "string"}}
_NO_CONTENT: Final = frozenset(map(str, NO_CONTENT))

PROBLEM: Final[Json] = {
    "title": "Problem",
    "description": "A problem document (RFC 9457). A client that sends or accepts JSON gets it; others get plain text.",
    "type": "object",
    "properties": {
        "type": {"type": "string", "format": "uri-reference", "default": "about:blank"},
        "title": {"type": "string", "description": "The name of the status."},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "All errors in one text."},
        "errors": {
            "type": "array",
            "description": "The errors in the request, one by one.",
            "items": {
                "type": "object",
                "properties": {
                    "detail": {"type": "string"},
                    "in": {"enum": ["path", "query", "form", "body", "header", "cookie", "session", "file"]},
                    "parameter": {"type": "string"},
                    "pointer": {"type": "string", "description": "The place of the error in the JSON body (RFC 6901)."},
                },
                "required": ["detail"],
            },
        },
    },
    "required": ["type", "title", "status"],
}

_REFUSALS: Final[Mapping[str, tuple[str, str]]] = {
    "400": ("BadRequest", "The request is not valid; the response lists every error"),
    "413": ("TooLarge", "The body or one of its parts is too large"),
    "415": ("UnsupportedMediaType", "The media type of the body is not supported"),
    "default": ("Error", "Any other response, such as an error that the handler raises"),
}
"""The responses that no signature names: for each status the name of its component, and its description."""


class Outputs(msgspec.Struct, frozen=True):
    """The responses that an operation promises."""

    statuses: dict[str, list[BodyShape]]
    """The bodies for each status, `default` for those that are not named. A status without a body has an empty list."""


def read_outputs(returns: ReturnAnnotation | None) -> Outputs:
    """Sort the bodies that `returns` promises by status. Without a return annotation a success may be anything."""
    if returns is None:
        return Outputs({"200": [ANY_BODY]})
    statuses: dict[str, list[BodyShape]] = {}
    for response in returns.responses:
        for body in response.bodies:
            for status in _list_statuses(response, body):
                bodies = statuses.setdefault(status, [])
                if body.kind is not BodyKind.NOTHING and status not in _NO_CONTENT:
                    bodies.append(body)
    return Outputs(statuses)


def _list_statuses(response: ResponseShape, body: BodyShape) -> list[str]:
    if response.statuses is None:
        return ["204" if body.kind is BodyKind.NOTHING else "200"]
    return [str(status) for status in response.statuses] or ["default"]


class Responses:
    """A writer of responses for the operations of one document."""

    def __init__(self, schemas: Schemas, problem: str | None) -> None:
        """Write errors as `problem`, a reference to a schema; None if the app chooses the format of its errors."""
        self._schemas = schemas
        self._problem: Json = {}
        if problem is not None:
            self._problem = {"application/problem+json": {"schema": {"$ref": problem}}}
            self._problem["text/plain"] = {"schema": {"type": "string"}}

    @property
    def components(self) -> dict[str, Json]:
        """The responses that operations refer to."""
        content = {"content": self._problem} if self._problem else {}
        return {name: {"description": description, **content} for name, description in _REFUSALS.values()}

    def write(self, outputs: Outputs, refusals: Mapping[str, bool], returns: str) -> Json:
        """Return the Responses Object: what the handler returns, what micropie refuses, and any other error.

        `refusals` says for 400, 413 and 415 whether the operation may be refused so. `returns` is the docstring's text
        about the result.
        """
        responses: Json = {}
        for status, bodies in outputs.statuses.items():
            responses[status] = self._write_response(_describe_status(status, returns), bodies)
            if any(body.kind is BodyKind.FILE for body in bodies):
                responses.setdefault("206", self._write_response("The part that the Range header asks for", bodies))
                responses.setdefault("304", {"description": reason_phrase(304)})
        for status, is_possible in {**refusals, "default": True}.items():
            if is_possible:
                responses[status] = self._add_refusal(responses.get(status), _REFUSALS[status][0])
        return dict(sorted(responses.items()))

    def _add_refusal(self, response: Json | None, name: str) -> Json:
        if response is None:
            return {"$ref": f"#/components/responses/{name}"}
        content = {**response.get("content", {}), **self._problem}
        return {**response, "content": content} if content else response

    def _write_response(self, description: str, bodies: list[BodyShape]) -> Json:
        media_types: dict[str, list[Json]] = {}
        for content in (content for body in bodies for content in _list_contents(body)):
            described = self._describe(content)
            descriptions = media_types.setdefault(content.media_type, [])
            if described not in descriptions:
                descriptions.append(described)
        response: Json = {"description": description}
        if media_types:
            response["content"] = {media_type: _merge(described) for media_type, described in media_types.items()}
        return response

    def _describe(self, content: "_Content") -> Json:
        info = _find_type(content)
        return content.described if info is None else {**content.described, content.keyword: self._schemas.json(info)}


def _describe_status(status: str, returns: str) -> str:
    if status == "default":
        return "A response with a status that the handler chooses, or an error"
    return returns if returns and status.startswith("2") else reason_phrase(int(status))


def _merge(described: list[Json]) -> Json:
    """Return one Media Type Object for a body that fits any of `described`."""
    if len(described) == 1:
        return described[0]
    schemas = [media_type["schema"] for media_type in described if "schema" in media_type]
    merged = {key: value for media_type in described for key, value in media_type.items() if key != "schema"}
    return {**merged, "schema": {"anyOf": schemas}} if len(schemas) == len(described) else merged


# --- the content of one body ----------------------------------------------------------------------------------------


class _Content(msgspec.Struct, frozen=True):
    """A media type that a body may have."""

    media_type: str
    described: Json
    """The Media Type Object without the schema of `annotation`."""
    annotation: Any = UNSET
    """The type whose schema the Media Type Object contains; UNSET if it contains none."""
    keyword: str = "schema"
    """The keyword for that schema."""


def _list_contents(body: BodyShape) -> Iterator[_Content]:
    """Yield the media types that `body` may have."""
    if body.kind in (BodyKind.STREAM, BodyKind.LIST_OR_STREAM):
        if body.kind is BodyKind.LIST_OR_STREAM:
            yield _Content(JSON, {"schema": {}}, body.json_annotation)
        yield _read_stream(body)
    elif body.kind is BodyKind.ANYTHING:
        yield _Content(ANYTHING, {})
    elif body.kind is BodyKind.FILE:
        yield _Content(ANYTHING, {"schema": BINARY})
    elif body.kind in _TEXTS:
        yield _Content(HTML, _TEXT, body.annotation if _is_literal(body) else UNSET)
    else:
        yield _Content(JSON, {"schema": {}}, body.annotation if body.kind is BodyKind.JSON else UNSET)


def _is_literal(body: BodyShape) -> bool:
    return body.kind is BodyKind.TEXT and body.cls is None


def _read_stream(body: BodyShape) -> _Content:
    """Return the content of a stream. To OpenAPI 3.1 it is a string; a keyword `x-…` has the schema of an item."""
    kinds = {item.kind for item in body.items}
    if BodyKind.ANYTHING in kinds:
        return _Content(ANYTHING, {})
    if not kinds.isdisjoint(_TEXTS):
        return _Content(HTML, _TEXT)
    event = next((item for item in body.items if item.kind is BodyKind.EVENT), None)
    if event is None:
        return _Content(LINES, _TEXT, body.item, "x-line")
    is_data = any(member.kind is BodyKind.JSON or _is_literal(member) for member in event.items)
    return _Content(EVENTS, _TEXT, event.item if is_data else UNSET, "x-event-data")


def find_types(outputs: Outputs) -> Iterator[mi.Type]:
    """Yield msgspec's description of each type that the responses refer to."""
    for bodies in outputs.statuses.values():
        for body in bodies:
            yield from (info for content in _list_contents(body) if (info := _find_type(content)) is not None)


def _find_type(content: _Content) -> mi.Type | None:
    """Return msgspec's description of a content's type; None if it has none, or if msgspec cannot describe it."""
    if content.annotation is UNSET:
        return None
    try:
        return describe_annotation(content.annotation)
    except UnsupportedTypeError:
        return None
