"""The OpenAPI document: which operations there are, what each asks for and answers, and how its types are called."""

# mypy: disable-error-code="empty-body"
import math
import sys
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import partialmethod
from pathlib import Path as FilePath
from typing import Annotated, Any, Generic, Literal, NamedTuple, TypedDict, TypeVar
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta, Struct
from openapi_spec_validator import validate

from micropie import (
    App,
    Body,
    Cookie,
    File,
    Form,
    Header,
    HTTPError,
    Path,
    Query,
    Request,
    Resource,
    ServerSentEvent,
    Session,
    SessionConfig,
    UploadFile,
    WebSocket,
    route,
)
from micropie.openapi import document
from micropie.openapi.docstrings import read_docstring
from micropie.openapi.schemas import Schemas
from tests.support.examples import EXAMPLES, example_app

T = TypeVar("T")


class New(Struct):
    """What a new one has."""

    title: Annotated[str, Meta(min_length=1, description="How it is called")]
    rank: int = 3


class Thing(New, kw_only=True):
    id: int


class Page(Struct, Generic[T]):
    items: list[T]
    next: int | None = None


class Problem(Struct):
    code: int


class Color(Enum):
    RED = "red"
    BLUE = "blue"


class Signup(Struct):
    name: str
    photo: UploadFile
    age: int | None = None


class Filter(Struct):
    text: str
    limit: Annotated[int, Meta(le=100)] = 10


@dataclass
class Point:
    x: int
    y: int = 0


class Cat(Struct, tag="cat"):
    lives: int


class Dog(Struct, tag="dog"):
    name: str


class Pair(NamedTuple):
    left: int
    right: str = ""


class Movie(TypedDict):
    title: str


def made(**handlers: Any) -> dict[str, Any]:
    """The valid document of an app with `handlers`."""
    app = type("Shop", (App,), handlers)()
    found = document(app)
    validate(found)
    return found


def operations(found: dict[str, Any]) -> list[str]:
    return [f"{method.upper()} {path}" for path, item in found["paths"].items() for method in item]


def operation(handler: Any, at: str = "") -> dict[str, Any]:
    """The operation of a method called `call`: the only one, or the one at `METHOD /path`."""
    found = made(call=handler)
    method, _, path = (at or operations(found)[0]).partition(" ")
    made_operation: dict[str, Any] = found["paths"][path][method.lower()]
    return made_operation


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_documents_of_the_examples_are_valid(name: str, tmp_path: FilePath) -> None:
    found = document(example_app(name, tmp_path))
    validate(found)
    assert found["openapi"] == "3.1.0"
    assert found["paths"]


# --- which operations there are ---------------------------------------------------------------------------------------


class Pinned:
    """Handlers, each with the operations that it is documented as."""

    async def nothing(self) -> None: ...
    async def optional(self, a: str = "", b: int = 1) -> None: ...
    async def required(self, a: str, b: int = 1) -> None: ...
    async def keyword(self, *, a: str) -> None: ...
    async def rest(self, a: str, *more: int) -> None: ...
    async def names(self, **more: int) -> None: ...
    async def body(self, thing: New) -> None: ...
    async def maybe_body(self, a: int = 0, thing: New | None = None) -> None: ...
    async def form(self, a: Annotated[str, Form()]) -> None: ...
    async def file(self, a: UploadFile) -> None: ...
    async def raw(self, a: Annotated[bytes, Body()]) -> None: ...
    async def stream(self, a: AsyncIterator[bytes]) -> None: ...
    async def session(self, a: Annotated[int, Session()]) -> None: ...
    async def request(self, request: Request) -> None: ...
    async def listed(self, a: list[int]) -> None: ...

    @route(methods=["POST"])
    async def posted(self, a: str, b: int = 1) -> None: ...
    @route(methods=["POST"])
    async def posted_rest(self, a: str, *more: str) -> None: ...
    @route(methods=["POST"])
    async def posted_there(self, a: Annotated[int, Path()], b: str = "") -> None: ...
    @route(methods=["PUT"])
    async def put_whole(self, a: int, thing: New) -> None: ...
    @route(methods=["DELETE"])
    async def deleted(self, a: int) -> None: ...
    @route(methods=["GET", "POST"])
    async def both(self, a: int) -> None: ...
    @route("/x/{a}/y/{b}", methods=["GET"])
    async def template(self, b: int, a: str, c: int = 1) -> None: ...
    @route("/all/{a}", methods=["GET"])
    async def template_rest(self, a: str, *more: str) -> None: ...
    @route("/any/{a}")
    async def template_any(self, a: str) -> None: ...
    @route("/über uns")
    async def quoted(self) -> None: ...


