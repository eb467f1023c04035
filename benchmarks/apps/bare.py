"""This module does the work without a framework: by hand, on ASGI, as fast as is reasonable.

It parses request values with the standard library, JSON with msgspec's decoders and multipart with the push parser of
`multipart`. It checks only what the workloads need. It has no limits and no timeouts, and supports neither HEAD nor
responses with 405.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import closing
from typing import Any, Final, TypeAlias
from urllib.parse import parse_qs

import jinja2
import msgspec
from multipart import MultipartSegment, PushMultipartParser

from benchmarks import workloads
from benchmarks.apps import shared
from benchmarks.apps.structs import ROWS, Order, Row, Todo, create_receipt

Scope: TypeAlias = dict[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[dict[str, Any]]]
Send: TypeAlias = Callable[[dict[str, Any]], Awaitable[None]]
Handler: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]
Application: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]
Header: TypeAlias = tuple[bytes, bytes]

encode: Final = msgspec.json.Encoder().encode
decode_todo: Final = msgspec.json.Decoder(Todo).decode
decode_order: Final = msgspec.json.Decoder(Order).decode
decode_rows: Final = msgspec.json.Decoder(list[Row]).decode

JSON: Final[Header] = (b"content-type", b"application/json")
TEXT: Final[Header] = (b"content-type", b"text/plain; charset=utf-8")
HTML: Final[Header] = (b"content-type", b"text/html; charset=utf-8")
BINARY: Final[Header] = (b"content-type", b"application/octet-stream")
FLAGS: Final = {"true": True, "1": True, "false": False, "0": False}

page: Final = jinja2.Environment(
    loader=jinja2.FileSystemLoader(shared.TEMPLATES), autoescape=True
).get_template("page.html")  # fmt: skip


async def send_response(send: Send, body: bytes, kind: Header = JSON, status: int = 200, *more: Header) -> None:
    """Send a complete response with its Content-Type, its Content-Length and `more` headers."""
    length = (b"content-length", b"%d" % len(body))
    await send({"type": "http.response.start", "status": status, "headers": [kind, length, *more]})
    await send({"type": "http.response.body", "body": body})


async def read_body(receive: Receive) -> bytes:
    """Return the whole body of a request. A body in one message is not copied."""
    message = await receive()
    if not message["more_body"]:
        body: bytes = message["body"]
        return body
    chunks = [message["body"]]
    while message["more_body"]:
        message = await receive()
        chunks.append(message["body"])
    return b"".join(chunks)


async def iterate_chunks(receive: Receive) -> AsyncIterator[bytes]:
    """Yield the body of a request, message by message."""
    more = True
    while more:
        message = await receive()
        more = message["more_body"]
        yield message["body"]


async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    await send_response(send, encode({"message": "Hello, World!"}))


async def items(scope: Scope, receive: Receive, send: Send) -> None:
    query = parse_qs(scope["query_string"].decode())
    try:
        number = int(scope["path"][len("/items/") :])
        limit = int(query["limit"][0])
        active = FLAGS[query["active"][0]]
    except (KeyError, ValueError):
        await send_response(send, b"Bad request", TEXT, 400)
        return
    await send_response(send, encode({"id": number, "limit": limit, "active": active}))


async def todos(scope: Scope, receive: Receive, send: Send) -> None:
    try:
        todo = decode_todo(await read_body(receive))
    except msgspec.DecodeError as error:
        await send_response(send, str(error).encode(), TEXT, 400)
        return
    await send_response(send, encode(todo))


async def form(scope: Scope, receive: Receive, send: Send) -> None:
    values = parse_qs((await read_body(receive)).decode())
    try:
        name, age = values["name"][0], int(values["age"][0])
    except (KeyError, ValueError):
        await send_response(send, b"Bad request", TEXT, 400)
        return
    await send_response(send, encode({"name": name, "age": age}))


async def orders(scope: Scope, receive: Receive, send: Send) -> None:
    try:
        order = decode_order(await read_body(receive))
    except msgspec.DecodeError as error:
        await send_response(send, str(error).encode(), TEXT, 400)
        return
    await send_response(send, encode(create_receipt(order)))


async def bulk(scope: Scope, receive: Receive, send: Send) -> None:
    try:
        rows = decode_rows(await read_body(receive))
    except msgspec.DecodeError as error:
        await send_response(send, str(error).encode(), TEXT, 400)
        return
    await send_response(send, encode({"count": len(rows)}))


async def template(scope: Scope, receive: Receive, send: Send) -> None:
    await send_response(send, page.render(title=workloads.PAGE_TITLE, items=workloads.PAGE_ITEMS).encode(), HTML)


async def rows_out(scope: Scope, receive: Receive, send: Send) -> None:
    await send_response(send, encode(ROWS))


async def upload(scope: Scope, receive: Receive, send: Send) -> None:
    size = 0
    with closing(PushMultipartParser(workloads.BOUNDARY)) as parser:
        async for chunk in iterate_chunks(receive):
            for part in parser.parse(chunk):
                if isinstance(part, (bytes, bytearray)):
                    size += len(part)
    await send_response(send, encode({"size": size}))


async def fields(scope: Scope, receive: Receive, send: Send) -> None:
    values: dict[str, str] = {}
    name, value = "", b""
    limit = shared.FIELDS_LIMIT
    with closing(PushMultipartParser(workloads.BOUNDARY, max_segment_count=limit)) as parser:
        async for chunk in iterate_chunks(receive):
            for part in parser.parse(chunk):
                if isinstance(part, MultipartSegment):
                    name, value = part.name or "", b""
                elif part is None:
                    values[name] = value.decode()
                else:
                    value += part
    await send_response(send, encode({"fields": len(values)}))


async def files(scope: Scope, receive: Receive, send: Send) -> None:
    length = (b"content-length", str(shared.FILE.stat().st_size).encode())
    await send({"type": "http.response.start", "status": 200, "headers": [BINARY, length]})
    with await asyncio.to_thread(shared.FILE.open, "rb") as file:
        while chunk := await asyncio.to_thread(file.read, shared.READ):
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def stream(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [BINARY]})
    chunk = bytes(workloads.STREAM_CHUNK)
    for _ in range(int(scope["path"][len("/stream/") :])):
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def not_found(scope: Scope, receive: Receive, send: Send) -> None:
    await send_response(send, b"Not found", TEXT, 404)


async def echo(receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message["text"]})


async def lifespan(receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})


def create_application(handlers: dict[str, Handler]) -> Application:
    """Create an app that chooses the handler by the first segment of the path."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await handlers.get(scope["path"].split("/", 2)[1], not_found)(scope, receive, send)
        elif scope["type"] == "websocket":
            await echo(receive, send)
        else:
            await lifespan(receive, send)

    return app


