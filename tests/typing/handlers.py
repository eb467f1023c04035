"""This file checks the types inside and around handlers. Four type checkers read it; it is never run."""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any, Literal, assert_never, assert_type

import httpx2
from msgspec import Meta, Struct

from micropie import (
    App,
    Depends,
    File,
    Form,
    HttpMiddleware,
    Invalid,
    InvalidMessage,
    Limits,
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
from micropie.testing import AsyncTestClient, AsyncWebSocketSession, TestClient, WebSocketSession


class Todo(Struct):
    title: Annotated[str, Meta(min_length=1)]


class Gone(Struct):
    detail: str


class Add(Struct, tag="add"):
    amount: int


class Reset(Struct, tag="reset"):
    pass


def told_so(invalid: InvalidMessage) -> Gone:
    assert_type(invalid.errors, list[Invalid])
    return Gone(invalid.detail)


async def told_later(invalid: InvalidMessage) -> Gone | None:
    return Gone(invalid.detail) if invalid.code == 1008 else None


async def current_user(title: Annotated[str, Query()]) -> AsyncIterator[Todo]:
    yield Todo(title)


CurrentUser = Annotated[Todo, Depends(current_user)]


class Api(App):
    """A marker does not change the type of a parameter, and `@route` does not change the type of a method."""

    async def user(self, id: int, verbose: Annotated[bool, Query()] = False) -> Todo:
        assert_type(id, int)
        assert_type(verbose, bool)
        return Todo("x")

    @route("/users/{id}", methods=["GET"])
    async def by_id(self, id: int) -> str:
        return str(id)

    async def either(self, id: int) -> tuple[Literal[200], Todo] | tuple[Literal[404], Gone]:
        if id:
            return 200, Todo("x")
        return 404, Gone("no")

    async def depends(self, user: CurrentUser, gone: Annotated[Gone | None, Depends(told_later)] = None) -> Gone:
        assert_type(user, Todo)
        assert_type(gone, Gone | None)
        return Gone(user.title)

    async def upload(self, file: Annotated[UploadFile, File(max_size=10)], note: Annotated[str, Form("text")]) -> int:
        assert_type(file, UploadFile)
        assert_type(note, str)
        assert_type(file.filename, str)
        assert_type(file.size, int)
        assert_type(await file.read(10), bytes)
        async for chunk in file:
            assert_type(chunk, bytes)
        return await file.save("copy")

    async def events(self) -> AsyncIterator[ServerSentEvent[Todo]]:
        yield ServerSentEvent(Todo("x"))

    async def about(self, request: Request, page: int, user: Annotated[str | None, Session()] = None) -> None:
        assert_type(request, Request)
        assert_type(self.request, Request)
        assert_type(request.method, str)
        assert_type(request.query("a"), str | None)
        assert_type(request.query("a", page), str | int)
        size: str | int = request.query("size", 1)  # `str | int` for mypy and pyright, `str | Literal[1]` for ty
        assert size
        assert_type(request.form("a", ""), str)
        assert_type(request.headers.get("host"), str | None)
        assert_type(request.headers["host"], str)
        assert_type(request.query_params, dict[str, list[str]])
        assert_type(user, str | None)

    async def ws_text(self, ws: WebSocket) -> None:
        await ws.accept(subprotocol=None, session_id=None)
        async for message in ws:
            assert_type(message, str)
        assert_type(await ws.receive_text(), str)
        assert_type(await ws.receive_bytes(), bytes)

    async def ws_typed(self, ws: WebSocket[Add, Todo]) -> None:
        async for message in ws:
            assert_type(message, Add)
        assert_type(await ws.receive(), Add)
        assert_type(await ws.receive_json(Todo), Todo)
        await ws.send(Todo("x"))

    async def ws_protocol(self, ws: WebSocket[Add | Reset, Todo | Gone]) -> None:
        """A type checker narrows a tagged union, and reports a case that is missing."""
        await ws.accept(on_invalid=told_so)
        async for message in ws:
            assert_type(message, Add | Reset)
            match message:
                case Reset():
                    assert_type(message, Reset)
                    await ws.send(Gone("all"))
                case Add(amount):
                    assert_type(amount, int)
                    await ws.send(Todo(str(amount)))
                case _:
                    assert_never(message)
        ws.on_invalid = "skip"
        ws.on_invalid = told_later
        ws.on_invalid = lambda invalid: ws.close(4000, invalid.detail)

    async def ws_one_sided(self, ws: WebSocket[Add]) -> None:
        assert_type(await ws.receive(), Add)
        await ws.send("text")

    async def away(self) -> tuple[int, str, list[tuple[str, str]]]:
        return self._redirect("/", [("X-Why", "because")])

    async def page(self) -> str:
        return await self._render_template("page.html", title="x")

    @asynccontextmanager
    async def lifespan(self) -> AsyncGenerator[dict[str, int]]:
        yield {"answer": 42}


decorated: Callable[[Api, int], Awaitable[str]] = Api.by_id
assert_type(Api(), Api)
assert_type(Api(limits=Limits(body=1), sessions=SessionConfig(cookie="sid"), debug=True), Api)


@dataclass
class Service(App):
    greeting: str
    count: int = 0


@dataclass
class Part(Resource):
    name: str

    async def get(self) -> str:
        assert_type(self.request, Request)
        return self.name


assert_type(Service("hello"), Service)
assert_type(Part("a").name, str)


class Middleware(HttpMiddleware):
    async def before_request(self, request: Request) -> dict[str, Any] | None:
        return {"status_code": 403, "body": "no"}

    async def after_request(
        self, request: Request, status_code: int, response_body: object, extra_headers: list[tuple[str, str]]
    ) -> None:
        extra_headers.append(("X-A", "b"))


def sync_test() -> None:
    with TestClient(Api()) as client:
        assert_type(client, TestClient)
        assert_type(client.get("/"), httpx2.Response)
        with client.websocket_connect("/text") as socket:
            assert_type(socket, WebSocketSession)
            assert_type(socket.receive_text(), str)
            assert_type(socket.receive_json(type=Todo), Todo)


async def async_test() -> None:
    async with AsyncTestClient(Api()) as client:
        assert_type(client, AsyncTestClient)
        assert_type(await client.get("/"), httpx2.Response)
        async with client.websocket_connect("/text") as socket:
            assert_type(socket, AsyncWebSocketSession)
            assert_type(await socket.receive_json(type=Todo), Todo)