OPERATIONS = {
    "nothing": ["GET /call"],
    "optional": ["GET /call", "GET /call/{a}", "GET /call/{a}/{b}"],
    "required": ["GET /call/{a}", "GET /call/{a}/{b}"],
    "keyword": ["GET /call"],
    "rest": ["GET /call/{a}", "GET /call/{a}/{more}"],
    "names": ["GET /call"],
    "body": ["POST /call"],
    "maybe_body": ["GET /call", "GET /call/{a}", "POST /call", "POST /call/{a}"],
    "form": ["POST /call"],
    "file": ["POST /call"],
    "raw": ["POST /call"],
    "stream": ["POST /call"],
    "session": ["GET /call"],
    "request": ["GET /call"],
    "listed": ["GET /call"],
    "posted": ["POST /call"],
    "posted_rest": ["POST /call", "POST /call/{a}/{more}"],
    "posted_there": ["POST /call/{a}"],
    "put_whole": ["PUT /call/{a}"],
    "deleted": ["DELETE /call/{a}"],
    "both": ["GET /call/{a}", "POST /call"],
    "template": ["GET /x/{a}/y/{b}"],
    "template_rest": ["GET /all/{a}", "GET /all/{a}/{more}"],
    "template_any": ["GET /any/{a}"],
    "quoted": ["GET /%C3%BCber%20uns"],
}


@pytest.mark.parametrize("name", [name for name in vars(Pinned) if not name.startswith("_")])
def test_a_handler_is_documented_at_its_natural_urls(name: str) -> None:
    assert sorted(operations(made(call=vars(Pinned)[name]))) == OPERATIONS[name]


class Things(Resource):
    """All the things. More of them come."""

    async def get(self, id: int | None = None) -> list[Thing]: ...
    async def post(self, thing: New) -> tuple[Literal[201], Thing]: ...
    async def delete(self, id: int) -> None: ...
    async def count(self) -> int: ...


class Shop(App):
    """A shop.

    It sells things.
    """

    things = Things()

    async def index(self, page: str = "") -> str: ...
    async def sign_up(self) -> str: ...
    async def ws_chat(self, ws: WebSocket) -> None: ...
    def _hidden(self) -> None: ...


def test_all_that_an_app_holds_is_documented() -> None:
    found = document(Shop())
    validate(found)
    assert sorted(operations(found)) == [
        "DELETE /things/{id}",
        "GET /",
        "GET /sign_up",
        "GET /things",
        "GET /things/count",
        "GET /things/{id}",
        "GET /{page}",
        "POST /things",
    ]
    assert found["tags"] == [
        {"name": "Shop", "description": "A shop."},
        {"name": "Things", "description": "All the things. More of them come."},
    ]
    assert found["info"] == {"title": "Shop", "version": "0", "description": "A shop.\n\nIt sells things."}
    ids = [one["operationId"] for item in found["paths"].values() for one in item.values()]
    assert sorted(ids) == [
        "index",
        "index_by_page",
        "sign_up",
        "things_count",
        "things_delete",
        "things_get",
        "things_get_by_id",
        "things_post",
    ]


def test_what_another_route_answers_is_left_out() -> None:
    class Sides(Resource):
        async def get(self, a: str = "", b: str = "") -> None: ...

        @route("/{key}", methods=["GET"])
        async def read(self, key: int) -> None: ...

    assert operations(made(sides=Sides())) == ["GET /sides", "GET /sides/{a}/{b}", "GET /sides/{key}"]


def test_one_url_has_one_set_of_names() -> None:
    class Sides(Resource):
        @route("/{name}", methods=["PUT"])
        async def write(self, name: str) -> None: ...

        @route("/{key}", methods=["GET"])
        async def read(self, key: int) -> None: ...

    found = made(sides=Sides())
    assert operations(found) == ["PUT /sides/{name}", "GET /sides/{name}"]
    assert found["paths"]["/sides/{name}"]["get"]["parameters"][0]["name"] == "name"


def test_operations_of_one_handler_have_ids_of_their_own() -> None:
    class Sides(Resource):
        async def get(self) -> None: ...

    found = made(a=Sides(), b=Sides(), call=Pinned.maybe_body, a_get=Pinned.nothing)
    ids = [one["operationId"] for item in found["paths"].values() for one in item.values()]
    assert sorted(ids) == ["a_get", "a_get_2", "b_get", "call_get", "call_get_by_a", "call_post", "call_post_by_a"]


# --- what an operation asks for ---------------------------------------------------------------------------------------


