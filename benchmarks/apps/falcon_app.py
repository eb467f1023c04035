"""This module uses Falcon (ASGI): resources, and msgspec with decoders built once, as the recipe in its docs advises.

The app streams files by hand, because static routes read 8 KiB at a time and would be slower. Falcon has no sessions.
"""

# The type checks may run where its imports are not installed.
# pyright: reportMissingImports=false, reportUntypedFunctionDecorator=false, reportUntypedBaseClass=false

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import falcon
import falcon.asgi
import falcon.media
import jinja2
import msgspec

from benchmarks import workloads
from benchmarks.apps import shared
from benchmarks.apps.structs import ROWS, Order, Person, Row, Todo, create_receipt

encode: Final = msgspec.json.Encoder().encode
decode_todo: Final = msgspec.json.Decoder(Todo).decode
decode_order: Final = msgspec.json.Decoder(Order).decode
decode_rows: Final = msgspec.json.Decoder(list[Row]).decode
page: Final = jinja2.Environment(
    loader=jinja2.FileSystemLoader(shared.TEMPLATES), autoescape=True
).get_template("page.html")  # fmt: skip
LACKS: Final = {"session read": "has no sessions", "session write": "has no sessions"}


class Hello:
    async def on_get(self, req: Any, resp: Any) -> None:
        resp.data = encode({"message": "Hello, World!"})


class Items:
    async def on_get(self, req: Any, resp: Any, id: int) -> None:
        limit = req.get_param_as_int("limit", required=True)
        active = req.get_param_as_bool("active", required=True)
        resp.data = encode({"id": id, "limit": limit, "active": active})


class Todos:
    async def on_post(self, req: Any, resp: Any) -> None:
        resp.data = encode(decode_todo(await req.stream.read()))


class Form:
    async def on_post(self, req: Any, resp: Any) -> None:
        values = await req.get_media()
        resp.data = encode(Person(values["name"], int(values["age"])))


class Orders:
    async def on_post(self, req: Any, resp: Any) -> None:
        resp.data = encode(create_receipt(decode_order(await req.stream.read())))


class Bulk:
    async def on_post(self, req: Any, resp: Any) -> None:
        resp.data = encode({"count": len(decode_rows(await req.stream.read()))})


class Page:
    async def on_get(self, req: Any, resp: Any) -> None:
        resp.content_type = falcon.MEDIA_HTML
        resp.text = page.render(title=workloads.PAGE_TITLE, items=workloads.PAGE_ITEMS)


class Rows:
    async def on_get(self, req: Any, resp: Any) -> None:
        resp.data = encode(ROWS)


class Upload:
    async def on_post(self, req: Any, resp: Any) -> None:
        size = 0
        async for part in await req.get_media():
            async for chunk in part.stream:
                size += len(chunk)
        resp.data = encode({"size": size})


class Fields:
    async def on_post(self, req: Any, resp: Any) -> None:
        values: dict[str, str] = {}
        async for part in await req.get_media():
            values[part.name] = await part.get_text()
        resp.data = encode({"fields": len(values)})


class Files:
    async def on_get(self, req: Any, resp: Any, name: str) -> None:
        path = shared.FILE.with_name(name)
        resp.content_type = workloads.BINARY
        resp.set_stream(_contents(path), path.stat().st_size)


async def _contents(path: Path) -> AsyncIterator[bytes]:
    with await asyncio.to_thread(path.open, "rb") as file:
        while chunk := await asyncio.to_thread(file.read, shared.READ):
            yield chunk


class Stream:
    async def on_get(self, req: Any, resp: Any, count: int) -> None:
        resp.content_type = workloads.BINARY
        resp.stream = _chunks(count)


async def _chunks(count: int) -> AsyncIterator[bytes]:
    chunk = bytes(workloads.STREAM_CHUNK)
    for _ in range(count):
        yield chunk


class Echo:
    async def on_websocket(self, req: Any, ws: Any) -> None:
        await ws.accept()
        try:
            while True:
                await ws.send_text(await ws.receive_text())
        except falcon.WebSocketDisconnected:
            pass


async def invalid(req: Any, resp: Any, error: Exception, params: Any, ws: Any = None) -> None:
    raise falcon.HTTPUnprocessableEntity(title="Invalid request", description=str(error))


def create_app() -> Any:
    """Create an app that answers validation errors with 422 and accepts the forms of the workloads."""
    app: Any = falcon.asgi.App()
    app.add_error_handler(msgspec.ValidationError, invalid)
    app.add_error_handler((KeyError, ValueError), invalid)
    multipart = falcon.media.MultipartFormHandler()
    multipart.parse_options.max_body_part_count = shared.FIELDS_LIMIT
    app.req_options.media_handlers[falcon.MEDIA_MULTIPART] = multipart
    return app


app = create_app()
app.add_route("/hello", Hello())
app.add_route("/items/{id:int}", Items())
app.add_route("/todos", Todos())
app.add_route("/form", Form())
app.add_route("/orders", Orders())
app.add_route("/bulk", Bulk())
app.add_route("/page", Page())
app.add_route("/rows", Rows())
app.add_route("/upload", Upload())
app.add_route("/fields", Fields())
app.add_route("/files/{name}", Files())
app.add_route("/stream/{count:int}", Stream())
app.add_route("/echo", Echo())


class FrameOptions:
    async def process_response(self, req: Any, resp: Any, resource: Any, req_succeeded: bool) -> None:
        resp.set_header("X-Frame-Options", "DENY")


with_middleware: Any = falcon.asgi.App(middleware=[FrameOptions()])
with_middleware.add_route("/hello", Hello())


class Item:
    async def on_get(self, req: Any, resp: Any, id: int) -> None:
        resp.data = encode({"id": id})


def routes(count: int) -> Any:
    app = create_app()
    for number in range(count):
        app.add_route(f"/r{number}/{{id:int}}", Item())
    return app


def parameters(count: int) -> Any:
    names = [f"p{number}" for number in range(count)]

    class Total:
        async def on_get(self, req: Any, resp: Any) -> None:
            resp.data = encode({"sum": sum([req.get_param_as_int(name, required=True) for name in names])})

    app = create_app()
    app.add_route("/total", Total())
    return app
