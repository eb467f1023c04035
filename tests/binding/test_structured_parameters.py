"""A structured parameter is built from a whole body, a key of it, or the names of one source (SPEC 3)."""

from dataclasses import dataclass
from typing import Annotated, Any, TypedDict

import attrs
import pytest
from msgspec import Struct

from micropie import App, Cookie, Form, Header, Query
from tests.binding.bound_values import Box, Cat, Dog, Named, Page, Todo, bound_value
from tests.support.asgi import FORM, JSON, MULTIPART, RawHeaders, call, form_data

# --- structured parameters --------------------------------------------------------------------------------------------


@dataclass(slots=True)  # without slots msgspec leaves defaults out of what it encodes
class Data:
    title: str
    priority: int = 3


class Typed(TypedDict):
    title: str


@attrs.define
class Attrs:
    title: str
    priority: int = 3


def structured(annotation: Any, default: Any = ...) -> App:
    class Api(App):
        async def h(self, v: annotation) -> object:  # pyright: ignore[reportInvalidTypeForm]
            return {"v": v}

        if default is not ...:

            async def o(self, v: annotation = default) -> object:  # pyright: ignore[reportInvalidTypeForm]
                return {"v": v}

    return Api()


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (Todo, {"title": "x", "priority": 3}),
        (Data, {"title": "x", "priority": 3}),
        (Typed, {"title": "x"}),
        (Attrs, {"title": "x", "priority": 3}),
        (Box[str], {"title": "x"}),
        (dict, {"title": "x"}),
        (dict[str, str], {"title": "x"}),
        (dict[str, Any], {"title": "x"}),
        (Cat | Dog, {"type": "Cat", "title": "x"}),
        (Todo | None, {"title": "x", "priority": 3}),
    ],
)
def test_structured_parameter_takes_the_whole_json_body_or_form(annotation: Any, value: object) -> None:
    app = structured(annotation)
    tag = {"type": "Cat"} if annotation == Cat | Dog else {}
    json = b'{"title":"x"%s}' % (b',"type":"Cat"' if tag else b"")
    assert bound_value("POST", "/h", json, JSON, app) == value
    assert (
        bound_value("POST", "/h", json, [(b"content-type", b"Application/Vnd.Api+JSON; charset=utf-8")], app) == value
    )
    assert bound_value("POST", "/h", b"title=x" + (b"&type=Cat" if tag else b""), FORM, app) == value
    assert bound_value("POST", "/h", form_data({"title": "x"} | tag), MULTIPART, app) == value


def test_named_tuple_is_an_array_in_json_and_names_in_a_form() -> None:
    app = structured(Named)
    assert bound_value("POST", "/h", b'["x"]', JSON, app) == ["x", 3]
    assert bound_value("POST", "/h", b"title=x&priority=5", FORM, app) == ["x", 5]


@pytest.mark.parametrize(
    ("annotation", "body", "value"),
    [
        (list[Todo], b'[{"title":"x"}]', [{"title": "x", "priority": 3}]),
        (list[list[int]], b"[[1],[2]]", [[1], [2]]),
        (dict[str, Todo], b'{"a":{"title":"x"}}', {"a": {"title": "x", "priority": 3}}),
        (dict[int, bool], b'{"1":true}', {"1": True}),
        (Todo | None, b"null", None),
        (Box[Box[list[int]]], b'{"title":{"title":[1]}}', {"title": {"title": [1]}}),
    ],
)
def test_structured_parameter_can_be_any_json_value(annotation: Any, body: bytes, value: object) -> None:
    assert bound_value("POST", "/h", body, JSON, structured(annotation)) == value


@pytest.mark.parametrize("annotation", [Todo | None, dict | None, list[Todo] | None])
def test_optional_body_is_the_default_when_there_is_none(annotation: Any) -> None:
    app = structured(annotation, None)
    assert bound_value("GET", "/o", app=app) is None
    assert bound_value("POST", "/o", app=app) is None
    assert bound_value("POST", "/o", headers=JSON, app=app) is None
    assert call(app, "POST", "/o", b"x", [(b"content-type", b"text/plain")]).status == 415
    assert call(app, "GET", "/h").status == 400


