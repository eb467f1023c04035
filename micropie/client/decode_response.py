"""This module decodes an HTTP response into the value that the handler returned, guided by its return annotation.

The server checks results by the same annotation. A response without a promise is read as its Content-Type says. This
module sees statuses, content types and bytes; connections are the `Client`'s.
"""

import codecs
import re
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Mapping, Sequence
from typing import Any, Final, get_origin

import msgspec

from ..binding.return_annotation import ANY_BODY, BodyKind, BodyShape, ResponseShape, ReturnAnnotation
from ..conversion.converter import Converter, get_converter
from ..conversion.exceptions import CONVERSION_ERRORS
from ..conversion.type_info import make_union
from ..conversion.unwrap_annotated import UnsupportedTypeError, unwrap_annotated
from ..media_types import Media, parse_content_type
from ..responses.server_sent_events import ServerSentEvent
from .errors import UnexpectedResponse

_DATA: Final = frozenset((BodyKind.JSON, BodyKind.LIST_OR_STREAM, BodyKind.EVENT))
"""The kinds of bodies that are JSON."""
_PIECES: Final = frozenset((BodyKind.TEXT, BodyKind.BYTES, BodyKind.ANYTHING))
"""The kinds of items that a stream sends as they are."""
_JSON_LINES: Final = frozenset(
    {"application/jsonl", "application/x-ndjson", "application/ndjson", "application/jsonlines"}
)
_NO_CONTENT: Final = frozenset({204, 205, 304})  # RFC 9110 §6.4.1
_LINE_END: Final = re.compile("\r\n|\r|\n")  # HTML §9.2.5

_ANY_RESPONSE: Final = ResponseShape(Any, (ANY_BODY,))
"""The shape of a response of which nothing is promised."""


def find_response(returns: ReturnAnnotation | None, status: int) -> ResponseShape | None:
    """Return the shape that `returns` promises for a response of `status`; None if it promises none.

    An error is promised only if a `Literal` names its status. Otherwise it can also come from the framework or a proxy.
    """
    if returns is None:
        return _ANY_RESPONSE if status < 300 else None
    if named := returns.list_responses(status):
        return _merge(named)
    if status >= 400:
        return None
    bare = [response for response in returns.responses if response.statuses is None]
    if bare and status < 300:
        return _merge(bare)
    return next((response for response in returns.responses if response.statuses == ()), None)


def _merge(responses: Sequence[ResponseShape]) -> ResponseShape:
    """Return the shape of a response that is any of `responses`, which differ only in their bodies."""
    if len(responses) == 1:
        return responses[0]
    bodies = tuple(body for response in responses for body in response.bodies)
    annotation = make_union([response.body for response in responses])
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


# --- bodies ------------------------------------------------------------------------------------------------------


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
        if BodyKind.NOTHING in kinds:
            data.append(None)
        return _read_json(make_union(data), body)
    if BodyKind.BYTES in kinds and not (texts and content_type.startswith("text/")):
        return body
    if not texts:
        raise UnexpectedResponse(f"expected a file, got status {status}")
    return _read_text(make_union(texts), body)


def _strip_parameters(content_type: str) -> str:
    """Return the media type without its parameters."""
    return content_type.partition(";")[0].strip().lower()


def _is_json_lines(content_type: str) -> bool:
    return _strip_parameters(content_type) in _JSON_LINES


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
        errors = converter.find_json_errors(document, "")
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
    if _strip_parameters(content_type) == "text/event-stream":
        event = next((item for item in stream.items if item.kind is BodyKind.EVENT), None)
        async for sent in _read_events(event.items if event is not None else (ANY_BODY,), chunks):
            yield sent
    elif _is_json_lines(content_type):
        async for row in _read_rows(stream.item, chunks):
            yield row
    else:
        kinds = {item.kind for item in stream.items}
        async for chunk in chunks if BodyKind.BYTES in kinds else _decode_text(chunks):
            if kinds.isdisjoint(_PIECES):
                raise UnexpectedResponse(f"expected JSON Lines or events, got {content_type or 'something else'}")
            yield chunk


async def _decode_text(chunks: AsyncIterable[bytes]) -> AsyncIterator[str]:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        async for chunk in chunks:
            if text := decoder.decode(chunk):
                yield text
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        raise UnexpectedResponse("expected text, in UTF-8") from None


async def _read_rows(item: Any, chunks: AsyncIterable[bytes]) -> AsyncIterator[Any]:
    number = 0
    async for line in _read_lines(chunks):
        number += 1
        if line.strip():
            try:
                yield _read_json(item, line)
            except UnexpectedResponse as error:
                raise UnexpectedResponse(f"line {number}: {error}") from None


async def _read_lines(chunks: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    """Yield the lines in `chunks`. The last line need not end with a newline."""
    rest = b""
    async for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line
    if rest:
        yield rest


async def _read_events(data: Sequence[BodyShape], chunks: AsyncIterable[bytes]) -> AsyncIterator[ServerSentEvent[Any]]:
    """Yield the events of a `text/event-stream`; like browsers, skip those without data (HTML §9.2.6)."""
    fields: dict[str, list[str]] = {}
    number = 0
    async for line in _read_event_lines(chunks):
        number += 1
        if line:
            name, _, value = line.partition(":")
            fields.setdefault(name, []).append(value.removeprefix(" "))
            continue
        if "data" in fields:
            try:
                yield _build_event(data, fields)
            except UnexpectedResponse as error:
                raise UnexpectedResponse(f"line {number}: {error}") from None
        fields = {}


def _build_event(data: Sequence[BodyShape], fields: Mapping[str, list[str]]) -> ServerSentEvent[Any]:
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
    annotations = [shape.json_annotation for shape in data if shape.kind in (*_DATA, BodyKind.NOTHING)]
    if not annotations or BodyKind.ANYTHING in kinds:
        return text
    try:
        return _read_json(make_union(annotations), text.encode())
    except UnexpectedResponse:
        if BodyKind.TEXT in kinds:
            return text
        raise


async def _read_event_lines(chunks: AsyncIterable[bytes]) -> AsyncIterator[str]:
    """Yield the lines of an event stream that have come to their end (HTML §9.2.5)."""
    decoder = codecs.getincrementaldecoder("utf-8-sig")(errors="replace")
    rest = ""
    async for chunk in chunks:
        rest += decoder.decode(chunk)
        carriage_return = "\r" if rest.endswith("\r") else ""  # its "\n" may be in the next chunk
        *lines, rest = _LINE_END.split(rest.removesuffix("\r"))
        rest += carriage_return
        for line in lines:
            yield line
    if rest.endswith("\r"):
        yield rest[:-1]
