"""These tests share types, handlers and apps, and helpers that make their documents."""

# mypy: disable-error-code="empty-body"
from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any, Generic, Literal, NamedTuple, TypedDict, TypeVar

from msgspec import Meta, Struct
from openapi_spec_validator import validate

from micropie import App, Body, Form, Path, Request, Resource, Session, UploadFile, WebSocket, route
from micropie.openapi import document

T = TypeVar("T")


class New(Struct):
    """A thing before it is stored."""

    title: Annotated[str, Meta(min_length=1, description="Its title")]
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


JSON, URLENCODED, MULTIPART = "application/json", "application/x-www-form-urlencoded", "multipart/form-data"
FILE = {"type": "string", "format": "binary", "contentMediaType": "application/octet-stream"}
NEW = {"$ref": "#/components/schemas/New"}
REF = {"$ref": "#/components/schemas/Thing"}
TEXT = {"schema": {"type": "string"}}
ERRORS = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}, "text/plain": TEXT}


class Handlers:
    """Handlers, for which `OPERATIONS` lists the documented operations."""

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


def make_document(**handlers: Any) -> dict[str, Any]:
    """Make the document of an app with `handlers`, and validate it."""
    app = type("Shop", (App,), handlers)()
    doc = document(app)
    validate(doc)
    return doc


def list_operations(doc: dict[str, Any]) -> list[str]:
    return [f"{method.upper()} {path}" for path, item in doc["paths"].items() for method in item]


def find_operation(handler: Any, at: str = "") -> dict[str, Any]:
    """Document `handler` as a method `call`, and return its only operation, or the one at `METHOD /path`."""
    doc = make_document(call=handler)
    method, _, path = (at or list_operations(doc)[0]).partition(" ")
    operation: dict[str, Any] = doc["paths"][path][method.lower()]
    return operation
