"""These tests show what a return annotation promises, and which results it refuses."""

from collections.abc import AsyncIterator, Generator, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from pathlib import Path, PosixPath
from typing import Annotated, Any, Literal, NamedTuple, NewType

import pytest
from msgspec import Meta, Struct

from micropie import App, ResponseError, ServerSentEvent
from micropie.binding.return_annotation import BodyKind, read_return_annotation
from tests.support.asgi import call


class Todo(Struct):
    title: str
    priority: Annotated[int, Meta(le=5)] = 3


class Problem(Struct):
    reason: str


class Point(NamedTuple):
    x: int


@dataclass
class User:
    name: str


class Text(str):
    """A subclass of str, such as markup."""


class Size(StrEnum):
    SMALL = "S"


Name = NewType("Name", str)


@pytest.mark.parametrize(
    ("annotation", "statuses", "any_status"),
    [
        (str, {}, (str,)),
        (None, {}, (None,)),
        (Todo | None, {}, (Todo, type(None))),
        (tuple[int, Todo], {}, (Todo,)),
        (tuple[Literal[201], Todo], {201: Todo}, ()),
        (tuple[Literal[200, 201], Todo], {200: Todo, 201: Todo}, ()),
        (tuple[Literal[201], Todo, list[tuple[str, str]]], {201: Todo}, ()),
        (tuple[Literal[201], Todo] | tuple[Literal[404], Problem], {201: Todo, 404: Problem}, ()),
        (tuple[Literal[201], Todo] | tuple[Literal[201], None], {201: Todo | None}, ()),
        (tuple[Literal[201], None] | tuple[Literal[201], str], {201: str | None}, ()),
        (Todo | tuple[Literal[404], Problem], {404: Problem}, (Todo,)),
        (tuple[str, Todo], {}, (tuple[str, Todo],)),
        (tuple[Literal["a"], Todo], {}, (tuple[Literal["a"], Todo],)),
        (tuple[int, ...], {}, (tuple[int, ...],)),
        (Point, {}, (Point,)),
    ],
)
def test_annotation_promises_a_body_for_each_status(
    annotation: Any, statuses: dict[int, Any], any_status: tuple[Any, ...]
) -> None:
    returns = read_return_annotation(annotation)
    assert returns is not None
    assert (returns.statuses, returns.any_status) == (statuses, any_status)
    assert returns.annotation is annotation


class Rows(AsyncIterator[Todo]):
    """A stream of the user's own class."""


@pytest.mark.parametrize(
    ("annotation", "kinds"),
    [
        (Any | None, [BodyKind.ANYTHING, BodyKind.NOTHING]),
        (object, [BodyKind.ANYTHING]),
        (None, [BodyKind.NOTHING]),
        (Text | Literal["a", "b"], [BodyKind.TEXT, BodyKind.TEXT]),
        (bytes | memoryview, [BodyKind.BYTES, BodyKind.BYTES]),
        (Path | PosixPath, [BodyKind.FILE, BodyKind.FILE]),
        (ServerSentEvent[Todo], [BodyKind.EVENT]),
        (AsyncIterator[str] | Generator[int] | Rows, [BodyKind.STREAM, BodyKind.STREAM, BodyKind.STREAM]),
        (Iterable[Todo], [BodyKind.LIST_OR_STREAM]),
        (Todo | Size | list[int] | Literal["a", 1], [BodyKind.JSON, BodyKind.JSON, BodyKind.JSON, BodyKind.JSON]),
        (Annotated[str, Meta(max_length=3)] | Name, [BodyKind.TEXT, BodyKind.TEXT]),
    ],
)
def test_body_has_the_kind_in_which_it_is_sent(annotation: Any, kinds: list[BodyKind]) -> None:
    returns = read_return_annotation(tuple[Literal[200], annotation])
    assert returns is not None
    assert [body.kind for body in returns.responses[0].bodies] == kinds


@pytest.mark.parametrize(
    ("annotation", "item", "kinds"),
    [
        (AsyncIterator[Todo | str], Todo | str, [BodyKind.JSON, BodyKind.TEXT]),
        (Iterable[Todo], Todo, [BodyKind.JSON]),
        (Generator, Any, [BodyKind.ANYTHING]),
        (Rows, Any, [BodyKind.ANYTHING]),
        (Iterator[ServerSentEvent[int]], ServerSentEvent[int], [BodyKind.EVENT]),
        (ServerSentEvent[int], int, [BodyKind.JSON]),
    ],
)
def test_stream_and_event_have_the_types_of_their_items(annotation: Any, item: Any, kinds: list[BodyKind]) -> None:
    returns = read_return_annotation(annotation)
    assert returns is not None
    (body,) = returns.responses[0].bodies
    assert body.item == item
    assert [member.kind for member in body.items] == kinds


@pytest.mark.parametrize(
    ("annotation", "content_type"),
    [
        (AsyncIterator[Todo], "application/jsonl"),
        (Iterable[Todo] | tuple[Literal[404], Problem], "application/jsonl"),
        (AsyncIterator[str | bytes], "text/html; charset=utf-8"),
        (AsyncIterator[Literal["a", "b"]], "text/html; charset=utf-8"),
        (AsyncIterator[ServerSentEvent[Todo]], "text/event-stream"),
        (AsyncIterator[Todo] | AsyncIterator[str], None),
        (AsyncIterator[Any], None),
        (Todo, None),
    ],
)
def test_stream_has_the_content_type_of_its_items(annotation: Any, content_type: str | None) -> None:
    returns = read_return_annotation(annotation)
    assert returns is not None
    assert returns.stream_type == content_type