class Asking:
    """Handlers, each with what it is said to take."""

    async def texts(
        self, *, a: int, b: str | None = None, c: bool = True, d: Decimal = Decimal(1), e: bytes = b"x"
    ) -> None: ...
    async def defaults(
        self, *, a: tuple[int, int] = (1, 2), b: frozenset[int] = frozenset(), c: float = math.inf
    ) -> None: ...
    async def choices(self, *, a: Color = Color.RED, b: Literal["x", 1, None] = None) -> None: ...
    async def many(self, *, a: Annotated[list[int], Meta(max_length=3)], b: frozenset[str] = frozenset()) -> None: ...
    async def headers(
        self, *, x_request_id: Annotated[str, Header()], accept: Annotated[str, Header()] = ""
    ) -> None: ...
    async def cookies(self, *, theme: Annotated[str, Cookie("colors")] = "dark") -> None: ...
    async def structured(self, wanted: Annotated[Filter, Query()]) -> None: ...
    async def optional_structure(self, wanted: Annotated[Filter | None, Query()] = None) -> None: ...
    async def structured_headers(self, wanted: Annotated[Filter, Header()]) -> None: ...
    async def whole_query(self, wanted: Annotated[dict[str, int], Query()]) -> None: ...
    async def rest(self, **more: int) -> None: ...
    async def said(self, *, a: Annotated[int, Meta(description="A number", examples=[3])]) -> None: ...


PARAMETERS: dict[str, list[dict[str, Any]]] = {
    "texts": [
        {"name": "a", "in": "query", "required": True, "schema": {"type": "integer"}},
        {"name": "b", "in": "query", "schema": {"type": "string"}},
        {"name": "c", "in": "query", "schema": {"type": "boolean", "default": True}},
        {"name": "d", "in": "query", "schema": {"type": "number", "default": 1}},
        {"name": "e", "in": "query", "schema": {"type": "string", "default": "x"}},
    ],
    "defaults": [
        {
            "name": "a",
            "in": "query",
            "schema": {
                "type": "array",
                "minItems": 2,
                "maxItems": 2,
                "prefixItems": [{"type": "integer"}, {"type": "integer"}],
                "items": False,
                "default": [1, 2],
            },
        },
        {
            "name": "b",
            "in": "query",
            "schema": {"type": "array", "items": {"type": "integer"}, "uniqueItems": True, "default": []},
        },
        {"name": "c", "in": "query", "schema": {"type": "number"}},
    ],
    "choices": [
        {"name": "a", "in": "query", "schema": {"$ref": "#/components/schemas/Color", "default": "red"}},
        {"name": "b", "in": "query", "schema": {"enum": [1, "x"]}},
    ],
    "many": [
        {
            "name": "a",
            "in": "query",
            "required": True,
            "schema": {"type": "array", "minItems": 1, "maxItems": 3, "items": {"type": "integer"}},
        },
        {
            "name": "b",
            "in": "query",
            "schema": {"type": "array", "items": {"type": "string"}, "uniqueItems": True, "default": []},
        },
    ],
    "headers": [{"name": "X-Request-Id", "in": "header", "required": True, "schema": {"type": "string"}}],
    "cookies": [{"name": "colors", "in": "cookie", "schema": {"type": "string", "default": "dark"}}],
    "structured": [
        {"name": "text", "in": "query", "required": True, "schema": {"type": "string"}},
        {"name": "limit", "in": "query", "schema": {"type": "integer", "maximum": 100, "default": 10}},
    ],
    "optional_structure": [
        {"name": "text", "in": "query", "schema": {"type": "string"}},
        {"name": "limit", "in": "query", "schema": {"type": "integer", "maximum": 100, "default": 10}},
    ],
    "structured_headers": [
        {"name": "Text", "in": "header", "required": True, "schema": {"type": "string"}},
        {"name": "Limit", "in": "header", "schema": {"type": "integer", "maximum": 100, "default": 10}},
    ],
    "whole_query": [
        {
            "name": "wanted",
            "in": "query",
            "style": "form",
            "explode": True,
            "schema": {"type": "object", "additionalProperties": {"type": "integer"}},
        }
    ],
    "rest": [
        {
            "name": "more",
            "in": "query",
            "style": "form",
            "explode": True,
            "schema": {"type": "object", "additionalProperties": {"type": "integer"}},
        }
    ],
    "said": [
        {
            "name": "a",
            "in": "query",
            "required": True,
            "description": "A number",
            "schema": {"type": "integer", "examples": [3]},
        }
    ],
}


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameters_are_documented_where_they_come_from(name: str) -> None:
    assert operation(vars(Asking)[name])["parameters"] == PARAMETERS[name]


