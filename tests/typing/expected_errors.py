"""This file holds mistakes that type checkers must report: each line that ends in `# error`, and no other line."""

from collections.abc import AsyncIterator
from typing import Annotated, Literal, assert_never

from msgspec import Struct

from micropie import (
    App,
    Depends,
    File,
    FormResult,
    HTTPError,
    InvalidMessage,
    Limits,
    Query,
    Resource,
    SessionConfig,
    WebSocket,
    route,
)
from micropie.client import Client
from micropie.testing import TestClient


class Todo(Struct):
    title: str


class Gone(Struct):
    detail: str


class Add(Struct, tag="add"):
    amount: int


class Reset(Struct, tag="reset"):
    pass


def gone(invalid: InvalidMessage) -> Gone:
    return Gone(invalid.detail)


class Api(App):
    async def wrong_body(self) -> tuple[Literal[201], Todo]:
        return 201, Gone("x")  # error

    async def wrong_status(self) -> tuple[Literal[201], Todo] | tuple[Literal[404], Gone]:
        return 202, Todo("x")  # error

    async def swapped(self, id: int) -> tuple[Literal[200], Todo] | tuple[Literal[404], Gone]:
        if id:
            return 404, Todo("x")  # error
        return 200, Gone("x")  # error

    async def parameters(self, count: Annotated[int, Query()]) -> str:
        return count  # error

    async def ws_chat(self, ws: WebSocket[Todo, Gone]) -> None:
        await ws.send(Todo("x"))  # error
        async for message in ws:
            message.detail  # error

    async def ws_text(self, ws: WebSocket) -> None:
        await ws.send(5)  # error
        await ws.accept(sub_protocol="x")  # error
        await ws.accept(on_invalid="ignore")  # error
        ws.on_invalid = lambda invalid: 5  # error

    async def ws_protocol(self, ws: WebSocket[Add | Reset, Todo]) -> None:
        ws.on_invalid = gone  # error
        async for message in ws:
            match message:
                case Add():
                    message.detail  # error
                case _:
                    assert_never(message)  # error

    async def depends(self, todo: Annotated[Todo, Depends(gone)]) -> Gone:
        return todo  # error

    @route("/path/{id}")
    async def path(self, id: int) -> None: ...

    @route(5)  # error
    async def number(self) -> None: ...

    @route("/x", method="GET")  # error
    async def method(self) -> None: ...


Api().path("x")  # error
Api().parameters(count="x")  # error
app = App(debugging=True)  # error
limits = Limits(bodies=5)  # error
limits2 = Limits(body="5 MiB")  # error
Limits().body = 5  # error
sessions = SessionConfig(same_site="Loose")  # error
error = HTTPError("not found")  # error
marker = File(max_size="5 MiB")  # error
dependency = Depends(5)  # error
dependency2 = Depends()  # error
app.overrides[5] = gone  # error
app.overrides[gone] = "gone"  # error

with TestClient(app) as client:
    client.get("/").status  # error
    client.websocket_connect("/", subprotocol="x")  # error


class Todos(Resource):
    async def get(self, id: int) -> tuple[Literal[200], Todo] | tuple[Literal[404], Gone]:
        self.url(Todos.get, "x")  # error
        return 200, Todo("x")


class Held(App):
    todos = Todos()

    async def user(self, id: int, *, verbose: bool = False) -> Todo:
        return Todo(self.url(self.user, "x"))  # error

    def page(self, number: int) -> str:
        return "x"


held = Held()
held.url(Held.user, "x")  # error
held.url(Held.user)  # error
held.url(Held.user, 3, verbos=True)  # error
held.url(Held.user, 3, verbose="yes")  # error
held.url(Held.user, 3, True)  # error
held.url(held.user, "x")  # error
held.url(held.todos.get)  # error
held.url("user", 3)  # error
held.url(Held.missing)  # error


async def call(client: Client[Held]) -> None:
    await client.call(Held.user, "x")  # error
    await client.call(Held.user)  # error
    await client.call(Held.user, 3, verbos=True)  # error
    await client.call(Held.page, "x")  # error
    await client.call(client.api.todos.get, "x")  # error
    (await client.call(Held.user, 3)).name  # error
    number: int = await client.call(Held.page, 3)  # error
    result = await client.call(Todos.get, 3)
    if result[0] == 404:
        result[1].title  # error
    Client(Todos, "http://localhost")  # error
    Client(Held, timeout="1 s")  # error


class Forms(App):
    async def signup(self, form: FormResult[Todo]) -> str:
        form.value.title  # error
        form.value = None  # error
        form.attributes(5)  # error
        return form.errors["title"]  # error

    async def rows(self, rows: AsyncIterator[Todo]) -> list[Gone]:
        return [row async for row in rows]  # error
