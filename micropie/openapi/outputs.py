"""A return annotation → responses: each status with what its body can be, and the errors that micropie itself answers.

The content types are those of `responses.py`: text is HTML unless a header says otherwise, structures are JSON, a
generator of structures is JSON Lines. A handler without a return annotation promises nothing, and nothing is made up.
"""

from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Generator,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from enum import Enum
from pathlib import Path
from types import NoneType
from typing import Any, Final, get_args, get_origin

import msgspec
from msgspec import inspect as mi

from ..binding.return_annotation import ReturnAnnotation
from ..conversion.unwrap_annotated import UnsupportedTypeError, describe_annotation, split_union, unwrap_annotated
from ..errors import reason_phrase
from ..responses.send import NO_CONTENT
from ..responses.server_sent_events import ServerSentEvent
from .schemas import BINARY, Json, Schemas

HTML: Final = "text/html"
JSON: Final = "application/json"
EVENTS: Final = "text/event-stream"
LINES: Final = "application/jsonl"
ANYTHING: Final = "*/*"

_STREAMS: Final = (AsyncGenerator, AsyncIterable, AsyncIterator, Generator, Iterator)
_TEXTS: Final = (str, bytes, bytearray, memoryview)

PROBLEM: Final[Json] = {
    "title": "Problem",
    "description": "What went wrong (RFC 9457), for callers that send JSON or ask for it.",
    "type": "object",
    "properties": {
        "type": {"type": "string", "format": "uri-reference", "default": "about:blank"},
        "title": {"type": "string", "description": "The status in words."},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "All that is wrong, in words."},
        "errors": {
            "type": "array",
            "description": "Each thing that is wrong with the request.",
            "items": {
                "type": "object",
                "properties": {
                    "detail": {"type": "string"},
                    "in": {"enum": ["path", "query", "form", "body", "header", "cookie", "session", "file"]},
                    "parameter": {"type": "string"},
                    "pointer": {"type": "string", "description": "Where in the JSON body (RFC 6901)."},
                },
                "required": ["detail"],
            },
        },
    },
    "required": ["type", "title", "status"],
}

_REFUSALS: Final[Mapping[str, tuple[str, str]]] = {
    "400": ("BadRequest", "The request does not fit: everything that is wrong with it"),
    "413": ("TooLarge", "The body, or a part of it, is too large"),
    "415": ("UnsupportedMediaType", "The body is of a kind that is not accepted here"),
    "default": ("Error", "Any other answer: what a handler raises is in no signature"),
}
"""The answers that are in no signature: the name of each as a component, and its description."""


class Outputs(msgspec.Struct, frozen=True):
    """What an operation answers: for each status (`default` for those not spelled out) what its body may be."""

    statuses: dict[str, list[Any]]
    """The annotations of the bodies, None left out, as it is no body; so a status that has none has no body."""


def read_outputs(returns: ReturnAnnotation | None) -> Outputs:
    """What `returns` promises. Without a promise a success may be anything."""
    found: dict[str, list[Any]] = {}
    if returns is None:
        return Outputs({"200": [Any]})
    for code, body in returns.statuses.items():
        found[str(code)] = [] if code in NO_CONTENT else [one for one in _members(body) if not _is_none(one)]
    for member in _members(returns.annotation):
        bodies, any_status = _body_of(member)
        for one in bodies:
            status = "default" if any_status else "204" if _is_none(one) else "200"
            found.setdefault(status, []).extend([] if _is_none(one) else [one])
    return Outputs(found)


def _is_none(annotation: Any) -> bool:
    return unwrap_annotated(annotation)[0] in (None, NoneType)


def _members(annotation: Any) -> list[Any]:
    """The members of a union. An `Iterable[T]` is two: what has it may return a list, or be a generator."""
    found: list[Any] = []
    for member in split_union(annotation):
        plain, _ = unwrap_annotated(member)
        item = get_args(plain)
        found += [list[item], Iterator[item]] if get_origin(plain) is Iterable else [member]  # type: ignore[valid-type]
    return found


def _body_of(member: Any) -> tuple[Sequence[Any], bool]:
    """What one member of a return annotation is as a body, and whether its status may be any.

    One that spells its statuses out is left to them.
    """
    plain, _ = unwrap_annotated(member)
    parts: tuple[Any, ...] = get_args(plain) if get_origin(plain) is tuple else ()
    if len(parts) not in (2, 3) or Ellipsis in parts:
        return [member], False
    status, _ = unwrap_annotated(parts[0])
    if status is int:
        return _members(parts[1]), True
    values = get_args(status)
    is_status = bool(values) and all(type(value) is int for value in values)
    return ([] if is_status else [member]), False