JSON, URLENCODED, MULTIPART = "application/json", "application/x-www-form-urlencoded", "multipart/form-data"
FILE = {"type": "string", "format": "binary", "contentMediaType": "application/octet-stream"}
NEW = {"$ref": "#/components/schemas/New"}
KEYS = {
    "type": "object",
    "properties": {"a": {"type": "string"}, "b": {"type": "integer", "default": 1}},
    "required": ["a"],
}


def in_forms(schema: dict[str, Any]) -> dict[str, Any]:
    return dict.fromkeys((URLENCODED, MULTIPART), schema)


class Nested(Struct):
    name: str
    tags: list[str] = []
    thing: New | None = None
    things: list[New] = []


class Bodies:
    """Handlers, each with its body."""

    async def whole(self, thing: New) -> None: ...
    async def whole_json(self, thing: Annotated[New, Body()]) -> None: ...
    async def whole_form(self, thing: Annotated[New, Form()]) -> None: ...
    async def two(self, a: New, b: New) -> None: ...
    async def nested(self, pages: list[New]) -> None: ...
    async def nested_form(self, thing: Annotated[Nested, Form()]) -> None: ...
    async def upload(self, file: Annotated[UploadFile, File(max_size=10)], note: str = "") -> None: ...
    async def uploads(self, files: list[UploadFile]) -> None: ...
    async def signup(self, signup: Signup) -> None: ...
    async def beside(self, thing: New, photo: UploadFile) -> None: ...
    async def form_key(self, a: Annotated[str, Form("A")], *, b: Annotated[list[int], Form()]) -> None: ...
    async def tagged(self, pet: Annotated[Cat | Dog, Form()]) -> None: ...
    async def any_form(self, names: Annotated[dict[str, int], Form()]) -> None: ...
    async def positional(self, pair: Pair) -> None: ...
    async def mixed(self, a: Annotated[str, Form()], b: Annotated[int, Body()] = 1) -> None: ...
    async def json_key(self, a: Annotated[dict[str, int], Body("A")]) -> None: ...
    async def raw(self, data: Annotated[bytes, Body()]) -> None: ...
    async def lines(self, things: AsyncIterator[New]) -> None: ...
    @route(methods=["POST"])
    async def keys(self, a: str, b: int = 1) -> None: ...
    @route(methods=["POST"])
    async def rest(self, **more: int) -> None: ...


CONTENTS: dict[str, dict[str, Any]] = {
    "whole": {JSON: NEW, URLENCODED: NEW, MULTIPART: NEW},
    "whole_json": {JSON: NEW},
    "whole_form": {URLENCODED: NEW, MULTIPART: NEW},
    "two": {JSON: {"type": "object", "properties": {"a": NEW, "b": NEW}, "required": ["a", "b"]}},
    "nested": {JSON: {"type": "array", "items": NEW}},
    "nested_form": in_forms(
        {
            "type": "object",
            "properties": {
                "name": {"type": "string"},
                "tags": {"type": "array", "items": {"type": "string"}, "default": []},
            },
            "required": ["name"],
        }
    ),
    "upload": {
        MULTIPART: {
            "type": "object",
            "properties": {
                "file": {**FILE, "description": "At most 10 bytes."},
                "note": {"type": "string", "default": ""},
            },
            "required": ["file"],
        }
    },
    "uploads": {
        MULTIPART: {
            "type": "object",
            "properties": {"files": {"type": "array", "items": FILE, "minItems": 1}},
            "required": ["files"],
        }
    },
    "signup": {
        MULTIPART: {
            "type": "object",
            "properties": {"name": {"type": "string"}, "photo": FILE, "age": {"type": "integer"}},
            "required": ["name", "photo"],
        }
    },
    "beside": {
        MULTIPART: {"allOf": [NEW, {"type": "object", "properties": {"photo": FILE}, "required": ["photo"]}]},
    },
    "form_key": in_forms(
        {
            "type": "object",
            "properties": {
                "A": {"type": "string"},
                "b": {"type": "array", "items": {"type": "integer"}, "minItems": 1},
            },
            "required": ["A", "b"],
        },
    ),
    "tagged": in_forms(
        {"anyOf": [{"$ref": "#/components/schemas/Cat"}, {"$ref": "#/components/schemas/Dog"}]},
    ),
    "any_form": in_forms({"type": "object", "additionalProperties": {"type": "integer"}}),
    "positional": {
        JSON: {"$ref": "#/components/schemas/Pair"},
        **in_forms(
            {
                "type": "object",
                "properties": {"left": {"type": "integer"}, "right": {"type": "string", "default": ""}},
                "required": ["left"],
            }
        ),
    },
    "mixed": in_forms({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}),
    "json_key": {
        JSON: {
            "type": "object",
            "properties": {"A": {"type": "object", "additionalProperties": {"type": "integer"}}},
            "required": ["A"],
        }
    },
    "raw": {"application/octet-stream": FILE},
    "lines": {"application/jsonl": {"type": "string"}},
    "keys": {JSON: KEYS, URLENCODED: KEYS, MULTIPART: KEYS},
    "rest": in_forms({"type": "object", "properties": {}, "additionalProperties": {"type": "integer"}}),
}


