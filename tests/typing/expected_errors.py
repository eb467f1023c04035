"""What a type checker must refuse. Each line that ends in `# error` is one, for mypy and for pyright; no other line is."""

from typing import Annotated, Literal

from msgspec import Struct

from micropie import App, File, HTTPError, Limits, Query, SessionConfig, WebSocket, route
from micropie.testing import TestClient


class Todo(Struct):
    title: str


class Gone(Struct):
    detail: str


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

with TestClient(app) as client:
    client.get("/").status  # error
    client.websocket_connect("/", subprotocol="x")  # error
