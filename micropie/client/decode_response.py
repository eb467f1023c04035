"""An answer in, what the handler had returned out: by the same return annotation that the server checks results by.

It knows statuses, content types and bytes, and what an annotation says of them; it knows nothing of connections. What
an answer says that nobody promised is told by CallError, what it should have said and did not by UnexpectedResponse.
"""

import codecs
import re
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Mapping, Sequence
from typing import Any, Final, Union, get_origin

import msgspec

from ..binding.return_annotation import ANY_BODY, BodyKind, BodyShape, ResponseShape, ReturnAnnotation
from ..conversion.converter import Converter, get_converter
from ..conversion.exceptions import CONVERSION_ERRORS
from ..conversion.unwrap_annotated import UnsupportedTypeError, unwrap_annotated
from ..errors import Invalid, Source, reason_phrase
from ..media_types import Media, parse_content_type
from ..responses.server_sent_events import ServerSentEvent

_DATA: Final = frozenset((BodyKind.JSON, BodyKind.LIST_OR_STREAM, BodyKind.EVENT))
"""The kinds of bodies that are JSON."""
_PIECES: Final = frozenset((BodyKind.TEXT, BodyKind.BYTES, BodyKind.ANYTHING))
"""The kinds of items that a stream sends as they are."""
_JSON_LINES: Final = frozenset({"application/jsonl", "application/x-ndjson", "application/jsonlines"})
_NO_CONTENT: Final = frozenset({204, 205, 304})  # RFC 9110 §6.4.1
_LINE_END: Final = re.compile("\r\n|\r|\n")  # HTML §9.2.5


class CallError(Exception):
    """The server answered with a status that the handler's return annotation does not spell out.

    `errors` are those of a 400: what was wrong with the request, and where. `body` is the answer as it came.
    """

    def __init__(self, where: str, status: int, headers: Mapping[str, str], body: bytes) -> None:
        told = _problem(status, headers.get("content-type", ""), body)
        self.status = status
        self.title: str = told.title or reason_phrase(status)
        self.detail: str = told.detail
        self.errors: list[Invalid] = [one.invalid() for one in told.errors]
        self.headers = headers
        self.body = body
        what = self.detail or (f"see {headers['location']}" if "location" in headers else "")
        super().__init__(f"{where}: {status} {self.title}" + (f": {what}" if what else ""))


class UnexpectedResponse(Exception):
    """The server's answer is not what the handler's return annotation promises."""


class _Error(msgspec.Struct):
    """One of a problem's errors (`errors.Invalid.problem`)."""

    detail: str
    source: Source | None = msgspec.field(default=None, name="in")
    parameter: str | None = None
    pointer: str | None = None

    def invalid(self) -> Invalid:
        return Invalid(self.detail, self.source, self.parameter, self.pointer)


class _Problem(msgspec.Struct):
    """RFC 9457 §3.1, and our own `errors`."""

    title: str = ""
    detail: str = ""
    errors: list[_Error] = []


def _problem(status: int, content_type: str, body: bytes) -> _Problem:
    if parse_content_type(content_type) is Media.JSON:
        try:
            return msgspec.json.decode(body, type=_Problem)
        except CONVERSION_ERRORS:
            return _Problem()
    is_plain = _essence(content_type) == "text/plain"
    heading = f"{status} {reason_phrase(status)}"
    return _Problem(detail=body.decode(errors="replace").removeprefix(heading).removeprefix(": ") if is_plain else "")


ANY_RESPONSE: Final = ResponseShape(Any, (ANY_BODY,))
"""The shape of a response of which nothing is promised."""


def find_response(returns: ReturnAnnotation | None, status: int) -> ResponseShape | None:
    """Return the shape that `returns` promises for a response of `status`; None if it promises none.

    An error is promised only if a `Literal` names its status: otherwise it may as well come from the framework or from
    a proxy.
    """
    if returns is None:
        return ANY_RESPONSE
    if named := returns.list_responses(status):
        return _merge(named)
    if status >= 400:
        return None
    bare = [response for response in returns.responses if response.statuses is None]
    if bare and status < 300:
        return _merge(bare)
    return next((response for response in returns.responses if response.statuses == ()), None)


