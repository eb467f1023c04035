"""This module parses return annotations: which responses a handler promises, and how each body is sent.

`tuple[Literal[201], Todo] | tuple[Literal[404], Problem]` becomes a `ReturnAnnotation` with two `ResponseShape`s. The
OpenAPI document and the typed client read the same structure. What is sent is kept within it: `conversion/to_declared`
leaves out what the type does not declare. In debug mode and under the test client, results are also checked for
constraints and for the types of scalars. The module is longer than 400 lines because what is read and what is checked
are one description.
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
from enum import Enum
from types import NoneType
from typing import Any, Final, Literal, get_args, get_origin

import msgspec

from .._utils.lazy_imports import pathlib
from ..conversion.declared_types import DeclaredType, UndeclaredError, format_annotation
from ..conversion.to_declared import get_declared_type, refuse_all
from ..conversion.type_info import make_union
from ..conversion.unwrap_annotated import UnsupportedTypeError, describe_annotation, split_union, unwrap_annotated
from ..errors import ResponseError
from ..responses.encoding import BINARY, HTML
from ..responses.handler_results import is_body_class
from ..responses.server_sent_events import ServerSentEvent
from ..sentinels import UNSET

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


class _Promise(msgspec.Struct, frozen=True, eq=False):
    """What a handler promises for one status, or for a result without a status."""

    subject: str
    """The words for the body in errors."""
    shapes: tuple[BodyShape, ...]
    declared: DeclaredType
    """The type of a body that is not a stream."""
    items: tuple[BodyShape, ...]
    """The shapes that an item of a stream may have; none if no stream is promised."""
    declared_item: DeclaredType
    """The type of an item that is not an event."""
    declared_data: DeclaredType
    """The type of the data of an item that is an event."""


class ReturnAnnotation(msgspec.Struct, frozen=True):
    """A parsed return annotation."""

    annotation: Any
    responses: tuple[ResponseShape, ...]
    place: str = "the handler"
    """The handler, its file and its line."""
    written: str = ""
    """The annotation as its author wrote it."""
    promises: Mapping[int | None, _Promise] = {}
    """What is promised for each status in a `Literal`, and under None for all others."""

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

    @property
    def result_class(self) -> type | None:
        """The only class whose instances pass as results, if there is exactly one."""
        classes = [cls for cls in self._bare_promise.declared.classes if self.passes(cls)]
        return classes[0] if len(classes) == 1 else None

    def passes(self, cls: type) -> bool:
        """Return True if a result of class `cls` is a body that can be sent as it is, whatever it holds."""
        declared = self._bare_promise.declared
        return is_body_class(cls) and declared.is_flat and cls in declared.classes

    @property
    def _bare_promise(self) -> _Promise:
        return self.promises.get(200) or self.promises[None]

    def keep_declared(self, status: int, body: object, *, check: bool = False) -> object:
        """Return `body` with only what is promised for `status`. A stream is wrapped, so that its items are kept so.

        With `check`, constraints and scalars are checked, too. Raises ResponseError, which names the handler and the
        field, for what was not promised; a stream raises it at the item.
        """
        if check and status not in self.promises and all(response.statuses for response in self.responses):
            promised = ", ".join(str(status) for status in self.statuses)
            raise self._build_error(
                f"status {status} is not among those that the return annotation promises: {promised}"
            )
        promise = self.promises.get(status) or self.promises[None]
        if not check and promise.declared.fits(body):
            return body
        if isinstance(body, AsyncIterable | Iterator):
            if any(shape.kind is BodyKind.ANYTHING for shape in promise.shapes):
                return body
            if not promise.items:
                raise self._build_misfit(promise.subject, f"got {type(body).__name__}")
            if any(shape.kind is BodyKind.ANYTHING for shape in promise.items):
                return body
            return (
                self._keep_async(body, promise, check)
                if isinstance(body, AsyncIterable)
                else self._keep_sync(body, promise, check)
            )
        return self._keep(body, promise.declared, promise.shapes if check else (), promise.subject)

    async def _keep_async(
        self, chunks: AsyncIterable[Any], promise: _Promise, check: bool
    ) -> AsyncGenerator[Any, None]:
        iterator = aiter(chunks)
        try:
            async for chunk in iterator:
                yield self._keep_item(chunk, promise, check)
        finally:
            close = getattr(iterator, "aclose", None)
            if close is not None:
                await close()

    def _keep_sync(self, chunks: Iterator[Any], promise: _Promise, check: bool) -> Generator[Any, None, None]:
        try:
            for chunk in chunks:
                yield self._keep_item(chunk, promise, check)
        finally:
            close = getattr(chunks, "close", None)
            if close is not None:
                close()

    def _keep_item(self, item: Any, promise: _Promise, check: bool) -> Any:
        """Return an item of a stream with only what is promised."""
        subject, shapes = "an item of the stream", promise.items if check else ()
        if not isinstance(item, ServerSentEvent):
            return self._keep(item, promise.declared_item, shapes, subject)
        events = [shape for shape in promise.items if shape.kind is BodyKind.EVENT]
        if not events:
            raise self._build_misfit(subject, "got ServerSentEvent")
        if item.data is UNSET or any(member.kind is BodyKind.ANYTHING for shape in events for member in shape.items):
            return item
        data = self._keep(item.data, promise.declared_data, (), "the data of an event")
        return item if data is item.data else msgspec.structs.replace(item, data=data)

    def _keep(self, value: Any, declared: DeclaredType, shapes: Sequence[BodyShape], subject: str) -> Any:
        if not declared.fits(value):
            try:
                value = declared.convert(value)
            except UndeclaredError as error:
                raise self._build_misfit(subject, str(error)) from None
        failures = [failure for shape in shapes if (failure := _find_failure(value, shape)) is not None]
        if shapes and len(failures) == len(shapes):
            raise self._build_misfit(subject, failures[0])
        return value

    def _build_misfit(self, subject: str, reason: str) -> ResponseError:
        return self._build_error(f"{subject} does not fit the return annotation {self.written}: {reason}")

    def _build_error(self, text: str) -> ResponseError:
        return ResponseError(f"{self.place}: {text}")

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


def read_return_annotation(
    annotation: Any, place: str = "the handler", written: str | None = None
) -> ReturnAnnotation | None:
    """Parse `annotation`. Return None if it promises nothing, as `Any` does.

    `place` names the handler in errors, and `written` is the annotation as its author wrote it. Raises
    UnsupportedTypeError for constraints that no member of a union can have, and whatever evaluating the annotations
    of a class raises.
    """
    responses = tuple(_read_response(member) for member in split_union(annotation))
    if any(map(_is_open, responses)):
        return None
    if written is None:
        written = format_annotation(annotation)
    return ReturnAnnotation(annotation, responses, place, written, _read_promises(responses))


def _read_promises(responses: Sequence[ResponseShape]) -> dict[int | None, _Promise]:
    """Read what is promised for each status. A bare body may stand beside bodies with the status 200 or 204."""
    statuses: set[int | None] = {status for response in responses for status in response.statuses or ()}
    others = [response for response in responses if not response.statuses]
    promises: dict[int | None, _Promise] = {}
    for status in statuses:
        chosen = [response for response in responses if response.statuses and status in response.statuses]
        if status in (200, 204):
            chosen += [response for response in others if response.statuses is None]
        promises[status] = _make_promise(f"the body for status {status}", chosen)
    promises[None] = _make_promise("the result", others or responses)
    return promises


def _make_promise(subject: str, responses: Sequence[ResponseShape]) -> _Promise:
    shapes = tuple(shape for response in responses for shape in response.bodies)
    streams = [shape for shape in shapes if shape.kind in (BodyKind.STREAM, BodyKind.LIST_OR_STREAM)]
    items = tuple(item for shape in streams for item in shape.items)
    types = [shape.json_annotation for shape in shapes if shape.kind is not BodyKind.STREAM]
    item_types = [item.annotation for item in items if item.kind is not BodyKind.EVENT]
    data_types = [item.item for item in items if item.kind is BodyKind.EVENT]
    return _Promise(
        subject,
        shapes,
        _declare(types, shapes),
        items,
        _declare(item_types, items),
        _declare(data_types, items),
    )


def _declare(types: Sequence[Any], shapes: Sequence[BodyShape]) -> DeclaredType:
    """Return the type of a value that is of one of `types`. If there are none, one of `shapes` was expected."""
    if types:
        return get_declared_type(make_union(types))
    return refuse_all(make_union([shape.annotation for shape in shapes]) if shapes else None)


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