@pytest.mark.parametrize("name", CONTENTS)
def test_bodies_are_documented_in_every_form_that_they_may_have(name: str) -> None:
    body = operation(vars(Bodies)[name])["requestBody"]
    assert {media: content["schema"] for media, content in body["content"].items()} == CONTENTS[name]
    assert body.get("required", False) is (name not in ("rest", "lines"))


@pytest.mark.parametrize(
    ("handler", "said"),
    [
        (Bodies.keys, "Each value may also come from the query, which takes precedence over the body."),
        (Bodies.upload, "note may also come from the query, which takes precedence over the body."),
        (Bodies.form_key, None),
    ],
)
def test_what_of_a_body_may_be_in_the_query_is_said(handler: Any, said: str | None) -> None:
    assert operation(handler)["requestBody"].get("description") == said


REFUSALS = {
    "nothing": ["default"],
    "optional": ["400", "default"],
    "session": ["400", "default"],
    "posted": ["400", "413", "default"],
    "body": ["400", "413", "415", "default"],
    "form": ["400", "413", "default"],
    "raw": ["400", "413", "default"],
}


@pytest.mark.parametrize("name", REFUSALS)
def test_the_refusals_that_can_occur_are_documented(name: str) -> None:
    responses = operation(vars(Pinned)[name])["responses"]
    assert [status for status in responses if status != "204"] == REFUSALS[name]


def test_the_lines_of_a_body_have_a_type() -> None:
    found = operation(Bodies.lines)
    assert found["requestBody"]["content"]["application/jsonl"]["x-line"] == NEW
    assert list(found["responses"]) == ["204", "400", "413", "415", "default"]


def test_a_restricted_file_may_be_refused_for_its_kind() -> None:
    async def call(self: App, file: Annotated[UploadFile, File(content_types=["image/*"])]) -> None: ...

    found = operation(call)
    assert "415" in found["responses"]
    assert found["requestBody"]["content"][MULTIPART]["encoding"] == {"file": {"contentType": "image/*"}}


class Basket(Struct):
    items: list[int] = []


class Owned(Struct):
    user: str


class Secured:
    async def token(self, authorization: Annotated[str, Header()]) -> None: ...
    async def key(self, x_api_key: Annotated[str | None, Header()] = None) -> None: ...
    async def cookie(self, auth_token: Annotated[str, Cookie()]) -> None: ...
    async def session(self, user: Annotated[str, Session()]) -> None: ...
    async def basket(self, basket: Annotated[Basket, Session()]) -> None: ...
    async def owned(self, basket: Annotated[Owned, Session()]) -> None: ...
    async def namesake(self, session: Annotated[str, Cookie()], user: Annotated[str, Session()]) -> None: ...
    async def several(
        self,
        user: Annotated[str, Session()],
        x_api_key: Annotated[str, Header()],
        *,
        cart: Annotated[list[int] | None, Session()] = None,
    ) -> None: ...


SCHEMES: dict[str, tuple[list[Any], dict[str, Any]]] = {
    "token": ([{"Authorization": []}], {"Authorization": {"type": "apiKey", "in": "header", "name": "Authorization"}}),
    "key": ([{"X-Api-Key": []}, {}], {"X-Api-Key": {"type": "apiKey", "in": "header", "name": "X-Api-Key"}}),
    "cookie": ([{"auth_token": []}], {"auth_token": {"type": "apiKey", "in": "cookie", "name": "auth_token"}}),
    "session": ([{"session": []}], {"session": {"type": "apiKey", "in": "cookie", "name": "sid"}}),
    "basket": ([{"session": []}, {}], {"session": {"type": "apiKey", "in": "cookie", "name": "sid"}}),
    "owned": ([{"session": []}], {"session": {"type": "apiKey", "in": "cookie", "name": "sid"}}),
    "namesake": (
        [{"session_cookie": [], "session": []}],
        {
            "session_cookie": {"type": "apiKey", "in": "cookie", "name": "session"},
            "session": {"type": "apiKey", "in": "cookie", "name": "sid"},
        },
    ),
    "several": (
        [{"session": [], "X-Api-Key": []}],
        {
            "session": {"type": "apiKey", "in": "cookie", "name": "sid"},
            "X-Api-Key": {"type": "apiKey", "in": "header", "name": "X-Api-Key"},
        },
    ),
}


