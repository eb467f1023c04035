"""This module parses return annotations: which responses a handler promises, and how each body is sent.

`tuple[Literal[201], Todo] | tuple[Literal[404], Problem]` becomes a `ReturnAnnotation` with two `ResponseShape`s. The
OpenAPI document and the typed client read the same structure. In debug mode and under the test client, results are
checked against it.
"""

import sys
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
from contextlib import aclosing, closing
from enum import Enum
from types import NoneType
from typing import Any, Final, Literal, get_args, get_origin

import msgspec

from .._utils.lazy_imports import pathlib
from ..conversion.type_info import make_union
from ..conversion.unwrap_annotated import UnsupportedTypeError, describe_annotation, split_union, unwrap_annotated
from ..errors import ResponseError
from ..responses.encoding import BINARY, HTML
from ..responses.server_sent_events import ServerSentEvent

_STREAMS: Final = (AsyncGenerator, AsyncIterable, AsyncIterator, Generator, Iterator)
_CONTAINERS: Final = frozenset((*_STREAMS, Iterable, ServerSentEvent))
"""The classes whose first type argument is the type of an item, or of an event's data."""


class BodyKind(Enum):
    """How a body of some type is sent."""

    ANYTHING = "anything"
    """`Any` or `object`: the value decides."""
    NOTHING = "nothing"
    TEXT = "text"
    BYTES = "bytes"
    FILE = "file"
    EVENT = "event"
    """`ServerSentEvent`, which is an item of a stream."""
    STREAM = "stream"
    LIST_OR_STREAM = "list or stream"
    """`Iterable[T]`: the handler returns a list, or it is a generator."""
    JSON = "json"


class BodyShape(msgspec.Struct, frozen=True):
    """A type that a body or an item of a stream may have; it is not a union."""

    annotation: Any
    """The type with its constraints."""
    kind: BodyKind
    cls: type | None
    """The class without its type arguments; None for what is not a class, such as a `Literal`."""
    item: Any = Any
    """The type of a stream's items, or of an event's data; Any if the annotation does not name it."""
    items: tuple["BodyShape", ...] = ()
    """The members of `item`."""

    @property
    def json_annotation(self) -> Any:
        """The type of the body when it is sent as JSON: an `Iterable[T]` is a `list[T]`."""
        return list[self.item] if self.kind is BodyKind.LIST_OR_STREAM else self.annotation  # type: ignore[name-defined]  # mypy reads no attribute in a type


class ResponseShape(msgspec.Struct, frozen=True):
    """One member of a return annotation's union: a body, perhaps with statuses and headers."""

    body: Any
    """The body's annotation, which may be a union."""
    bodies: tuple[BodyShape, ...]
    """The members of `body`."""
    statuses: tuple[int, ...] | None = None
    """The statuses in `Literal`; empty for `int`; None if the handler returns the body alone."""
    headers: Any = None
    """The annotation of the headers; None if the handler does not return them."""

    @property
    def stream(self) -> BodyShape | None:
        """The first body that is always a stream."""
        return next((body for body in self.bodies if body.kind is BodyKind.STREAM), None)