@pytest.mark.parametrize("annotation", [Any, object, Any | Todo, tuple[int, Any], Annotated[Any, "x"]])
def test_annotation_of_anything_promises_nothing(annotation: Any) -> None:
    assert read_return_annotation(annotation) is None


@pytest.mark.parametrize(
    ("annotation", "status", "body"),
    [
        (str, 200, "x"),
        (bytes, 200, b"x"),
        (Name, 200, "x"),
        (None, 204, None),
        (int, 200, 5),
        (Todo, 200, Todo("x")),
        (Todo, 200, {"title": "x"}),
        (User, 200, User("x")),
        (date, 200, date(2024, 1, 1)),
        (Todo | None, 200, None),
        (list[Todo], 200, [Todo("x")]),
        (dict[str, int], 200, {"a": 1}),
        (Path, 200, Path("x")),
        (AsyncIterator[str], 200, App().lifespan.__wrapped__(App())),  # type: ignore[attr-defined]
        (Iterator[str], 200, iter([])),
        (Generator[str], 200, (x for x in "")),
        (tuple[int, Todo], 418, Todo("x")),
        (tuple[Literal[201], Todo] | tuple[Literal[404], Problem], 404, Problem("x")),
        (Todo | tuple[Literal[404], Problem], 200, Todo("x")),
        (App, 200, App()),
        (Text, 200, Text("x")),
        (Size, 200, Size.SMALL),
        (Size, 200, "S"),
        (Literal["ok"], 200, "ok"),
        (tuple[int, ...], 200, (1, 2, 3)),
        (tuple[Literal[200], Any], 200, object()),
        (Iterable[Todo], 200, [Todo("x")]),
    ],
)
def test_result_that_fits_the_annotation_passes(annotation: Any, status: int, body: object) -> None:
    returns = read_return_annotation(annotation)
    assert returns is not None
    returns.keep_declared(status, body, check=True)


@pytest.mark.parametrize(
    ("annotation", "status", "body", "message"),
    [
        (str, 200, 5, "the result does not fit the return annotation str: Expected `str`, got `int`"),
        (bytes, 200, "x", "the result does not fit the return annotation bytes: Expected `bytes`, got `str`"),
        (None, 204, "x", "the result does not fit the return annotation None: Expected `None`, got `str`"),
        (Todo, 200, {"title": 5}, "the return annotation Todo: Expected `str`, got `int` - at `$.title`"),
        (list[int], 200, ["x"], "the result does not fit the return annotation list[int]: Expected `int`, got `str`"),
        (Todo, 200, Todo("x", 9), "the return annotation Todo: Expected `int` <= 5 - at `$.priority`"),
        (Todo | None, 200, "x", "the return annotation Todo | None: Expected `Optional[Todo]`, got `str`"),
        (list[Todo], 200, [{"title": 5}], "at `$[0].title`"),
        (dict[str, int], 200, "{}", "Expected `dict[str, int]`, got `str`"),
        (list[int], 200, b"[]", "Expected `list[int]`, got `bytes`"),
        (Text, 200, "x", "Expected `Text`, got `str`"),
        (Size, 200, "M", "Expected `Size`, got `str`"),
        (Path, 200, "x", "Expected `Path`, got `str`"),
        (Iterator[str], 200, "x", "Expected `Iterator[str]`, got `str`"),
        (tuple[Literal[201], Todo], 200, Todo("x"), "status 200 is not among those that the return annotation"),
        (tuple[Literal[201], Todo] | tuple[Literal[404], Problem], 404, Todo("x"), "the body for status 404 does not"),
        (Todo | tuple[Literal[404], Problem], 200, Problem("x"), "the result does not fit the return annotation Todo"),
        (App, 200, 5, "Expected `App`, got `int`"),
        (Todo, 200, object(), "`object` has no `title` - at `$.title`"),
    ],
)  # fmt: skip
def test_result_that_does_not_fit_raises_an_error_that_names_the_field(
    annotation: Any, status: int, body: object, message: str
) -> None:
    returns = read_return_annotation(annotation)
    assert returns is not None
    with pytest.raises(ResponseError) as caught:
        returns.keep_declared(status, body, check=True)
    assert message in str(caught.value)


class Api(App):
    async def good(self) -> tuple[Literal[201], Todo]:
        return 201, Todo("x")

    async def bad(self) -> Todo:
        return Todo(5)  # type: ignore[arg-type]  # pyright: ignore


@pytest.mark.parametrize(("debug", "status"), [(True, 500), (False, 200)])
def test_results_are_checked_in_debug_mode(debug: bool, status: int, caplog: pytest.LogCaptureFixture) -> None:
    app = Api(debug=debug)
    assert call(app, "GET", "/good").status == 201
    assert call(app, "GET", "/bad").status == status
    assert ("at `$.title`" in caplog.text) is debug
