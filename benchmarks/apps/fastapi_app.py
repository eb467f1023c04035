"""This module uses FastAPI: pydantic models and return annotations, which its documentation calls the fastest way."""

# The type checks may run where its imports are not installed.
# pyright: reportMissingImports=false, reportUntypedFunctionDecorator=false, reportUntypedBaseClass=false

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import FastAPI, Form, Request, UploadFile, WebSocket, WebSocketDisconnect
from fastapi.responses import FileResponse, HTMLResponse, Response, StreamingResponse
from fastapi.templating import Jinja2Templates
from starlette.datastructures import MutableHeaders
from starlette.middleware.sessions import SessionMiddleware

from benchmarks import workloads
from benchmarks.apps import shared
from benchmarks.apps.models import ROWS, Order, Receipt, Row, Todo, create_receipt

app = FastAPI(openapi_url=None)
templates = Jinja2Templates(shared.TEMPLATES)


@app.get("/hello")
async def hello() -> dict[str, str]:
    return {"message": "Hello, World!"}


@app.get("/items/{id}")
async def items(id: int, limit: int, active: bool) -> dict[str, Any]:
    return {"id": id, "limit": limit, "active": active}


@app.post("/todos")
async def todos(todo: Todo) -> Todo:
    return todo


@app.post("/form")
async def form(name: Annotated[str, Form()], age: Annotated[int, Form()]) -> dict[str, Any]:
    return {"name": name, "age": age}


@app.post("/orders")
async def orders(order: Order) -> Receipt:
    return create_receipt(order)


@app.post("/bulk")
async def bulk(rows: list[Row]) -> dict[str, int]:
    return {"count": len(rows)}


@app.get("/page", response_class=HTMLResponse)
async def page(request: Request) -> Response:
    context = {"title": workloads.PAGE_TITLE, "items": workloads.PAGE_ITEMS}
    return templates.TemplateResponse(request, "page.html", context)


@app.get("/rows")
async def rows() -> list[Row]:
    return ROWS


@app.post("/upload")
async def upload(file: UploadFile) -> dict[str, int]:
    size = 0
    while chunk := await file.read(shared.READ):
        size += len(chunk)
    return {"size": size}


@app.post("/fields")
async def fields(request: Request) -> dict[str, int]:
    async with request.form(max_fields=shared.FIELDS_LIMIT) as values:
        return {"fields": len(values)}


@app.get("/files/{name}", response_class=FileResponse)
async def files(name: str) -> Response:
    return FileResponse(shared.FILE.with_name(name))


@app.get("/stream/{count}", response_class=StreamingResponse)
async def stream(count: int) -> Response:
    return StreamingResponse(_chunks(count), media_type=workloads.BINARY)


async def _chunks(count: int) -> AsyncIterator[bytes]:
    chunk = bytes(workloads.STREAM_CHUNK)
    for _ in range(count):
        yield chunk


@app.websocket("/echo")
async def echo(socket: WebSocket) -> None:
    await socket.accept()
    try:
        while True:
            await socket.send_text(await socket.receive_text())
    except WebSocketDisconnect:
        pass


with_sessions = FastAPI(openapi_url=None)
with_sessions.add_middleware(SessionMiddleware, secret_key="secret")


@with_sessions.get("/session/start")
async def session_start(request: Request) -> Response:
    request.session.update(user="ann", visits=1)
    return Response()


@with_sessions.get("/session/read")
async def session_read(request: Request) -> dict[str, str]:
    return {"user": request.session["user"]}


@with_sessions.get("/session/write")
async def session_write(request: Request) -> dict[str, bool]:
    request.session["visits"] += 1
    return {"written": True}


class FrameOptions:
    """Pure ASGI middleware, the fastest kind."""

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


with_middleware = FastAPI(openapi_url=None)
with_middleware.add_middleware(FrameOptions)
with_middleware.get("/hello")(hello)


def routes(count: int) -> FastAPI:
    app = FastAPI(openapi_url=None)
    for number in range(count):
        app.get(f"/r{number}/{{id}}")(_create_handler())
    return app


def _create_handler() -> Any:
    async def handler(id: int) -> dict[str, int]:
        return {"id": id}

    return handler


def parameters(count: int) -> FastAPI:
    app = FastAPI(openapi_url=None)
    app.get("/total")(shared.create_adder(count))
    return app
