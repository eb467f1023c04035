"""This module holds an app with handlers of all kinds, to which other test files build URLs."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Annotated, Literal

from msgspec import Meta, Struct

from micropie import (
    App,
    Body,
    Cookie,
    Form,
    Header,
    Path,
    Query,
    Request,
    Resource,
    Session,
    UploadFile,
    WebSocket,
    route,
)


class Colour(Enum):
    RED = "red"
    ODD = "a/b"


class Filter(Struct):
    page: int = 1
    tags: list[str] = []
    owner: str | None = None


class Todos(Resource):
    async def get(self, id: int, *, deep: bool = False) -> str:
        return f"{id} {deep}"

    async def post(self, todo: Filter) -> str:
        return ""

    async def done(self, id: int) -> str:
        return f"done {id}"


class Index(Resource):
    async def get(self) -> str:
        return "index"


class Admin(App):
    index_of = Index()

    async def index(self) -> str:
        return "admin"

    async def user(self, id: int) -> str:
        return f"admin {id}"


class Shop(App):
    todos = Todos()
    admin = Admin()

    async def index(self, *rest: str) -> list[str]:
        return list(rest)

    async def user(self, id: int, verbose: bool = False) -> None: ...
    async def greet(self, name: str = "Guest") -> None: ...
    async def two(self, a: int = 1, b: int = 2) -> None: ...
    async def scalars(self, value: int | float | Decimal | str, *, when: datetime | date | None = None) -> None: ...
    async def either(self, value: int | str) -> None: ...
    async def many(self, ids: list[int], *, names: set[str] | None = None) -> None: ...
    async def kinds(self, *, colour: Colour = Colour.RED, how: Literal["a b", 1] = 1, raw: bytes = b"") -> None: ...
    async def span(self, *, at: datetime, during: timedelta) -> None: ...
    async def optional(self, *, number: int | None, text: str | None = "x") -> None: ...
    async def filtered(self, wanted: Annotated[Filter, Query()]) -> None: ...
    async def aliased(self, value: Annotated[int, Query("x y")]) -> None: ...
    async def files(self, *parts: str) -> None: ...
    async def numbers(self, first: int, *rest: int) -> None: ...
    async def options(self, /, **options: int) -> None: ...
    async def lists(self, /, **options: list[int]) -> None: ...
    async def unannotated(self, value, *, other=None): ...  # type: ignore[no-untyped-def]  # as it says
    async def pinned(self, a: Annotated[int, Path()] = 1, b: Annotated[str, Path()] = "x") -> None: ...
    async def behind(self, a: int, b: Annotated[int, Path()]) -> None: ...
    async def limited(self, page: Annotated[int, Meta(ge=1)]) -> None: ...
    async def größe(self, maß: str) -> None: ...
    async def about(self, request: Request, user: Annotated[str, Session()], id: int) -> None: ...
    async def posted(self, key: Annotated[str, Header()], sid: Annotated[str, Cookie()], id: int) -> None: ...
    async def stored(self, file: UploadFile, note: Annotated[str, Form()], key: Annotated[int, Body()]) -> None: ...
    async def ws_chat(self, ws: WebSocket, room: str = "lobby", *, quiet: bool = False) -> None: ...
    async def ws_index(self, ws: WebSocket) -> None: ...

    @route("/users/{id}/posts/{post}")
    async def posts(self, id: int, post: str, *, sort: str = "new") -> None: ...

    @route("/tree/{top}")
    async def tree(self, top: str, *below: str) -> None: ...

    @route("/a b/{page}")
    async def spaced(self, page: int = 1) -> None: ...

    @route("/users/me/posts/{post}")
    async def mine(self, post: str) -> None: ...

    @route("/only", methods=["POST", "DELETE"])
    async def only(self) -> None: ...

    @staticmethod
    def ping(count: int) -> None: ...

    @classmethod
    def pong(cls, count: int) -> None: ...


app = Shop()
