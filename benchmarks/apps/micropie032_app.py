"""This module uses MicroPie 0.32, from which micropie grew, in a separate interpreter: the packages share a name.

MicroPie 0.32 converts nothing, so the handlers do. It has no typed bodies, so those workloads are left out. It uses
orjson where that is installed, as its documentation advises.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final

import jinja2

from benchmarks import workloads
from benchmarks.apps import shared
from micropie import App, HttpMiddleware, InMemorySessionBackend

FLAGS: Final = {"true": True, "1": True, "false": False, "0": False}
_UNTYPED: Final = "has no typed bodies"
LACKS: Final = {"json": _UNTYPED, "order": _UNTYPED, "invalid": _UNTYPED, "bulk": _UNTYPED, "file": "sends no files"}


@dataclass
class Row:
    id: int
    name: str
    price: float
    tags: list[str]


ROWS: Final[Any] = [Row(**row) for row in workloads.ROWS]


class Hello(App):
    async def hello(self) -> Any:
        return {"message": "Hello, World!"}


class Everything(Hello):
    async def items(self, id: Any, limit: Any, active: Any) -> Any:
        return {"id": int(id), "limit": int(limit), "active": FLAGS[active]}

    async def form(self, name: Any, age: Any) -> Any:
        return {"name": name, "age": int(age)}

    async def page(self) -> Any:
        return await self._render_template("page.html", title=workloads.PAGE_TITLE, items=workloads.PAGE_ITEMS)

    async def rows(self) -> Any:
        return ROWS

    async def upload(self, file: Any) -> Any:
        size = 0
        while (chunk := await file["content"].get()) is not None:
            size += len(chunk)
        return {"size": size}

    async def fields(self, last: Any) -> Any:
        return {"fields": len(self.request.body_params)}

    async def stream(self, count: Any) -> Any:
        return 200, _chunks(int(count)), [("Content-Type", workloads.BINARY)]

    async def ws_echo(self, ws: Any) -> None:
        await ws.accept()
        while True:
            await ws.send_text(await ws.receive_text())


async def _chunks(count: int) -> AsyncIterator[bytes]:
    chunk = bytes(workloads.STREAM_CHUNK)
    for _ in range(count):
        yield chunk


class Sessions(App):
    async def session(self, page: Any) -> Any:
        session = self.request.session
        if page == "start":
            session.update(user="ann", visits=1)
            return ""
        if page == "read":
            return {"user": session["user"]}
        session["visits"] += 1
        return {"written": True}


class FrameOptions(HttpMiddleware):
    async def before_request(self, request: Any) -> None:
        pass

    async def after_request(self, request: Any, status_code: Any, response_body: Any, extra_headers: Any) -> None:
        extra_headers.append(("X-Frame-Options", "DENY"))


limits: dict[str, Any] = {"max_body_size": shared.BODY_LIMIT, "body_timeout": None}
app = Everything(**limits)
app.env = jinja2.Environment(
    loader=jinja2.FileSystemLoader(shared.TEMPLATES), autoescape=jinja2.select_autoescape(), enable_async=True
)
with_sessions = Sessions(InMemorySessionBackend())
with_middleware = Hello()
with_middleware.middlewares.append(FrameOptions())


def routes(count: int) -> App:
    methods: dict[str, Any] = {f"r{number}": _create_handler() for number in range(count)}
    app: App = type("Many", (App,), methods)()
    return app


def _create_handler() -> object:
    async def handler(self: App, id: Any) -> Any:
        return {"id": int(id)}

    return handler


def parameters(count: int) -> App:
    app: App = type("Wide", (App,), {"total": shared.create_adder(count, "self, ", "dict", "int")})()
    return app
