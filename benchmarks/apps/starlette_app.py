"""This module uses Starlette: routes and endpoints. It validates nothing, so msgspec does, with kept decoders."""

# The type checks may run where its imports are not installed.
# pyright: reportMissingImports=false, reportUntypedFunctionDecorator=false, reportUntypedBaseClass=false

from collections.abc import AsyncIterator
from typing import Any, Final

import msgspec
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders, UploadFile
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.templating import Jinja2Templates
from starlette.websockets import WebSocket, WebSocketDisconnect

from benchmarks import workloads
from benchmarks.apps import shared
from benchmarks.apps.structs import ROWS, Order, Person, Row, Todo, create_receipt

encode: Final = msgspec.json.Encoder().encode
decode_todo: Final = msgspec.json.Decoder(Todo).decode
decode_order: Final = msgspec.json.Decoder(Order).decode
decode_rows: Final = msgspec.json.Decoder(list[Row]).decode
FLAGS: Final = {"true": True, "1": True, "false": False, "0": False}
templates: Final = Jinja2Templates(shared.TEMPLATES)


class JSON(Response):
    media_type = "application/json"

    def render(self, content: object) -> bytes:
        return encode(content)


async def hello(request: Request) -> Response:
    return JSON({"message": "Hello, World!"})


async def items(request: Request) -> Response:
    query = request.query_params
    values = {
        "id": request.path_params["id"],
        "limit": int(query["limit"]),
        "active": FLAGS[query["active"]],
    }
    return JSON(values)


async def todos(request: Request) -> Response:
    return JSON(decode_todo(await request.body()))


async def form(request: Request) -> Response:
    values: Any = await request.form()
    return JSON(Person(values["name"], int(values["age"])))


async def orders(request: Request) -> Response:
    return JSON(create_receipt(decode_order(await request.body())))


async def bulk(request: Request) -> Response:
    return JSON({"count": len(decode_rows(await request.body()))})


async def page(request: Request) -> Response:
    context = {"title": workloads.PAGE_TITLE, "items": workloads.PAGE_ITEMS}
    return templates.TemplateResponse(request, "page.html", context)


async def rows(request: Request) -> Response:
    return JSON(ROWS)


async def upload(request: Request) -> Response:
    size = 0
    async with request.form() as values:
        file = values["file"]
        if isinstance(file, UploadFile):
            while chunk := await file.read(shared.READ):
                size += len(chunk)
    return JSON({"size": size})


async def fields(request: Request) -> Response:
    async with request.form(max_fields=shared.FIELDS_LIMIT) as values:
        return JSON({"fields": len(values)})


async def files(request: Request) -> Response:
    return FileResponse(shared.FILE.with_name(request.path_params["name"]))


async def stream(request: Request) -> Response:
    return StreamingResponse(_chunks(request.path_params["count"]), media_type=workloads.BINARY)


async def _chunks(count: int) -> AsyncIterator[bytes]:
    chunk = bytes(workloads.STREAM_CHUNK)
    for _ in range(count):
        yield chunk


async def echo(socket: WebSocket) -> None:
    await socket.accept()
    try:
        while True:
            await socket.send_text(await socket.receive_text())
    except WebSocketDisconnect:
        pass


async def session_start(request: Request) -> Response:
    request.session.update(user="ann", visits=1)
    return Response()


async def session_read(request: Request) -> Response:
    return JSON({"user": request.session["user"]})


async def session_write(request: Request) -> Response:
    request.session["visits"] += 1
    return JSON({"written": True})


class FrameOptions:
    """Pure ASGI middleware, which Starlette's documentation prefers to BaseHTTPMiddleware."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_header(message: Any) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["X-Frame-Options"] = "DENY"
            await send(message)

        await self.app(scope, receive, send_with_header)


async def invalid(request: Request, error: Exception) -> Response:
    return PlainTextResponse(str(error), 400)


app = Starlette(
    routes=[
        Route("/hello", hello),
        Route("/items/{id:int}", items),
        Route("/todos", todos, methods=["POST"]),
        Route("/form", form, methods=["POST"]),
        Route("/orders", orders, methods=["POST"]),
        Route("/bulk", bulk, methods=["POST"]),
        Route("/page", page),
        Route("/rows", rows),
        Route("/upload", upload, methods=["POST"]),
        Route("/fields", fields, methods=["POST"]),
        Route("/files/{name}", files),
        Route("/stream/{count:int}", stream),
        WebSocketRoute("/echo", echo),
    ],
    exception_handlers=dict.fromkeys((msgspec.ValidationError, KeyError, ValueError), invalid),
)
with_sessions = Starlette(
    routes=[
        Route("/session/start", session_start),
        Route("/session/read", session_read),
        Route("/session/write", session_write),
    ],
    middleware=[Middleware(SessionMiddleware, secret_key="secret")],
)
with_middleware = Starlette(routes=[Route("/hello", hello)], middleware=[Middleware(FrameOptions)])


async def _read_item(request: Request) -> Response:
    return JSON({"id": request.path_params["id"]})


def routes(count: int) -> Starlette:
    return Starlette(routes=[Route(f"/r{number}/{{id:int}}", _read_item) for number in range(count)])


def parameters(count: int) -> Starlette:
    names = [f"p{number}" for number in range(count)]

    async def total(request: Request) -> Response:
        query = request.query_params
        return JSON({"sum": sum([int(query[name]) for name in names])})

    return Starlette(routes=[Route("/total", total)])
