"""What a handler's return annotation promises, and whether a result keeps it.

`tuple[Literal[201], Todo] | tuple[Literal[404], Problem]` promises a body for each status. The promise is checked in
debug mode and under the test client, and read by whatever documents the app.
"""

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Generator, Iterable, Iterator, Mapping
from contextlib import aclosing, closing
from enum import Enum
from types import NoneType
from typing import Any, Final, Literal, Union, get_args, get_origin

import msgspec

from .._utils.lazy_imports import pathlib
from ..conversion.unwrap_annotated import UnsupportedTypeError, describe_annotation, split_union, unwrap_annotated
from ..errors import ResponseError
from ..responses.encoding import BINARY, HTML
from ..responses.server_sent_events import ServerSentEvent

_STREAMS: Final = (AsyncGenerator, AsyncIterable, AsyncIterator, Generator, Iterator, Iterable)
_NOT_JSON: Final = (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Generator,
    Iterator,
    str,
    bytes,
    NoneType,
    ServerSentEvent,
)


class ReturnAnnotation(msgspec.Struct, frozen=True):
    """A return annotation, taken apart."""

    annotation: Any
    statuses: Mapping[int, Any]
    """The body's type for each status that is spelled out."""
    any_status: tuple[Any, ...]
    """The body's types where the status is not spelled out: a bare value, or `tuple[int, T]`."""

    def check(self, status: int, body: object) -> None:
        """Raises ResponseError, naming the field, when a result of `status` with `body` was not promised."""
        if status in self.statuses:
            _check_body(body, (self.statuses[status],), f"the body for status {status}")
        elif self.any_status:
            _check_body(body, self.any_status, "the result")
        else:
            promised = ", ".join(str(known) for known in self.statuses)
            raise ResponseError(f"status {status} is not among those that the return annotation promises: {promised}")

    @property
    def stream_type(self) -> str | None:
        """The Content-Type of every stream that is promised; None where there is none, and where it depends."""
        promised = (*self.statuses.values(), *self.any_status)
        kinds = {_item_type(item) for annotation in promised for item in _items(annotation)}
        return kinds.pop() if len(kinds) == 1 else None

    def watched(self, body: object) -> object:
        """`body`; a generator is one that raises ResponseError at the first item that was not promised."""
        promised = (*self.statuses.values(), *self.any_status)
        items = tuple(item for annotation in promised for item in _items(annotation))
        if not items:
            return body
        if isinstance(body, AsyncGenerator):
            return _watched_async(body, items)
        return _watched_sync(body, items) if isinstance(body, Generator) else body


async def _watched_async(chunks: AsyncGenerator[Any, None], promised: tuple[Any, ...]) -> AsyncGenerator[Any, None]:
    async with aclosing(chunks):
        async for chunk in chunks:
            _check_body(chunk, promised, "an item of the stream")
            yield chunk


def _watched_sync(chunks: Generator[Any, None, None], promised: tuple[Any, ...]) -> Generator[Any, None, None]:
    with closing(chunks):
        for chunk in chunks:
            _check_body(chunk, promised, "an item of the stream")
            yield chunk


def _items(annotation: Any) -> tuple[Any, ...]:
    """The type of a stream's items, where it is said; an event's data may be anything."""
    plain, _ = unwrap_annotated(annotation)
    arguments = get_args(plain) if get_origin(plain) in _STREAMS else ()
    members = split_union(arguments[0]) if arguments else ()
    if any(unwrap_annotated(member)[0] in (Any, object) for member in members):
        return ()
    return tuple(get_origin(member) if get_origin(member) is ServerSentEvent else member for member in members)


def _item_type(annotation: Any) -> str:
    """The Content-Type of a stream of these."""
    plain, _ = unwrap_annotated(annotation)
    if isinstance(plain, type) and not issubclass(plain, Enum):
        if issubclass(plain, ServerSentEvent):
            return "text/event-stream"
        if issubclass(plain, (str, *BINARY)):
            return HTML.decode()
    return "application/jsonl"


def read_return_annotation(annotation: Any) -> ReturnAnnotation | None:
    """`annotation` taken apart; None where it promises nothing (`Any`, or none at all)."""
    statuses: dict[int, Any] = {}
    others: list[Any] = []
    for member in split_union(annotation):
        plain, _ = unwrap_annotated(member)
        if plain is Any or plain is object:
            return None
        parts: tuple[Any, ...] = get_args(plain) if get_origin(plain) is tuple else ()
        wanted = _statuses(parts[0]) if len(parts) in (2, 3) and Ellipsis not in parts else None
        if wanted is None:
            others.append(member)
            continue
        for status in wanted:
            statuses[status] = Union[statuses[status], parts[1]] if status in statuses else parts[1]  # noqa: UP007
        if not wanted:
            others.append(parts[1])
    if any(unwrap_annotated(other)[0] is Any for other in others):
        return None
    return ReturnAnnotation(annotation, statuses, tuple(others))


def _statuses(annotation: Any) -> tuple[int, ...] | None:
    """The statuses that a tuple's first item spells out: none for `int`; None when it is no status at all."""
    plain, _ = unwrap_annotated(annotation)
    if plain is int:
        return ()
    values = get_args(plain) if get_origin(plain) is Literal else ()
    return tuple(values) if values and all(type(value) is int for value in values) else None


def _check_body(body: object, promised: tuple[Any, ...], what: str) -> None:
    members = [member for annotation in promised for member in split_union(annotation)]
    failures = [failure for failure in (_misfit(body, member) for member in members) if failure is not None]
    if len(failures) == len(members):
        names = " | ".join(getattr(annotation, "__name__", str(annotation)) for annotation in promised)
        raise ResponseError(f"{what} does not fit the return annotation {names}: {failures[0]}")


def _misfit(body: object, annotation: Any) -> str | None:
    """Why `body` is no `annotation`; None when it is one, or when that cannot be told."""
    plain, _ = unwrap_annotated(annotation)
    kind = NoneType if plain is None else get_origin(plain) or plain
    if _is_sent_as_it_is(kind) or not _is_data(annotation):
        return None if not isinstance(kind, type) or isinstance(body, kind) else f"got {type(body).__name__}"
    try:
        msgspec.json.decode(msgspec.json.encode(body), type=annotation)
    except (msgspec.ValidationError, TypeError) as error:
        return str(error)
    return None


def _is_sent_as_it_is(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, (*_NOT_JSON, pathlib.Path)) and not issubclass(kind, Enum)


def _is_data(annotation: Any) -> bool:
    try:
        describe_annotation(annotation)
    except UnsupportedTypeError:
        return False
    return True