def _merge(responses: Sequence[ResponseShape]) -> ResponseShape:
    """Return the shape of what may be any of `responses`, which differ in their bodies alone."""
    if len(responses) == 1:
        return responses[0]
    bodies = tuple(body for response in responses for body in response.bodies)
    annotation: Any = Union[tuple(response.body for response in responses)]  # noqa: UP007  (built from a tuple)
    return msgspec.structs.replace(responses[0], body=annotation, bodies=bodies)


def assemble_result(shape: ResponseShape, status: int, body: object, headers: Sequence[tuple[str, str]]) -> object:
    """Return what the handler returned: the body, or a tuple with its status and headers."""
    if shape.statuses is None:
        return body
    if shape.headers is None:
        return status, body
    plain, _ = unwrap_annotated(shape.headers)
    cls = get_origin(plain) or plain
    is_mapping = isinstance(cls, type) and issubclass(cls, Mapping)
    return status, body, dict(headers) if is_mapping else list(headers)


def is_file(shape: ResponseShape, status: int, content_type: str) -> bool:
    """Return True if a response like that is a file: `shape` has a file, and no other body of it fits."""
    kinds = {body.kind for body in shape.bodies}
    is_data = not kinds.isdisjoint(_DATA) and parse_content_type(content_type) is Media.JSON
    return BodyKind.FILE in kinds and status not in _NO_CONTENT and not is_data


# --- one value ------------------------------------------------------------------------------------------------------


def read_body(bodies: Sequence[BodyShape], status: int, content_type: str, body: bytes) -> object:
    """Decode a body that is neither a stream nor a file as one of `bodies`. Raises UnexpectedResponse."""
    kinds = {shape.kind for shape in bodies}
    if BodyKind.ANYTHING in kinds:
        return _read_anything(status, content_type, body)
    is_nothing = status in _NO_CONTENT or not (body or content_type)
    if BodyKind.NOTHING in kinds and (is_nothing or len(kinds) == 1):
        return None
    texts = [shape.annotation for shape in bodies if shape.kind is BodyKind.TEXT]
    data = [shape.json_annotation for shape in bodies if shape.kind in _DATA]
    is_text = bool(texts) or BodyKind.BYTES in kinds
    if _is_json_lines(content_type):
        content_type, body = "application/json", b"[%s]" % b",".join(line for line in body.splitlines() if line.strip())
    is_json = parse_content_type(content_type) is Media.JSON
    if data and (is_json or not is_text):
        if not is_json:
            raise UnexpectedResponse(f"expected JSON, got {content_type or 'nothing'}")
        nothing = (None,) if BodyKind.NOTHING in kinds else ()
        return _read_json(Union[(*data, *nothing)], body)
    if BodyKind.BYTES in kinds and not (texts and content_type.startswith("text/")):
        return body
    if not texts:
        raise UnexpectedResponse(f"expected a file, got status {status}")
    return _read_text(Union[tuple(texts)], body)  # noqa: UP007


def _essence(content_type: str) -> str:
    """A media type without its parameters."""
    return content_type.partition(";")[0].strip().lower()


def _is_json_lines(content_type: str) -> bool:
    return _essence(content_type) in _JSON_LINES


def _read_anything(status: int, content_type: str, body: bytes) -> object:
    """Decode a body of which nothing was promised, as its Content-Type says."""
    if status in _NO_CONTENT or (not body and not content_type):
        return None
    if parse_content_type(content_type) is Media.JSON:
        return _read_json(Any, body)
    return _read_text(str, body) if content_type.startswith("text/") else body


def _read_json(annotation: Any, document: bytes) -> Any:
    converter = _find_converter(annotation, Any)
    try:
        return converter.from_json(document)
    except CONVERSION_ERRORS:
        errors = converter.json_errors(document, "")
        raise UnexpectedResponse("; ".join(error.line() for error in errors)) from None


def _read_text(annotation: Any, body: bytes) -> object:
    converter = _find_converter(annotation, str)
    try:
        text = body.decode()
        return text if converter.from_text is None else converter.from_text(text)
    except CONVERSION_ERRORS:
        raise UnexpectedResponse(f"expected {converter.expected_text}, in UTF-8") from None


def _find_converter(annotation: Any, plain: Any) -> Converter:
    """Return the converter for `annotation`; for a class that micropie cannot make, the one for `plain`."""
    try:
        return get_converter(annotation)
    except UnsupportedTypeError:
        return get_converter(plain)