@pytest.mark.parametrize("name", SCHEMES)
def test_credentials_are_security_schemes(name: str) -> None:
    app = type("Safe", (App,), {"call": vars(Secured)[name]})(sessions=SessionConfig(cookie="sid"))
    found = document(app)
    validate(found)
    (call,) = [one for item in found["paths"].values() for one in item.values()]
    assert (call["security"], found["components"]["securitySchemes"]) == SCHEMES[name]
    assert "parameters" not in call


# --- what it answers --------------------------------------------------------------------------------------------------

REF = {"$ref": "#/components/schemas/Thing"}
TEXT = {"schema": {"type": "string"}}
OTHER = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}, "text/plain": TEXT}


class Unknown:
    """What msgspec cannot describe."""


class Answers:
    async def text(self) -> str: ...
    async def octets(self) -> bytes: ...
    async def choice(self) -> Literal["a", "b"]: ...
    async def nothing(self) -> None: ...
    async def thing(self) -> Thing: ...
    async def maybe(self) -> Thing | None: ...
    async def either(self) -> Thing | str | list[int]: ...
    async def anything(self) -> Any: ...
    async def unsaid(self): ...  # type: ignore[no-untyped-def]  # that is what is tested
    async def file(self) -> FilePath: ...
    async def statuses(self) -> tuple[Literal[201], Thing] | tuple[Literal[404, 410], dict[str, str]]: ...
    async def with_headers(self) -> tuple[Literal[201], Thing, dict[str, str]]: ...
    async def no_content(self) -> tuple[Literal[204], None]: ...
    async def empty(self) -> tuple[Literal[202], None]: ...
    async def perhaps_empty(self) -> tuple[Literal[202], Thing | None]: ...
    async def iterable(self) -> Iterable[Thing]: ...
    async def any_status(self) -> tuple[int, str]: ...
    async def pair(self) -> tuple[str, int]: ...
    async def page(self) -> Page[Thing]: ...
    async def lines(self) -> AsyncIterator[Thing]:
        yield Thing(title="", id=1)

    def texts(self) -> Iterator[str]:
        yield ""

    async def events(self) -> AsyncIterator[ServerSentEvent[Thing]]:
        yield ServerSentEvent(Thing(title="", id=1))

    async def any_items(self) -> AsyncIterator[Any]:
        yield 1

    async def unknown(self) -> Unknown: ...
    async def plain_events(self) -> AsyncIterator[ServerSentEvent[Any]]:
        yield ServerSentEvent("")


RESPONSES: dict[str, dict[str, Any]] = {
    "text": {"200": {"text/html": TEXT}},
    "octets": {"200": {"text/html": TEXT}},
    "choice": {"200": {"text/html": {"schema": {"enum": ["a", "b"]}}}},
    "nothing": {"204": None},
    "thing": {"200": {JSON: {"schema": REF}}},
    "maybe": {"200": {JSON: {"schema": REF}}, "204": None},
    "either": {
        "200": {
            JSON: {"schema": {"anyOf": [REF, {"type": "array", "items": {"type": "integer"}}]}},
            "text/html": TEXT,
        }
    },
    "anything": {"200": {"*/*": {}}},
    "unsaid": {"200": {"*/*": {}}},
    "file": {"200": {"*/*": {"schema": FILE}}, "206": {"*/*": {"schema": FILE}}, "304": None},
    "statuses": {
        "201": {JSON: {"schema": REF}},
        "404": {JSON: {"schema": {"type": "object", "additionalProperties": {"type": "string"}}}},
        "410": {JSON: {"schema": {"type": "object", "additionalProperties": {"type": "string"}}}},
    },
    "with_headers": {"201": {JSON: {"schema": REF}}},
    "no_content": {"204": None},
    "empty": {"202": None},
    "perhaps_empty": {"202": {JSON: {"schema": REF}}},
    "iterable": {
        "200": {JSON: {"schema": {"type": "array", "items": REF}}, "application/jsonl": {**TEXT, "x-line": REF}}
    },
    "any_status": {"default": {"text/html": TEXT, **OTHER}},
    "pair": {
        "200": {
            JSON: {
                "schema": {
                    "type": "array",
                    "minItems": 2,
                    "maxItems": 2,
                    "prefixItems": [{"type": "string"}, {"type": "integer"}],
                    "items": False,
                }
            }
        }
    },
    "page": {"200": {JSON: {"schema": {"$ref": "#/components/schemas/Page_Thing_"}}}},
    "lines": {"200": {"application/jsonl": {**TEXT, "x-line": REF}}},
    "texts": {"200": {"text/html": TEXT}},
    "events": {"200": {"text/event-stream": {**TEXT, "x-event-data": REF}}},
    "any_items": {"200": {"*/*": {}}},
    "unknown": {"200": {JSON: {"schema": {}}}},
    "plain_events": {"200": {"text/event-stream": TEXT}},
}


