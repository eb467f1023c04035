"""This module uses BlackSheep: bound parameters, and pydantic models and msgspec as its documentation recommends."""

# The type checks may run where its imports are not installed.
# pyright: reportMissingImports=false, reportUntypedFunctionDecorator=false, reportUntypedBaseClass=false

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from blacksheep import (
    Application,
    Content,
    FromForm,
    FromJSON,
    Request,
    Response,
    StreamedContent,
    WebSocket,
    WebSocketDisconnectError,
    file,
    json,
)
from blacksheep.server.rendering.jinja2 import JinjaRenderer
from blacksheep.server.responses import view
from blacksheep.server.routing import Router
from blacksheep.sessions.memory import InMemorySessionStore
from blacksheep.settings.html import html_settings
from blacksheep.settings.json import json_settings
from jinja2 import FunctionLoader
from pydantic import BaseModel

from benchmarks import workloads
from benchmarks.apps import models, shared
from benchmarks.apps.structs import ROWS

encode: Final = msgspec.json.Encoder().encode
json_settings.use(loads=msgspec.json.decode, dumps=lambda value: encode(value).decode())

SOURCE: Final = (shared.TEMPLATES / "page.html").read_text()
html_settings.use(JinjaRenderer(loader=FunctionLoader(lambda name: SOURCE)))


@dataclass
class Person:
    name: str
    age: int


def build_model_response(value: BaseModel) -> Response:
    return Response(200, None, Content(b"application/json", value.model_dump_json().encode()))


def create_app() -> Application:
    return Application(router=Router())


app = create_app()


@app.router.get("/hello")
async def hello() -> Response:
    return json({"message": "Hello, World!"})


@app.router.get("/items/{id}")
async def items(id: int, limit: int, active: bool) -> Response:
    return json({"id": id, "limit": limit, "active": active})


@app.router.post("/todos")
async def todos(data: FromJSON[models.Todo]) -> Response:
    return build_model_response(data.value)


@app.router.post("/form")
async def form(data: FromForm[Person]) -> Response:
    return json(data.value)


@app.router.post("/orders")
async def orders(data: FromJSON[models.Order]) -> Response:
    return build_model_response(models.create_receipt(data.value))


@app.router.post("/bulk")
async def bulk(data: FromJSON[list[models.Row]]) -> Response:
    return json({"count": len(data.value)})


@app.router.get("/page")
async def page() -> Response:
    return view("page", {"title": workloads.PAGE_TITLE, "items": workloads.PAGE_ITEMS})


@app.router.get("/rows")
async def rows() -> Response:
    return json(ROWS)


@app.router.post("/upload")
async def upload(request: Request) -> Response:
    size = 0
    async for part in request.multipart_stream():
        async for chunk in part.stream():
            size += len(chunk)
    return json({"size": size})


@app.router.post("/fields")
async def fields(request: Request) -> Response:
    return json({"fields": len(await request.form() or ())})


@app.router.get("/files/{name}")
async def files(name: str) -> Response:
    return file(str(shared.FILE.with_name(name)), workloads.BINARY)


@app.router.get("/stream/{count}")
async def stream(count: int) -> Response:
    async def chunks() -> AsyncIterator[bytes]:
        chunk = bytes(workloads.STREAM_CHUNK)
        for _ in range(count):
            yield chunk

    return Response(200, None, StreamedContent(workloads.BINARY.encode(), chunks))


@app.router.ws("/echo")
async def echo(socket: WebSocket) -> None:
    await socket.accept()
    try:
        while True:
            await socket.send_text(await socket.receive_text())
    except WebSocketDisconnectError:
        pass


with_sessions = create_app()
with_sessions.use_sessions(InMemorySessionStore())


@with_sessions.router.get("/session/start")
async def session_start(request: Request) -> Response:
    request.session.update({"user": "ann", "visits": 1})
    return Response(200)


@with_sessions.router.get("/session/read")
async def session_read(request: Request) -> Response:
    return json({"user": request.session["user"]})


@with_sessions.router.get("/session/write")
async def session_write(request: Request) -> Response:
    request.session["visits"] += 1
    return json({"written": True})


async def frame_options(request: Request, handler: Callable[[Request], Awaitable[Response]]) -> Response:
    response = await handler(request)
    response.add_header(b"X-Frame-Options", b"DENY")
    return response


with_middleware = create_app()
with_middleware.middlewares.append(frame_options)
with_middleware.router.add_get("/hello", hello)


def routes(count: int) -> Application:
    app = create_app()
    for number in range(count):
        app.router.add_get(f"/r{number}/{{id}}", _create_handler())
    return app


def _create_handler() -> Any:
    async def handler(id: int) -> Response:
        return json({"id": id})

    return handler


def parameters(count: int) -> Application:
    app = create_app()
    app.router.add_get("/total", shared.create_adder(count))
    return app