class ReturnAnnotation(msgspec.Struct, frozen=True):
    """A parsed return annotation."""

    annotation: Any
    responses: tuple[ResponseShape, ...]

    @property
    def statuses(self) -> Mapping[int, Any]:
        """The annotation of the body for each status in a `Literal`."""
        bodies: dict[int, Any] = {}
        for response in self.responses:
            for status in response.statuses or ():
                bodies[status] = make_union([bodies[status], response.body]) if status in bodies else response.body
        return bodies

    @property
    def any_status(self) -> tuple[Any, ...]:
        """The annotations of the bodies that come without a literal status: a bare body, or `tuple[int, T]`."""
        return tuple(response.body for response in self.responses if not response.statuses)

    @property
    def stream_type(self) -> str | None:
        """The Content-Type of every stream that is promised; None if there is none, or if the streams differ."""
        content_types = {_ITEM_TYPES.get(item.kind, "application/jsonl") for item in self._list_items()}
        return content_types.pop() if len(content_types) == 1 else None

    def list_responses(self, status: int) -> list[ResponseShape]:
        """Return the responses that name `status` in a `Literal`."""
        return [response for response in self.responses if response.statuses and status in response.statuses]

    def check(self, status: int, body: object) -> None:
        """Raise ResponseError, which names the field, if a result of `status` with `body` was not promised."""
        responses, subject = self.list_responses(status), f"the body for status {status}"
        if not responses:
            responses, subject = [response for response in self.responses if not response.statuses], "the result"
        if not responses:
            promised = ", ".join(str(status) for status in self.statuses)
            raise ResponseError(f"status {status} is not among those that the return annotation promises: {promised}")
        _check_body(body, [shape for response in responses for shape in response.bodies], subject)

    def watch(self, body: object) -> object:
        """Return `body`; if it is a generator, wrap it so that an item that was not promised raises ResponseError."""
        items = self._list_items()
        if not items:
            return body
        if isinstance(body, AsyncGenerator):
            return _watch_async(body, items)
        return _watch_sync(body, items) if isinstance(body, Generator) else body

    def _list_items(self) -> list[BodyShape]:
        """List the types that items of the promised streams have, without streams of anything."""
        return [
            item
            for response in self.responses
            for body in response.bodies
            if body.kind in (BodyKind.STREAM, BodyKind.LIST_OR_STREAM)
            and all(member.kind is not BodyKind.ANYTHING for member in body.items)
            for item in body.items
        ]


_ITEM_TYPES: Final[Mapping[BodyKind, str]] = {
    BodyKind.EVENT: "text/event-stream",
    BodyKind.TEXT: HTML.decode(),
    BodyKind.BYTES: HTML.decode(),
}
"""The Content-Type of a stream by its items; a stream of any other kind is JSON Lines."""


# --- reading --------------------------------------------------------------------------------------------------------


def read_return_annotation(annotation: Any) -> ReturnAnnotation | None:
    """Parse `annotation`. Return None if it promises nothing, as `Any` does.

    Raises UnsupportedTypeError for constraints that no member of a union can have.
    """
    responses = tuple(_read_response(member) for member in split_union(annotation))
    return None if any(map(_is_open, responses)) else ReturnAnnotation(annotation, responses)


def _is_open(response: ResponseShape) -> bool:
    """Return True if every result fits `response`."""
    plain, _ = unwrap_annotated(response.body)
    return not response.statuses and (plain is Any or (plain is object and response.statuses is None))


def _read_response(member: Any) -> ResponseShape:
    plain, _ = unwrap_annotated(member)
    parts: tuple[Any, ...] = get_args(plain) if get_origin(plain) is tuple else ()
    statuses = _read_statuses(parts[0]) if len(parts) in (2, 3) and Ellipsis not in parts else None
    if statuses is None:
        return ResponseShape(member, _read_bodies(member))
    return ResponseShape(parts[1], _read_bodies(parts[1]), statuses, *parts[2:])


def _read_statuses(annotation: Any) -> tuple[int, ...] | None:
    """Return the statuses in a tuple's first item: none for `int`; None if the item is not a status."""
    plain, _ = unwrap_annotated(annotation)
    if plain is int:
        return ()
    values = get_args(plain) if get_origin(plain) is Literal else ()
    return tuple(values) if values and all(type(value) is int for value in values) else None


def _read_bodies(annotation: Any) -> tuple[BodyShape, ...]:
    return tuple(_read_body(member) for member in split_union(annotation))