# --- streams --------------------------------------------------------------------------------------------------------


async def read_stream(stream: BodyShape, content_type: str, chunks: AsyncIterable[bytes]) -> AsyncGenerator[Any, None]:
    """Yield the items of a stream as they come. Raises UnexpectedResponse, which names the line."""
    if _essence(content_type) == "text/event-stream":
        event = next((item for item in stream.items if item.kind is BodyKind.EVENT), None)
        async for sent in _events(event.items if event is not None else (ANY_BODY,), chunks):
            yield sent
    elif _is_json_lines(content_type):
        async for row in _rows(stream.item, chunks):
            yield row
    else:
        kinds = {item.kind for item in stream.items}
        async for chunk in chunks if BodyKind.BYTES in kinds else _text(chunks):
            if kinds.isdisjoint(_PIECES):
                raise UnexpectedResponse(f"expected JSON Lines or events, got {content_type or 'something else'}")
            yield chunk


async def _text(chunks: AsyncIterable[bytes]) -> AsyncIterator[str]:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        async for chunk in chunks:
            if text := decoder.decode(chunk):
                yield text
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        raise UnexpectedResponse("expected text, in UTF-8") from None


async def _rows(item: Any, chunks: AsyncIterable[bytes]) -> AsyncIterator[Any]:
    number = 0
    async for line in _lines(chunks):
        number += 1
        if line.strip():
            try:
                yield _read_json(item, line)
            except UnexpectedResponse as error:
                raise UnexpectedResponse(f"line {number}: {error}") from None


async def _lines(chunks: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    """The lines in `chunks`, the last of which need not end."""
    begun = b""
    async for chunk in chunks:
        *whole, begun = (begun + chunk).split(b"\n")
        for line in whole:
            yield line
    if begun:
        yield begun


async def _events(data: Sequence[BodyShape], chunks: AsyncIterable[bytes]) -> AsyncIterator[ServerSentEvent[Any]]:
    """The events of a `text/event-stream` that have data, which alone are events to a browser (HTML §9.2.6)."""
    fields: dict[str, list[str]] = {}
    number = 0
    async for line in _event_lines(chunks):
        number += 1
        if line:
            name, _, value = line.partition(":")
            fields.setdefault(name, []).append(value.removeprefix(" "))
            continue
        if "data" in fields:
            try:
                yield _event(data, fields)
            except UnexpectedResponse as error:
                raise UnexpectedResponse(f"line {number}: {error}") from None
        fields = {}


def _event(data: Sequence[BodyShape], fields: Mapping[str, list[str]]) -> ServerSentEvent[Any]:
    retry = fields.get("retry", ["-"])[-1]
    return ServerSentEvent(
        _read_event_data(data, "\n".join(fields["data"])),
        event=fields.get("event", [None])[-1] or None,
        id=fields.get("id", [None])[-1],
        retry=int(retry) if retry.isascii() and retry.isdigit() else None,
    )


def _read_event_data(data: Sequence[BodyShape], text: str) -> object:
    """Decode the data of an event: the server writes text as it is, and everything else as JSON."""
    kinds = {shape.kind for shape in data}
    annotations = tuple(shape.json_annotation for shape in data if shape.kind in (*_DATA, BodyKind.NOTHING))
    if not annotations or BodyKind.ANYTHING in kinds:
        return text
    try:
        return _read_json(Union[annotations], text.encode())  # noqa: UP007  (built from a tuple)
    except UnexpectedResponse:
        if BodyKind.TEXT in kinds:
            return text
        raise


async def _event_lines(chunks: AsyncIterable[bytes]) -> AsyncIterator[str]:
    """The lines of an event stream, each of which has come to its end (HTML §9.2.5)."""
    decoder = codecs.getincrementaldecoder("utf-8-sig")(errors="replace")
    begun = ""
    async for chunk in chunks:
        begun += decoder.decode(chunk)
        held = "\r" if begun.endswith("\r") else ""  # its "\n" may be on the way
        *whole, begun = _LINE_END.split(begun.removesuffix("\r"))
        begun += held
        for line in whole:
            yield line
    if begun.endswith("\r"):
        yield begun[:-1]
