"""These tests show how parameters become OpenAPI parameters, request bodies and security schemes."""

# mypy: disable-error-code="empty-body"
import math
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Annotated, Any, Literal

import pytest
from msgspec import Meta, Struct
from openapi_spec_validator import validate

from micropie import App, Body, Cookie, File, Form, Header, Query, Session, SessionConfig, UploadFile, route
from micropie.openapi import document
from micropie.openapi.inputs import TEXT
from tests.openapi.apps import (
    FILE,
    JSON,
    MULTIPART,
    NEW,
    URLENCODED,
    Cat,
    Color,
    Dog,
    Filter,
    New,
    Pair,
    Signup,
    find_operation,
)


class Asking:
    """Handlers, for which `PARAMETERS` lists the documented parameters."""

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
    async def described(self, *, a: Annotated[int, Meta(description="A number", examples=[3])]) -> None: ...


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
    "described": [
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
def test_parameters_are_documented_at_their_sources(name: str) -> None:
    assert find_operation(vars(Asking)[name])["parameters"] == PARAMETERS[name]


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
    """Handlers, for which `CONTENTS` lists the media types and schemas of the body."""

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
    async def numbers(self, numbers: Annotated[list[int], Body()]) -> None: ...
    async def text(self, text: Annotated[str, Body()]) -> None: ...
    async def lines(self, things: AsyncIterator[New]) -> None: ...
    @route(methods=["POST"])
    async def keys(self, a: str, b: int = 1) -> None: ...
    @route(methods=["POST"])
    async def rest(self, **more: int) -> None: ...


CONTENTS: dict[str, dict[str, Any]] = {
    "whole": {JSON: NEW, URLENCODED: NEW, MULTIPART: NEW},
    "whole_json": {JSON: NEW},
    "numbers": {JSON: {"type": "array", "items": {"type": "integer"}}},
    "text": {JSON: {"type": "string"}, TEXT: {"type": "string"}},
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
def test_body_is_documented_for_every_media_type_that_can_carry_it(name: str) -> None:
    body = find_operation(vars(Bodies)[name])["requestBody"]
    assert {media_type: content["schema"] for media_type, content in body["content"].items()} == CONTENTS[name]
    assert body.get("required", False) is (name not in ("rest", "lines"))


@pytest.mark.parametrize(
    ("handler", "description"),
    [
        (Bodies.keys, "Each value may also come from the query, which takes precedence over the body."),
        (Bodies.upload, "note may also come from the query, which takes precedence over the body."),
        (Bodies.form_key, None),
    ],
)
def test_body_description_names_values_that_may_come_from_the_query(handler: Any, description: str | None) -> None:
    assert find_operation(handler)["requestBody"].get("description") == description


def test_json_lines_body_has_the_type_of_its_lines() -> None:
    operation = find_operation(Bodies.lines)
    assert operation["requestBody"]["content"]["application/jsonl"]["x-line"] == NEW
    assert list(operation["responses"]) == ["204", "400", "413", "415", "default"]


def test_file_with_content_types_can_be_refused_with_415() -> None:
    async def call(self: App, file: Annotated[UploadFile, File(content_types=["image/*"])]) -> None: ...

    operation = find_operation(call)
    assert "415" in operation["responses"]
    assert operation["requestBody"]["content"][MULTIPART]["encoding"] == {"file": {"contentType": "image/*"}}


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
    doc = document(app)
    validate(doc)
    (call,) = [operation for item in doc["paths"].values() for operation in item.values()]
    assert (call["security"], doc["components"]["securitySchemes"]) == SCHEMES[name]
    assert "parameters" not in call