def _read_body(member: Any) -> BodyShape:
    plain, _ = unwrap_annotated(member)
    if plain is Any:  # a class since Python 3.11
        return ANY_BODY
    origin = NoneType if plain is None else get_origin(plain) or plain
    cls = origin if isinstance(origin, type) else None
    kind = _find_text_kind(plain) if cls is None else _find_class_kind(cls)
    if kind not in (BodyKind.STREAM, BodyKind.LIST_OR_STREAM, BodyKind.EVENT):
        return BodyShape(member, kind, cls)
    item = (*get_args(plain), Any)[0] if cls in _CONTAINERS else Any
    return BodyShape(member, kind, cls, item, _read_bodies(item))


def _find_text_kind(plain: Any) -> BodyKind:
    """Return TEXT for a `Literal` of texts, and JSON for everything else that is not a class."""
    values = get_args(plain) if get_origin(plain) is Literal else ()
    is_text = values and all(isinstance(value, str) and not isinstance(value, Enum) for value in values)
    return BodyKind.TEXT if is_text else BodyKind.JSON


def _find_class_kind(cls: type) -> BodyKind:
    # No annotation can name a Path before pathlib is imported, and asking for it would import it.
    paths = (pathlib.Path,) if "pathlib" in sys.modules else ()
    # The first that fits. An Enum member is data, even one that is also a `str`.
    kinds: tuple[tuple[tuple[type, ...], BodyKind], ...] = (
        ((Enum,), BodyKind.JSON),
        ((NoneType,), BodyKind.NOTHING),
        ((str,), BodyKind.TEXT),
        (BINARY, BodyKind.BYTES),
        (paths, BodyKind.FILE),
        ((ServerSentEvent,), BodyKind.EVENT),
        (_STREAMS, BodyKind.STREAM),
    )
    exact = _EXACT_KINDS.get(cls)
    return exact or next((kind for classes, kind in kinds if issubclass(cls, classes)), BodyKind.JSON)


_EXACT_KINDS: Final[Mapping[type, BodyKind]] = {object: BodyKind.ANYTHING, Iterable: BodyKind.LIST_OR_STREAM}
"""The kinds of classes whose subclasses are of other kinds."""

ANY_BODY: Final = BodyShape(Any, BodyKind.ANYTHING, None)
"""The shape of a body of which nothing is promised."""


# --- checking -------------------------------------------------------------------------------------------------------


async def _watch_async(chunks: AsyncGenerator[Any, None], promised: Sequence[BodyShape]) -> AsyncGenerator[Any, None]:
    async with aclosing(chunks):
        async for chunk in chunks:
            _check_body(chunk, promised, "an item of the stream")
            yield chunk


def _watch_sync(chunks: Generator[Any, None, None], promised: Sequence[BodyShape]) -> Generator[Any, None, None]:
    with closing(chunks):
        for chunk in chunks:
            _check_body(chunk, promised, "an item of the stream")
            yield chunk


def _check_body(body: object, promised: Sequence[BodyShape], subject: str) -> None:
    failures = [failure for shape in promised if (failure := _find_failure(body, shape)) is not None]
    if len(failures) == len(promised):
        names = " | ".join(getattr(shape.annotation, "__name__", str(shape.annotation)) for shape in promised)
        raise ResponseError(f"{subject} does not fit the return annotation {names}: {failures[0]}")


def _find_failure(body: object, shape: BodyShape) -> str | None:
    """Say why `body` does not fit `shape`; return None if it fits, or if that cannot be found out."""
    if shape.kind is BodyKind.ANYTHING:
        return None
    is_data = shape.kind is BodyKind.JSON or shape.cls is None
    if not is_data or not _is_readable(shape.annotation):
        return None if shape.cls is None or isinstance(body, shape.cls) else f"got {type(body).__name__}"
    try:
        msgspec.json.decode(msgspec.json.encode(body), type=shape.annotation)
    except (msgspec.ValidationError, TypeError) as error:
        return str(error)
    return None


def _is_readable(annotation: Any) -> bool:
    try:
        describe_annotation(annotation)
    except UnsupportedTypeError:
        return False
    return True
