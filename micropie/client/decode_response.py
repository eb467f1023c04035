"""An answer in, what the handler had returned out: by the same return annotation that the server checks results by.

It knows statuses, content types and bytes, and what an annotation says of them; it knows nothing of connections. What
an answer says that nobody promised is told by CallError, what it should have said and did not by UnexpectedResponse.
"""

import codecs
import re
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
from typing import Any, Final, Literal, Union, get_args, get_origin

import msgspec

from ..conversion.converter import get_converter
from ..conversion.exceptions import CONVERSION_ERRORS
from ..conversion.unwrap_annotated import UnsupportedTypeError, split_union, unwrap_annotated
from ..errors import Invalid, Source, reason_phrase
from ..media_types import Media, parse_content_type
from ..responses.server_sent_events import ServerSentEvent
from ..sentinels import UNSET

_STREAMS: Final = (AsyncGenerator, AsyncIterable, AsyncIterator, Generator, Iterator)
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


class Promise(msgspec.Struct, frozen=True):
    """One way in which a handler may answer."""

    statuses: tuple[int, ...] | None
    """The statuses that are spelled out; none for `int`; None where the handler returns the body alone."""
    body: Any
    headers: Any = None
    """The type of the headers, where the handler returns them too."""

    def result(self, status: int, body: object, headers: Sequence[tuple[str, str]]) -> object:
        """What the handler returned, put together again."""
        if self.statuses is None:
            return body
        if self.headers is None:
            return status, body
        plain, _ = unwrap_annotated(self.headers)
        as_mapping = isinstance(kind := get_origin(plain) or plain, type) and issubclass(kind, Mapping)
        return status, body, dict(headers) if as_mapping else list(headers)

    @property
    def stream(self) -> Any:
        """The type of the items, where the body is a stream; else UNSET."""
        for member in split_union(self.body):
            plain, _ = unwrap_annotated(member)
            if (get_origin(plain) or plain) in _STREAMS:
                return (*get_args(plain), Any)[0]
        return UNSET

    def is_file(self, status: int, content_type: str) -> bool:
        """Whether an answer like that is a file: it may be, and is nothing else that it may be."""
        kinds = [_kind(member) for member in split_union(self.body)]
        is_data = None in kinds and parse_content_type(content_type) is Media.JSON
        return Path in kinds and status not in _NO_CONTENT and not is_data


ANYTHING: Final = Promise(None, Any)


def read_promises(annotation: Any) -> tuple[Promise, ...]:
    """The ways in which a handler with this return annotation may answer."""
    return tuple(_promise(member) for member in split_union(annotation))


def _promise(member: Any) -> Promise:
    plain, _ = unwrap_annotated(member)
    parts: tuple[Any, ...] = get_args(plain) if get_origin(plain) is tuple else ()
    if len(parts) in (2, 3) and Ellipsis not in parts:
        first, _ = unwrap_annotated(parts[0])
        values = get_args(first) if get_origin(first) is Literal else ()
        if first is int or (values and all(type(value) is int for value in values)):
            return Promise(tuple(values), _listed(parts[1]), *parts[2:])
    return Promise(None, _listed(member))


def _listed(annotation: Any) -> Any:
    """An `Iterable[T]`, which is a list or a generator's rows, as the list that it is here; the rest as it is."""
    plain, _ = unwrap_annotated(annotation)
    return list[get_args(plain)] if get_origin(plain) is Iterable else annotation  # type: ignore[misc]  # at run time


def find_promise(promises: Sequence[Promise], status: int) -> Promise | None:
    """The promise that an answer of `status` keeps; None for one that nobody made.

    An error is promised only where its status is spelled out: else it is not the handler's, as far as one can tell.
    """
    spelled = [one for one in promises if one.statuses and status in one.statuses]
    if spelled:
        bodies = tuple(one.body for one in spelled)
        return Promise(spelled[0].statuses, Union[bodies], spelled[0].headers)  # noqa: UP007  (built from a tuple)
    if status >= 400:
        return None
    alone = [one.body for one in promises if one.statuses is None]
    if alone and status < 300:
        return Promise(None, Union[tuple(alone)])  # noqa: UP007
    return next((one for one in promises if one.statuses == ()), None)


# --- one value ------------------------------------------------------------------------------------------------------