@pytest.mark.parametrize("name", RESPONSES)
def test_each_status_of_a_return_annotation_is_documented(name: str) -> None:
    responses = operation(vars(Answers)[name])["responses"]
    found = {status: one.get("content") for status, one in responses.items() if "$ref" not in one}
    assert found == RESPONSES[name]
    assert "default" in responses


def test_a_status_of_the_handlers_own_is_merged_with_the_refusal() -> None:
    async def call(self: App, a: int) -> tuple[Literal[400], Thing] | str: ...

    response = operation(call)["responses"]["400"]
    assert response["content"] == {JSON: {"schema": REF}, **OTHER}


def test_errors_that_the_app_answers_itself_have_no_format_here() -> None:
    app = Shop()
    app.error_handlers[HTTPError] = lambda *_: (400, "no")
    found = document(app)
    validate(found)
    assert "Problem" not in found["components"]["schemas"]
    assert "content" not in found["components"]["responses"]["BadRequest"]


# --- docstrings -------------------------------------------------------------------------------------------------------


def google(self: App, count: int, name: str = "") -> str:
    """Say it.

    More of it.

    Args:
        count: How often,
            at most.
        name (str): Who says it.

    Returns:
        What was said.

    Raises:
        HTTPError: Never.
    """
    return name * count


def numpy(self: App, count: int, name: str = "") -> str:
    """Say it.

    More of it.

    Parameters
    ----------
    count : int
        How often,
        at most.
    name : str, optional
        Who says it.

    Returns
    -------
    What was said.
    """
    return name * count


def sphinx(self: App, count: int, name: str = "") -> str:
    """Say it.

    More of it.

    :param count: How often,
        at most.
    :param str name: Who says it.
    :returns: What was said.
    """
    return name * count


@pytest.mark.parametrize("handler", [google, numpy, sphinx])
def test_docstrings_say_what_a_handler_and_its_parameters_are(handler: Any) -> None:
    found = operation(handler, "GET /call/{count}/{name}")
    said = {one["name"]: one.get("description") for one in found["parameters"]}
    assert said == {"count": "How often, at most.", "name": "Who says it."}
    assert (found["summary"], found["description"]) == ("Say it.", "More of it.")
    assert found["responses"]["200"]["description"] == "What was said."


@given(st.text(st.sampled_from("ab :-\n*(),") | st.characters()))
def test_any_text_may_be_a_docstring(text: str) -> None:
    found = read_docstring(text)
    assert found.summary == " ".join(found.summary.split())
    assert all(name.strip("*") == name for name in found.parameters)


DOCSTRINGS: dict[str, tuple[str, dict[str, str], str]] = {
    "Just: a word": ("Just: a word", {}, ""),
    "Line one\nline two\n\nRest": ("Line one line two", {}, ""),
    "Say\n\nArgs:\n    *more: All of them\n    **names (int): By name\n\nReturns: no section": (
        "Say",
        {"more": "All of them", "names": "By name"},
        "",
    ),
    "Say\n\nParameters\n----------\na, b\n    Both\n\nNotes\n-----\nNothing": ("Say", {"a": "Both", "b": "Both"}, ""),
    "Say\n\n:param a: One\n\n:return: Two": ("Say", {"a": "One"}, "Two"),
    "Say\n\nReturns\n-------\nint\n    Two\n    of it": ("Say", {}, "Two of it"),
    "Say\n\nYields:\n    Each one": ("Say", {}, "Each one"),
    "Say\n\nArgs:\n    a: One\nMore of it\n\nReturns:\n    Two": ("Say", {"a": "One"}, "Two"),
    "": ("", {}, ""),
}


@pytest.mark.parametrize("text", DOCSTRINGS)
def test_docstrings_are_read_in_three_styles(text: str) -> None:
    found = read_docstring(text)
    assert (found.summary, found.parameters, found.returns) == DOCSTRINGS[text]


def test_the_version_is_that_of_the_apps_module(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "__version__", "1.2.3", raising=False)
    assert document(Shop())["info"]["version"] == "1.2.3"


def test_what_was_made_of_another_method_says_what_that_one_says() -> None:
    class Calls(App):
        def _say(self, name: str, *, times: int) -> str:
            """Say it."""
            return name * times

        twice = partialmethod(_say, times=2)

    assert document(Calls())["paths"]["/twice/{name}"]["get"]["summary"] == "Say it."


# --- types ------------------------------------------------------------------------------------------------------------