class AllOptional(Struct):
    title: str = "untitled"


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (b"application/x-www-form-urlencoded", b""),
        (b"application/x-www-form-urlencoded", b"&"),
        (b"multipart/form-data; boundary=x", b"--x--\r\n"),
    ],
)
@pytest.mark.parametrize(
    "annotation", [Todo | None, AllOptional | None, Annotated[Todo | None, Form()], Cat | Dog | None]
)
def test_optional_form_is_the_default_when_it_has_no_names(annotation: Any, content_type: bytes, body: bytes) -> None:
    headers = [(b"content-type", content_type)]
    assert bound_value("POST", "/o", body, headers, app=structured(annotation, None)) is None
    assert call(structured(annotation, None), "POST", "/o", b"x", [(b"content-type", b"text/plain")]).status == 415


def test_optional_form_with_names_is_read() -> None:
    assert call(structured(Todo | None, None), "POST", "/o", b"x=1", FORM).status == 400
    assert bound_value("POST", "/o", b"x=1", FORM, app=structured(AllOptional | None, None)) == {"title": "untitled"}


class Two(App):
    async def h(self, a: Todo, b: Box[int], note: str = "", page: Annotated[Page, Query()] = Page()) -> object:  # noqa: B008
        return {"v": [a.title, b.title, note, page.page]}


def test_two_structured_parameters_are_top_level_keys() -> None:
    body = b'{"b":{"title":5},"a":{"title":"x"},"note":"n","page":7}'
    assert bound_value("POST", "/h?page=2", body, JSON, Two()) == ["x", 5, "n", 2]
    assert call(Two(), "POST", "/h", b"a=1&b=2", FORM).status == 415


class Sources(App):
    async def query(self, page: Annotated[Page, Query()], q: str = "") -> object:
        return {"v": [page.page, page.size, q]}

    async def maybe_query(self, page: Annotated[Page | None, Query()] = None) -> object:
        return {"v": page}

    async def all_query(self, names: Annotated[dict[str, list[str]], Query()]) -> object:
        return {"v": names}

    async def maybe_all(self, names: Annotated[dict[str, str] | None, Query()] = None) -> object:
        return {"v": names}

    async def union(self, pet: Annotated[Cat | Dog, Query()]) -> object:
        return {"v": pet}

    async def form(self, todo: Annotated[Todo, Form()], page: Annotated[Page, Query()]) -> object:
        return {"v": [todo.title, page.page]}

    async def header(self, wanted: Annotated["Wanted", Header()]) -> object:
        return {"v": [wanted.x_request_id, wanted.accept]}

    async def maybe_header(self, wanted: Annotated["Wanted | None", Header()] = None) -> object:
        return {"v": wanted}

    async def all_headers(self, headers: Annotated[dict[str, str], Header()]) -> object:
        return {"v": headers}

    async def cookie(self, crumbs: Annotated[Todo, Cookie()]) -> object:
        return {"v": crumbs}

    async def named(self, point: Annotated[Named, Query()]) -> object:
        return {"v": point}


class Wanted(Struct):
    x_request_id: int
    accept: list[str] = []


@pytest.mark.parametrize(
    ("path", "body", "headers", "value"),
    [
        ("/query?page=2&q=x&other=1", b"", (), [2, 10, "x"]),
        ("/query", b"", (), [1, 10, ""]),
        ("/maybe_query?q=x", b"", (), None),
        ("/maybe_query?size=5", b"", (), {"page": 1, "size": 5}),
        ("/all_query?a=1&a=2&b=", b"", (), {"a": ["1", "2"], "b": [""]}),
        ("/maybe_all", b"", (), None),
        ("/maybe_all?a=1", b"", (), {"a": "1"}),
        ("/union?type=Dog&bark=5", b"", (), {"type": "Dog", "bark": 5}),
        ("/form?page=2&title=q", b"title=f&page=9", FORM, ["f", 2]),
        ("/header", b"", [(b"X-Request-ID", b"5"), (b"accept", b"a"), (b"accept", b"b")], [5, ["a", "b"]]),
        ("/maybe_header", b"", [(b"host", b"x")], None),
        ("/all_headers", b"", [(b"X-A", b"1"), (b"b", b"2"), (b"B", b"3")], {"x-a": "1", "b": "2"}),
        ("/cookie", b"", [(b"cookie", b"title=x; priority=5; other=1")], {"title": "x", "priority": 5}),
        ("/named?title=x", b"", (), ["x", 3]),
    ],
)
def test_structured_parameter_is_built_from_the_names_of_its_source(
    path: str, body: bytes, headers: RawHeaders, value: object
) -> None:
    assert bound_value("POST" if body else "GET", path, body, headers, Sources()) == value
