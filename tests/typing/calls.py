"""This file checks the types of `app.url` and of a client's calls, which follow from the handler. It is never run."""

from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, assert_type

from msgspec import Struct

from micropie import (
    ELSEWHERE,
    App,
    Header,
    Request,
    Resource,
    ServerSentEvent,
    Session,
    UploadFile,
    WebSocket,
    route,
)
from micropie.client import Client, Stream, upload


class Todo(Struct):
    title: str


class Gone(Struct):
    detail: str


class Todos(Resource):
    async def get(self, id: int) -> tuple[Literal[200], Todo] | tuple[Literal[404], Gone]:
        assert_type(self.url(Todos.get, id), str)
        return 200, Todo("x")

    async def post(self, todo: Todo) -> tuple[Literal[201], Todo]:
        return 201, todo


class Api(App):
    todos = Todos()

    async def user(self, id: int, verbose: bool = False) -> Todo:
        assert_type(self.url(self.user, 3), str)
        return Todo("x")

    def page(self, /, *names: str, **options: int) -> str:  # "/", otherwise `self` could be one of the options
        return "x"

    async def nothing(self) -> None: ...

    async def raw(self) -> bytes:
        return b""

    async def report(self) -> Path:
        return Path("report.pdf")

    async def whatever(self) -> Any: ...

    @route("/a/{id}", methods=["GET"])
    async def by_id(self, id: int, x_key: Annotated[str, Header()]) -> dict[str, int]:
        return {}

    async def cart(self, request: Request, user: Annotated[str, Session()], item: int) -> list[int]:
        return []

    async def store(self, file: UploadFile) -> int:
        return 1

    async def rows(self, count: int) -> AsyncIterator[Todo]:
        yield Todo("x")

    async def events(self) -> AsyncGenerator[ServerSentEvent[Todo], None]:
        yield ServerSentEvent(Todo("x"))

    def lines(self) -> Iterator[Todo]:
        yield Todo("x")

    async def ws_chat(self, ws: WebSocket, room: str) -> None: ...


def urls(app: Api) -> None:
    assert_type(app.url(Api.user, 3), str)
    assert_type(app.url(Api.user, 3, verbose=True), str)
    assert_type(app.url(Api.user, id=3), str)
    assert_type(app.url(app.user, 3, verbose=True), str)
    assert_type(app.url(Api.page, "a", "b", size=3), str)
    assert_type(app.url(Api.nothing), str)
    assert_type(app.url(app.nothing), str)
    assert_type(app.url(Todos.get, 3), str)
    assert_type(app.url(app.todos.get, 3), str)
    assert_type(app.url(Api.by_id, 3, ELSEWHERE), str)
    assert_type(app.url(Api.cart, ELSEWHERE, ELSEWHERE, 3), str)
    assert_type(app.url(Api.ws_chat, ELSEWHERE, "lobby"), str)


async def calls(client: Client[Api]) -> None:
    assert_type(Client(Api, "http://localhost"), Client[Api])
    assert_type(Client(Api(), "http://localhost"), Client[Api])
    assert_type(client.api, Api)
    assert_type(await client.call(Api.user, 3, verbose=True), Todo)
    assert_type(await client.call(client.api.user, 3), Todo)
    assert_type(await client.call(Api.page, "a", size=3), str)
    assert_type(await client.call(client.api.page, "a", size=3), str)
    assert_type(await client.call(Api.raw), bytes)
    assert_type(await client.call(Api.report), Path)
    assert_type(await client.call(Api.whatever), Any)
    assert_type(await client.call(Api.by_id, 3, "key"), dict[str, int])
    assert_type(await client.call(Api.cart, ELSEWHERE, ELSEWHERE, 3), list[int])
    assert_type(await client.call(Api.store, upload(b"x", filename="x.txt")), int)
    assert_type(await client.call(Api.rows, 3), Stream[Todo])
    assert_type(await client.call(Api.events), Stream[ServerSentEvent[Todo]])
    assert_type(await client.call(Api.lines), Stream[Todo])
    async for row in await client.call(Api.rows, 3):
        assert_type(row, Todo)
    async with await client.call(Api.lines) as lines:
        async for line in lines:
            assert_type(line, Todo)


async def statuses(client: Client[Api]) -> None:
    result = await client.call(Todos.get, 3)
    if result[0] == 200:
        assert_type(result[1], Todo)
    else:
        assert_type(result[0], Literal[404])
        assert_type(result[1], Gone)
    match await client.call(client.api.todos.get, 3):
        case (200, todo):
            assert_type(todo, Todo)
        case (404, gone):
            assert_type(gone, Gone)
    status, added = await client.call(Todos.post, Todo("x"))
    assert_type(status, Literal[201])
    assert_type(added, Todo)