TYPES: list[Any] = [
    int, float, bool, str, bytes, UUID, date, timedelta, None, Any, Color, Literal["b", "a"],
    Annotated[int, Meta(ge=1, lt=5, multiple_of=2)], Annotated[str, Meta(pattern="^a", max_length=3)],
    Annotated[list[int], Meta(min_length=1)], set[str], frozenset[int], tuple[int, ...], tuple[int, str],
    dict[str, int], Annotated[dict[str, Any], Meta(max_length=2)], dict[Annotated[str, Meta(min_length=1)], int],
    int | None, int | str | None, New, Thing, Page[Thing], Point, Pair, Movie, Cat | Dog, Cat | Dog | None,
    list[Page[New]], Annotated[New, Meta(title="New one", examples=[1])],
]  # fmt: skip


def normal(schema: Any) -> Any:
    """`schema` without what says the same in two ways: an empty `required`, the order of what may be chosen."""
    if isinstance(schema, list):
        return [normal(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: normal(value) for name, value in schema.items() if not (name == "required" and value == [])}
    for name in ("anyOf", "enum"):
        if isinstance(found.get(name), list):
            found[name] = sorted(found[name], key=str)
    return found


@pytest.mark.parametrize("annotation", TYPES, ids=str)
def test_json_schemas_are_those_of_msgspec(annotation: Any) -> None:
    prefix = "#/components/schemas/"
    (theirs,), components = msgspec.json.schema_components([annotation], ref_template=prefix + "{name}")
    info = msgspec.inspect.type_info(annotation)
    ours = Schemas([info], prefix)
    assert (normal(ours.json(info)), normal(ours.components)) == (_flat(normal(theirs)), normal(components))


def _flat(schema: Any) -> Any:
    """msgspec puts the tagged ones of an optional union into a union of their own."""
    members = schema.get("anyOf", [])
    inner = next((one for one in members if "discriminator" in one), None)
    if inner is None:
        return schema
    return {"anyOf": sorted([*inner["anyOf"], *(one for one in members if one is not inner)], key=str)}


# Where msgspec says less than is known.
RICHER: dict[str, tuple[Any, Any]] = {
    "a date and time": (datetime, {"type": "string", "format": "date-time"}),
    "a local one": (Annotated[datetime, Meta(tz=False)], {"type": "string", "format": "date-time-local"}),
    "a local time": (Annotated[time, Meta(tz=False)], {"type": "string", "format": "time-local"}),
    "a file": (UploadFile, FILE),
}


@pytest.mark.parametrize("name", RICHER)
def test_json_schemas_say_more_where_more_is_known(name: str) -> None:
    annotation, expected = RICHER[name]
    info = msgspec.inspect.type_info(annotation)
    assert Schemas([info]).json(info) == expected


def test_a_decimal_is_text_that_is_a_number() -> None:
    info = msgspec.inspect.type_info(Decimal)
    assert Schemas([info]).json(info)["type"] == "string"
    assert Schemas([info]).text(info) == {"type": "number"}


def test_types_of_one_name_are_told_apart_by_their_modules() -> None:
    one = msgspec.defstruct("Thing", [("x", int)], module="shop.one")
    two = msgspec.defstruct("Thing", [("y", int)], module="shop.two")
    infos = [msgspec.inspect.type_info(cls) for cls in (one, two, Page[one], Page[two], New)]  # type: ignore[valid-type]
    assert sorted(Schemas(infos).components) == [
        "New",
        "shop.one.Thing",
        "shop.two.Thing",
        f"{__name__}.Page_shop.one.Thing_",
        f"{__name__}.Page_shop.two.Thing_",
    ]


def test_types_that_even_share_their_modules_are_numbered() -> None:
    first, second = (msgspec.defstruct("Thing", [("x", int)], module="shop") for _ in range(2))
    infos = [msgspec.inspect.type_info(cls) for cls in (first, second)]
    assert sorted(Schemas(infos).components) == ["shop.Thing", "shop.Thing_2"]


def test_a_problem_of_the_users_keeps_its_name() -> None:
    async def call(self: App) -> tuple[Literal[404], Problem]: ...

    schemas = made(call=call)["components"]["schemas"]
    assert list(schemas["Problem"]["properties"]) == ["code"]
    assert "errors" in schemas["micropie.Problem"]["properties"]


def test_a_class_that_refers_to_itself_is_one_component() -> None:
    async def call(self: App, tree: Tree) -> Tree: ...

    assert made(call=call)["components"]["schemas"]["Tree"]["properties"]["below"]["items"] == {
        "$ref": "#/components/schemas/Tree"
    }


class Tree(Struct):
    below: list["Tree"] = []
