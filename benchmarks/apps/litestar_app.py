"""This module uses Litestar: handlers with msgspec Structs, which Litestar converts and encodes itself."""

# The type checks may run where its imports are not installed.
# pyright: reportMissingImports=false, reportUntypedFunctionDecorator=false, reportUntypedBaseClass=false

from collections.abc import AsyncIterator
from typing import Annotated, Any

from litestar import Litestar, Request, WebSocket, get, post, websocket
from litestar.datastructures import MutableScopeHeaders, UploadFile
from litestar.enums import RequestEncodingType
from litestar.exceptions import WebSocketDisconnect
from litestar.middleware import ASGIMiddleware
from litestar.middleware.session.server_side import ServerSideSessionConfig
from litestar.params import Body
from litestar.plugins.jinja import JinjaTemplateEngine
from litestar.response import File, Stream, Template
from litestar.template.config import TemplateConfig

from benchmarks import workloads
from benchmarks.apps import shared
from benchmarks.apps.structs import ROWS, Order, Person, Receipt, Row, Todo, create_receipt

MULTIPART = Body(media_type=RequestEncodingType.MULTI_PART)
URLENCODED = Body(media_type=RequestEncodingType.URL_ENCODED)


@get("/hello")
async def hello() -> dict[str, str]:
    return {"message": "Hello, World!"}


@get("/items/{id:int}")
async def items(id: int, limit: int, active: bool) -> dict[str, int]:
    return {"id": id, "limit": limit, "active": active}


@post("/todos", status_code=200)
async def todos(data: Todo) -> Todo:
    return data


@post("/form", status_code=200)
async def form(data: Annotated[Person, URLENCODED]) -> Person:
    return data


@post("/orders", status_code=200)
async def orders(data: Order) -> Receipt:
    return create_receipt(data)


@post("/bulk", status_code=200)
async def bulk(data: list[Row]) -> dict[str, int]:
    return {"count": len(data)}


@get("/page")
async def page() -> Template:
    context = {"title": workloads.PAGE_TITLE, "items": workloads.PAGE_ITEMS}
    return Template(template_name="page.html", context=context)


@get("/rows")
async def rows() -> list[Row]:
    return ROWS


@post("/upload", status_code=200)
async def upload(data: Annotated[dict[str, UploadFile], MULTIPART]) -> dict[str, int]:
    size = 0
    while chunk := await data["file"].read(shared.READ):
        size += len(chunk)
    return {"size": size}


@post("/fields", status_code=200)
async def fields(data: Annotated[dict[str, Any], MULTIPART]) -> dict[str, int]:
    return {"fields": len(data)}


@get("/files/{name:str}")
async def files(name: str) -> File:
    return File(shared.FILE.with_name(name), chunk_size=shared.READ)


@get("/stream/{count:int}")
async def stream(count: int) -> Stream:
    return Stream(_chunks(count), media_type=workloads.BINARY)


async def _chunks(count: int) -> AsyncIterator[bytes]:
    chunk = bytes(workloads.STREAM_CHUNK)
    for _ in range(count):
        yield chunk


@websocket("/echo")
async def echo(socket: WebSocket[Any, Any, Any]) -> None:
    await socket.accept()
    try:
        while True:
            await socket.send_text(await socket.receive_text())
    except WebSocketDisconnect:
        pass


def create_app(*handlers: Any, **options: Any) -> Litestar:
    """Create an app without OpenAPI and logging, and with limits that accept the bodies of the workloads."""
    return Litestar(
        list(handlers),
        openapi_config=None,
        logging_config=None,
        multipart_form_part_limit=shared.FIELDS_LIMIT,
        request_max_body_size=None,
        **options,
    )


app = create_app(
    *(hello, items, todos, form, orders, bulk, page, rows, upload, fields, files, stream, echo),
    template_config=TemplateConfig(directory=shared.TEMPLATES, engine=JinjaTemplateEngine),
)


@get("/session/start", status_code=200)
async def session_start(request: Request[Any, Any, Any]) -> None:
    request.set_session({"user": "ann", "visits": 1})


@get("/session/read")
async def session_read(request: Request[Any, Any, Any]) -> dict[str, str]:
    return {"user": request.session["user"]}


@get("/session/write")
async def session_write(request: Request[Any, Any, Any]) -> dict[str, bool]:
    request.session["visits"] += 1
    return {"written": True}


with_sessions = create_app(
    session_start, session_read, session_write, middleware=[ServerSideSessionConfig().middleware]
)


class FrameOptions(ASGIMiddleware):
    async def handle(self, scope: Any, receive: Any, send: Any, next_app: Any) -> None:
        async def send_with_header(message: Any) -> None:
            if message["type"] == "http.response.start":
                MutableScopeHeaders.from_message(message)["X-Frame-Options"] = "DENY"
            await send(message)

        await next_app(scope, receive, send_with_header)


with_middleware = create_app(hello, middleware=[FrameOptions()])


def routes(count: int) -> Litestar:
    return create_app(*(get(f"/r{number}/{{id:int}}")(_create_handler()) for number in range(count)))


def _create_handler() -> Any:
    async def handler(id: int) -> dict[str, int]:
        return {"id": id}

    return handler


def parameters(count: int) -> Litestar:
    return create_app(get("/total")(shared.create_adder(count)))