stored: Final[dict[str, dict[str, Any]]] = {}


async def session(scope: Scope, receive: Receive, send: Send) -> None:
    cookie = next((value for name, value in scope["headers"] if name == b"cookie"), b"").decode()
    cookies = dict(pair.strip().split("=", 1) for pair in cookie.split(";") if "=" in pair)
    data = stored.get(cookies.get("session", ""), {})
    page = scope["path"]
    if page == "/session/read":
        await send_response(send, encode({"user": data["user"]}))
    elif page == "/session/write":
        data["visits"] += 1
        await send_response(send, encode({"written": True}))
    else:
        identifier = secrets.token_urlsafe()
        stored[identifier] = {"user": "ann", "visits": 1}
        await send_response(send, b"", TEXT, 200, (b"set-cookie", f"session={identifier}; Path=/; HttpOnly".encode()))


async def hello_with_header(scope: Scope, receive: Receive, send: Send) -> None:
    await send_response(send, encode({"message": "Hello, World!"}), JSON, 200, (b"x-frame-options", b"DENY"))


app = create_application(
    {
        "hello": hello,
        "items": items,
        "todos": todos,
        "form": form,
        "orders": orders,
        "bulk": bulk,
        "page": template,
        "rows": rows_out,
        "upload": upload,
        "fields": fields,
        "files": files,
        "stream": stream,
    }
)
with_sessions = create_application({"session": session})
with_middleware = create_application({"hello": hello_with_header})


def routes(count: int) -> Application:
    return create_application({f"r{number}": _create_handler() for number in range(count)})


def _create_handler() -> Handler:
    async def handler(scope: Scope, receive: Receive, send: Send) -> None:
        await send_response(send, encode({"id": int(scope["path"].split("/", 2)[2])}))

    return handler


def parameters(count: int) -> Application:
    names = [f"p{number}" for number in range(count)]

    async def total(scope: Scope, receive: Receive, send: Send) -> None:
        query = parse_qs(scope["query_string"].decode())
        await send_response(send, encode({"sum": sum([int(query[name][0]) for name in names])}))

    return create_application({"total": total})