class Responses:
    """Writes the responses of the operations of one document."""

    def __init__(self, schemas: Schemas, problem: str | None) -> None:
        """`problem` refers to the schema of errors; None where the app answers them in a format of its own."""
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

    def of(self, outputs: Outputs, refusals: Mapping[str, bool], said: str) -> Json:
        """The responses: what the handler returns, `refusals` that may come before it runs, and any other error.

        `said` is what the docstring says of the result.
        """
        made: Json = {}
        for status, bodies in outputs.statuses.items():
            made[status] = self._response(_description(status, said), bodies)
            if any(_is_file(body) for body in bodies):
                made.setdefault("206", self._response("The part that was asked for with Range", bodies))
                made.setdefault("304", {"description": reason_phrase(304)})
        for status, may_be in {**refusals, "default": True}.items():
            if may_be:
                made[status] = self._with_refusal(made.get(status), _REFUSALS[status][0])
        return dict(sorted(made.items()))

    def _with_refusal(self, response: Json | None, name: str) -> Json:
        if response is None:
            return {"$ref": f"#/components/responses/{name}"}
        content = {**response.get("content", {}), **self._problem}
        return {**response, "content": content} if content else response

    def _response(self, description: str, bodies: list[Any]) -> Json:
        content: dict[str, list[Json]] = {}
        for body in bodies:
            media, described = self._content(body)
            known = content.setdefault(media, [])
            if described not in known:
                known.append(described)
        made: Json = {"description": description}
        if content:
            made["content"] = {media: _either(found) for media, found in content.items()}
        return made

    def _content(self, body: Any) -> tuple[str, Json]:
        """The media type of one kind of body, and its Media Type Object."""
        plain, _ = unwrap_annotated(body)
        kind = get_origin(plain) or plain
        if kind in _STREAMS:
            return self._stream(get_args(plain))
        if _is_file(body):
            return ANYTHING, {"schema": BINARY}
        if plain is Any or plain is object:
            return ANYTHING, {}
        if _is_text(kind):
            return HTML, {"schema": {"type": "string"}}
        info = body_info(body)
        return JSON, {"schema": self._schemas.json(info) if info is not None else {}}

    def _stream(self, arguments: tuple[Any, ...]) -> tuple[str, Json]:
        whole: Json = {"schema": {"type": "string"}}
        items = split_union(arguments[0]) if arguments else (Any,)
        kinds = [get_origin(unwrap_annotated(item)[0]) or unwrap_annotated(item)[0] for item in items]
        if any(kind in (Any, object) for kind in kinds):
            return ANYTHING, {}
        if any(_is_text(kind) for kind in kinds):
            return HTML, whole
        if ServerSentEvent in kinds:
            data = get_args(unwrap_annotated(items[0])[0])
            info = body_info(data[0]) if data else None
            return EVENTS, {**whole, **({"x-event-data": self._schemas.json(info)} if info is not None else {})}
        info = body_info(arguments[0])
        return LINES, {**whole, **({"x-line": self._schemas.json(info)} if info is not None else {})}


def _description(status: str, said: str) -> str:
    if status == "default":
        return "An answer with a status of the handler's choice, or an error"
    return said if said and status.startswith("2") else reason_phrase(int(status))


def infos_of(outputs: Outputs) -> Iterator[mi.Type]:
    """What the bodies are made of, as msgspec describes it."""
    for bodies in outputs.statuses.values():
        for body in bodies:
            plain, _ = unwrap_annotated(body)
            items = get_args(plain)[:1] if get_origin(plain) in _STREAMS else (body,)
            for item in items:
                inner = unwrap_annotated(item)[0]
                event = get_args(inner) if get_origin(inner) is ServerSentEvent else (item,)
                yield from (info for one in event if (info := body_info(one)) is not None)


def body_info(annotation: Any) -> mi.Type | None:
    """msgspec's description of what is sent as JSON; None for what is not, or cannot be described."""
    plain, _ = unwrap_annotated(annotation)
    kind = get_origin(plain) or plain
    if kind in (Any, object, ServerSentEvent, None, NoneType) or _is_text(kind) or _is_file(annotation):
        return None
    try:
        return describe_annotation(annotation)
    except UnsupportedTypeError:
        return None


def _is_text(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, _TEXTS) and not issubclass(kind, Enum)


def _is_file(annotation: Any) -> bool:
    plain, _ = unwrap_annotated(annotation)
    return isinstance(plain, type) and issubclass(plain, Path)


def _either(found: list[Json]) -> Json:
    """One Media Type Object for what may be any of `found`."""
    if len(found) == 1:
        return found[0]
    schemas = [one["schema"] for one in found if "schema" in one]
    merged = {key: value for one in found for key, value in one.items() if key != "schema"}
    return {**merged, "schema": {"anyOf": schemas}} if len(schemas) == len(found) else merged
