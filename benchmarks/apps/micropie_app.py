"""This module uses micropie: handlers with typed signatures."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from benchmarks import workloads
from benchmarks.apps import shared
from benchmarks.apps.structs import ROWS, Order, Person, Receipt, Row, Todo, create_receipt
from micropie import App, HttpMiddleware, Limits, Request, Resource, UploadFile, WebSocket


class Hello(App):
    async def hello(self) -> dict[str, str]:
        return {"message": "Hello, World!"}


class Everything(Hello):
    def __init__(self) -> None:
        limits = Limits(body=shared.BODY_LIMIT, fields=shared.FIELDS_LIMIT)
        super().__init__(limits=limits, templates=shared.TEMPLATES)

    async def items(self, id: int, limit: int, active: bool) -> dict[str, int]:
        return {"id": id, "limit": limit, "active": active}

    async def todos(self, todo: Todo) -> Todo:
        return todo

    async def form(self, name: str, age: int) -> Person:
        return Person(name, age)

    async def orders(self, order: Order) -> Receipt:
        return create_receipt(order)

    async def page(self) -> str:
        return await self._render_template("page.html", title=workloads.PAGE_TITLE, items=workloads.PAGE_ITEMS)

    async def rows(self) -> list[Row]:
        return ROWS

    async def bulk(self, rows: list[Row]) -> dict[str, int]:
        return {"count": len(rows)}

    async def upload(self, file: UploadFile) -> dict[str, int]:
        size = 0
        async for chunk in file:
            size += len(chunk)
        return {"size": size}

    async def fields(self, **fields: str) -> dict[str, int]:
        return {"fields": len(fields)}

    async def files(self, name: str) -> Path:
        return shared.FILE.with_name(name)

    async def stream(self, count: int) -> tuple[int, AsyncIterator[bytes], dict[str, str]]:
        return 200, _chunks(count), {"Content-Type": workloads.BINARY}

    async def ws_echo(self, ws: WebSocket) -> None:
        await ws.accept()
        async for message in ws:
            await ws.send(message)


async def _chunks(count: int) -> AsyncIterator[bytes]:
    chunk = bytes(workloads.STREAM_CHUNK)
    for _ in range(count):
        yield chunk


class SessionPages(Resource):
    async def start(self) -> str:
        self.request.session.update(user="ann", visits=1)
        return ""

    async def read(self) -> dict[str, str]:
        return {"user": self.request.session["user"]}

    async def write(self) -> dict[str, bool]:
        self.request.session["visits"] += 1
        return {"written": True}


class Sessions(App):
    session = SessionPages()


class FrameOptions(HttpMiddleware):
    async def before_request(self, request: Request) -> None:
        pass

    async def after_request(
        self, request: Request, status_code: int, response_body: object, extra_headers: list[tuple[str, str]]
    ) -> None:
        extra_headers.append(("X-Frame-Options", "DENY"))


app = Everything()
with_sessions = Sessions()
with_middleware = Hello()
with_middleware.middlewares.append(FrameOptions())


def routes(count: int) -> App:
    methods: dict[str, Any] = {f"r{number}": _create_handler() for number in range(count)}
    app: App = type("Many", (App,), methods)()
    return app


def _create_handler() -> object:
    async def handler(self: App, id: int) -> dict[str, int]:
        return {"id": id}

    return handler


def parameters(count: int) -> App:
    app: App = type("Wide", (App,), {"total": shared.create_adder(count, "self, ")})()
    return app