def read_body(annotation: Any, status: int, content_type: str, body: bytes) -> object:
    """The body as `annotation`, which is neither a stream nor a file. Raises UnexpectedResponse."""
    members = split_union(annotation)
    kinds = [_kind(member) for member in members]
    if Any in kinds or object in kinds:
        return _as_it_says(status, content_type, body)
    is_nothing = status in _NO_CONTENT or not (body or content_type)
    if NoneType in kinds and (is_nothing or len(kinds) == 1):
        return None
    texts = [member for member, kind in zip(members, kinds, strict=True) if kind in (str, bytes)]
    data = [member for member, kind in zip(members, kinds, strict=True) if kind is None]
    if _is_json_lines(content_type):
        content_type, body = "application/json", b"[%s]" % b",".join(line for line in body.splitlines() if line.strip())
    is_json = parse_content_type(content_type) is Media.JSON
    if data and (is_json or not texts):
        if not is_json:
            raise UnexpectedResponse(f"expected JSON, got {content_type or 'nothing'}")
        wanted = (*data, None) if NoneType in kinds else tuple(data)
        return _read_json(Union[wanted], body)  # noqa: UP007
    if bytes in kinds and not (str in kinds and content_type.startswith("text/")):
        return body
    return _read_text(Union[tuple(one for one in texts if _kind(one) is str)], body)  # noqa: UP007


def _essence(content_type: str) -> str:
    """A media type without its parameters."""
    return content_type.partition(";")[0].strip().lower()


def _is_json_lines(content_type: str) -> bool:
    return _essence(content_type) in _JSON_LINES


def _kind(annotation: Any) -> Any:
    """How a value of that type is sent: `str`, `bytes`, NoneType, Path, Any and object as themselves; None for JSON."""
    plain, _ = unwrap_annotated(annotation)
    if plain in (str, bytes, bytearray, memoryview, Path, Any, object, NoneType):
        return bytes if plain in (bytearray, memoryview) else plain
    if plain is None:
        return NoneType
    values = get_args(plain) if get_origin(plain) is Literal else ()
    is_text = values and all(isinstance(value, str) and not isinstance(value, Enum) for value in values)
    return str if is_text else None


def _as_it_says(status: int, content_type: str, body: bytes) -> object:
    """The body of an answer of which nothing was promised, by what it says of itself."""
    if status in _NO_CONTENT or (not body and not content_type):
        return None
    if parse_content_type(content_type) is Media.JSON:
        return _read_json(Any, body)
    return _read_text(str, body) if content_type.startswith("text/") else body


def _read_json(annotation: Any, document: bytes) -> Any:
    try:
        reads = get_converter(annotation)
    except UnsupportedTypeError:  # a class of the user's own, of which only the JSON can be had
        reads = get_converter(Any)
    try:
        return reads.from_json(document)
    except CONVERSION_ERRORS:
        found = reads.json_errors(document, "")
        raise UnexpectedResponse("; ".join(error.line() for error in found)) from None


def _read_text(annotation: Any, body: bytes) -> object:
    try:
        text = body.decode()
        read = get_converter(annotation).from_text
        return text if read is None else read(text)
    except CONVERSION_ERRORS:
        raise UnexpectedResponse(f"expected {get_converter(annotation).expected_text}, in UTF-8") from None


# --- streams --------------------------------------------------------------------------------------------------------


async def read_stream(item: Any, content_type: str, chunks: AsyncIterable[bytes]) -> AsyncGenerator[Any, None]:
    """The items of a stream as they come. Raises UnexpectedResponse, which names the line."""
    if _essence(content_type) == "text/event-stream":
        async for event in _events(_members_in(item, ServerSentEvent), chunks):
            yield event
    elif _is_json_lines(content_type):
        async for row in _rows(item, chunks):
            yield row
    else:
        kinds = {_kind(member) for member in split_union(item)}
        async for chunk in chunks if bytes in kinds else _text(chunks):
            if kinds.isdisjoint({str, bytes, Any, object}):
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


async def _events(data: Any, chunks: AsyncIterable[bytes]) -> AsyncIterator[ServerSentEvent[Any]]:
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


def _event(data: Any, fields: Mapping[str, list[str]]) -> ServerSentEvent[Any]:
    retry = fields.get("retry", ["-"])[-1]
    return ServerSentEvent(
        _event_data(data, "\n".join(fields["data"])),
        event=fields.get("event", [None])[-1] or None,
        id=fields.get("id", [None])[-1],
        retry=int(retry) if retry.isascii() and retry.isdigit() else None,
    )


def _event_data(annotation: Any, text: str) -> object:
    """Text is itself; everything else was written as JSON."""
    members = split_union(annotation)
    kinds = [_kind(member) for member in members]
    data = tuple(member for member, kind in zip(members, kinds, strict=True) if kind in (None, NoneType))
    if not data or Any in kinds:
        return text
    try:
        return _read_json(Union[data], text.encode())  # noqa: UP007
    except UnexpectedResponse:
        if str in kinds:
            return text
        raise


def _members_in(item: Any, origin: type) -> Any:
    """What is in the brackets of `origin`, in an item's type; Any where nothing is."""
    for member in split_union(item):
        plain, _ = unwrap_annotated(member)
        if get_origin(plain) is origin:
            return get_args(plain)[0]
    return Any


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
