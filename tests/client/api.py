"""These tests share one app, `Api`, with the calls that a client makes and what each of them returns."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from msgspec import Meta, Struct

from micropie import (
    App,
    Body,
    Cookie,
    Form,
    Header,
    HTTPError,
    Query,
    Request,
    Resource,
    ServerSentEvent,
    Session,
    UploadFile,
    WebSocket,
    route,
)
from micropie.client import Client, Stream, upload
from micropie.types import ASGIApp, Receive, Scope, Send

SERVED_FILE = Path(__file__)
"""The file that `Api.file` returns."""


class Todo(Struct):
    id: int
    title: Annotated[str, Meta(min_length=1)]


class Gone(Struct):
    detail: str


class Point(NamedTuple):
    x: int
    y: int


class Colour(Enum):
    RED = "red"


class Attached(Struct):
    title: str
    file: UploadFile


@dataclass
class User:
    name: str
    born: date | None = None


class Todos(Resource):
    async def get(self, id: int) -> tuple[Literal[200], Todo] | tuple[Literal[404], Gone]:
        if id > 9:
            return 404, Gone("no such todo")
        return 200, Todo(id, "milk")

    async def post(self, todo: Todo, *, notify: bool = False) -> tuple[Literal[201], Todo, dict[str, str]]:
        return 201, todo, {"X-Notify": str(notify)}

    async def put(self, id: int, todo: Todo) -> Todo:
        return Todo(id, todo.title)

    async def delete(self, id: int) -> None:
        self.request.state["deleted"] = id


class Api(App):
    todos = Todos()

    def seen(self) -> list[str]:
        request = self.request
        raw, query = request.scope["raw_path"].decode(), request.scope["query_string"].decode()
        return [request.method, raw + ("?" + query if query else ""), request.content_type.partition(";")[0]]

    async def plain(self, id: int, verbose: bool = False) -> list[str]:
        return self.seen()

    async def texts(self, text: str = "", *, more: str | None = "x") -> list[str]:
        return [*self.seen(), text[:9], str(more)]

    async def formed(self, name: Annotated[str, Form()], page: int = 1) -> list[str]:
        return [*self.seen(), name]

    async def keyed(self, a: Annotated[int, Body()], b: Annotated[list[int], Body("c")]) -> list[str]:
        return [*self.seen(), str(a), str(b)]

    async def numbers(self, numbers: Annotated[list[int], Body()], name: str = "default") -> list[str]:
        return [*self.seen(), str(numbers), name]

    async def either(self, ids: int | list[int]) -> list[str]:
        return [*self.seen(), str(ids)]

    async def merged(self, user: User, note: Annotated[str, Body()], name: str = "default") -> list[str]:
        return [*self.seen(), user.name, note, name]

    async def joined(self, user: User | None = None, file: UploadFile | None = None) -> list[str]:
        return [*self.seen(), user.name if user else "no user", (await file.read()).decode() if file else "no file"]

    async def filed(self, file: UploadFile, note: Annotated[str, Form()] = "none") -> list[str]:
        return [*self.seen(), file.filename, file.content_type, (await file.read()).decode(), note]

    async def attached(self, it: Attached) -> list[str]:
        return [*self.seen(), it.title, (await it.file.read()).decode()]

    async def several(self, files: list[UploadFile]) -> list[str]:
        return [file.filename for file in files]

    async def raw(self, body: Annotated[bytes, Body()]) -> list[str]:
        return [*self.seen(), body.decode()]

    async def poured(self, body: AsyncIterator[bytes]) -> list[str]:
        return [*self.seen(), b"".join([piece async for piece in body]).decode()]

    async def head_of(self, x_key: Annotated[str, Header()], tags: Annotated[list[str], Header("X-Tag")]) -> list[str]:
        return [*self.seen(), x_key, *tags]

    async def baked(self, a: Annotated[str, Cookie()], b: Annotated[int | None, Cookie()] = None) -> list[str]:
        return [*self.seen(), a, str(b)]

    @route("/by/{id}", methods=["DELETE", "PUT"])
    async def by_id(self, id: int) -> list[str]:
        return self.seen()

    @route(methods=["POST"])
    async def sign_up(
        self, name: str, password: str, *, stay: bool = False, q: Annotated[str, Query()] = ""
    ) -> list[str]:
        return [*self.seen(), name, password, str(stay)]

    @route(methods=["POST"])
    async def sent(self, name: str, file: UploadFile) -> list[str]:
        return [*self.seen(), name, file.filename]

    @route("/patched/{id}", methods=["PATCH"])
    async def patched(self, id: int, name: str) -> list[str]:
        return [*self.seen(), name]

    @route(methods=["GET"])
    async def only_get(self, text: str, *, it: Any = None) -> list[str]:
        return self.seen()

    # Results

    async def text(self) -> str:
        return "é"

    def blocking(self) -> str:
        return "é"

    async def octets(self) -> bytes:
        return b"\xff"

    async def nothing(self) -> None: ...

    async def maybe(self, there: bool) -> Todo | None:
        return Todo(1, "x") if there else None

    async def text_or_data(self, text: bool) -> str | Todo:
        return "x" if text else Todo(1, "x")

    async def choice(self) -> Literal["a", "b"]:
        return "b"

    async def user(self) -> User:
        return User("Ann", date(2000, 1, 1))

    async def point(self) -> Point:
        return Point(1, 2)

    async def accepted(self, nothing: bool) -> tuple[Literal[202], str | None]:
        return 202, None if nothing else ""

    async def accepted_data(self) -> tuple[Literal[200], Todo | None]:
        return 200, None

    async def listed(self) -> Iterable[Todo]:
        return [Todo(1, "x")]

    def generated(self) -> Iterable[Todo]:
        yield from (Todo(1, "x"), Todo(2, "é\u2028"))

    async def several_types(self) -> dict[str, set[Colour]]:
        return {"a": {Colour.RED}}

    async def any_status(self, status: int) -> tuple[int, str]:
        return status, "body"

    async def whatever(self, kind: str) -> Any:
        return {"json": {"a": 1}, "text": "text", "bytes": b"bytes", "none": None}[kind]

    async def unannotated(self):  # type: ignore[no-untyped-def]  # as it says
        return {"a": 1}

    async def file(self) -> Path:
        return SERVED_FILE

    async def away(self) -> tuple[int, str, list[tuple[str, str]]]:
        return self._redirect("/text")

    async def moved(self) -> Todo:
        raise HTTPError(404)

    async def limited(self, page: Annotated[int, Meta(ge=1)], size: Annotated[int, Query()]) -> int:
        return page * size

    async def forbidden(self) -> str:
        raise HTTPError(403, "Not you")

    async def broken(self) -> str:
        raise RuntimeError("secret")

    # Streams

    async def rows(self, count: int) -> AsyncIterator[Todo]:
        for number in range(count):
            yield Todo(number, "é" * 50)

    def blocking_rows(self, count: int) -> Iterator[Todo]:
        for number in range(count):
            yield Todo(number, "x")

    async def events(self) -> AsyncIterator[ServerSentEvent[Todo]]:
        yield ServerSentEvent(Todo(1, "a\nb"), event="new", id="7", retry=9)
        yield ServerSentEvent(comment="still here")
        yield ServerSentEvent(Todo(2, "c"))

    async def text_events(self) -> AsyncIterator[ServerSentEvent[str]]:
        yield ServerSentEvent("one\ntwo")
        yield ServerSentEvent("5")

    async def pieces(self) -> AsyncIterator[str]:
        yield "é"
        yield "b"

    async def chunks(self) -> AsyncIterator[bytes]:
        yield b"\xff"
        yield b"b"

    async def endless(self) -> AsyncIterator[int]:
        number = 0
        while True:
            number += 1
            yield number

    async def with_status(self) -> tuple[Literal[202], AsyncIterator[int]]:
        async def numbers() -> AsyncIterator[int]:
            yield 1

        return 202, numbers()

    # Parameters that the server fills

    async def login(self, name: str) -> None:
        self.request.session["user"] = name

    async def me(self, request: Request, user: Annotated[str, Session()], *, shout: bool = False) -> str:
        return user.upper() if shout else user

    async def ws_chat(self, ws: WebSocket) -> None: ...


def run(work: Callable[[Client[Api]], Coroutine[Any, Any, None]]) -> None:
    """Call `work` with a client of an Api that runs in this process."""

    async def main() -> None:
        async with Client(Api, app=Api()) as client:
            await work(client)

    asyncio.run(main())


async def two_pieces() -> AsyncIterator[bytes]:
    yield b"1"
    yield b"2"


URLENCODED, MULTIPART, JSON = "application/x-www-form-urlencoded", "multipart/form-data", "application/json"


OCTETS = "application/octet-stream"


# The handler, the arguments, and the request that arrived: method, target, content type, and values.
REQUESTS: list[tuple[Any, tuple[Any, ...], dict[str, Any], list[str]]] = [
    (Api.plain, (3,), {}, ["GET", "/plain/3", ""]),
    (Api.plain, (3,), {"verbose": True}, ["GET", "/plain/3?verbose=true", ""]),
    (Api.plain, (3,), {"verbose": False}, ["GET", "/plain/3?verbose=false", ""]),
    (Api.texts, ("a/b",), {}, ["GET", "/texts/a%2Fb", "", "a/b", "x"]),
    (Api.texts, (), {"more": None}, ["POST", "/texts", JSON, "", "None"]),
    (Api.texts, ("a\0b",), {}, ["POST", "/texts", JSON, "a\0b", "x"]),
    (Api.texts, ("x" * 5000,), {}, ["POST", "/texts", JSON, "x" * 9, "x"]),
    (Api.formed, ("a&b", 2), {}, ["POST", "/formed/2", URLENCODED, "a&b"]),
    (Api.keyed, (1, [2, 3]), {}, ["POST", "/keyed", JSON, "1", "[2, 3]"]),
    (Api.numbers, ([2, 3], "n"), {}, ["POST", "/numbers/n", JSON, "[2, 3]", "n"]),
    (Api.numbers, ([],), {}, ["POST", "/numbers", JSON, "[]", "default"]),
    (Api.either, (5,), {}, ["GET", "/either/5", "", "5"]),
    (Api.either, ([5, 6],), {}, ["GET", "/either?ids=5&ids=6", "", "[5, 6]"]),
    (Api.either, ([5],), {}, ["POST", "/either", JSON, "[5]"]),
    (Api.merged, (User("Ann"), "n"), {}, ["POST", "/merged?name=default", JSON, "Ann", "n", "default"]),
    (Api.joined, (), {"file": b"abc"}, ["POST", "/joined", MULTIPART, "no user", "abc"]),
    (Api.joined, (User("Ann"),), {}, ["POST", "/joined", JSON, "Ann", "no file"]),
    (Api.joined, (User("Ann"), b"abc"), {}, ["POST", "/joined", MULTIPART, "Ann", "abc"]),
    (Api.filed, (upload(b"abc", filename="ä.txt"),), {},
     ["POST", "/filed", MULTIPART, "ä.txt", "text/plain", "abc", "none"]),
    (Api.filed, (upload(b""),), {"note": "é\r\n"}, ["POST", "/filed", MULTIPART, "upload", OCTETS, "", "é\r\n"]),
    (Api.filed, (b"abc",), {}, ["POST", "/filed", MULTIPART, "upload", OCTETS, "abc", "none"]),
    (Api.attached, (Attached("t", upload(b"abc")),), {}, ["POST", "/attached", MULTIPART, "t", "abc"]),
    (Api.several, ([upload(b"1", filename="a"), upload(b"2", filename="b")],), {}, ["a", "b"]),
    (Api.raw, (b"abc",), {}, ["POST", "/raw", OCTETS, "abc"]),
    (Api.poured, (two_pieces(),), {}, ["POST", "/poured", OCTETS, "12"]),
    (Api.head_of, ("é", ['"a, b"', "c"]), {}, ["GET", "/head_of", "", "é", '"a, b"', "c"]),
    (Api.baked, (' "a" ', 3), {}, ["GET", "/baked", "", ' "a" ', "3"]),
    (Api.by_id, (3,), {}, ["PUT", "/by/3", ""]),
    (Api.sign_up, ("Ann", "secret"), {}, ["POST", "/sign_up", JSON, "Ann", "secret", "False"]),
    (Api.sign_up, ("", "é"), {"stay": True, "q": "t"}, ["POST", "/sign_up?q=t", JSON, "", "é", "True"]),
    (Api.sent, ("Ann", upload(b"", filename="a")), {}, ["POST", "/sent", MULTIPART, "Ann", "a"]),
    (Api.patched, (3, "Ann"), {}, ["PATCH", "/patched/3", JSON, "Ann"]),
]  # fmt: skip


# The handler, the arguments, the result.
RESULTS: list[tuple[Any, tuple[Any, ...], Any]] = [
    (Todos.get, (3,), (200, Todo(3, "milk"))),
    (Todos.get, (30,), (404, Gone("no such todo"))),
    (Todos.put, (3, Todo(1, "x")), Todo(3, "x")),
    (Todos.delete, (3,), None),
    (Api.text, (), "é"),
    (Api.blocking, (), "é"),
    (Api.octets, (), b"\xff"),
    (Api.nothing, (), None),
    (Api.maybe, (True,), Todo(1, "x")),
    (Api.maybe, (False,), None),
    (Api.text_or_data, (True,), "x"),
    (Api.text_or_data, (False,), Todo(1, "x")),
    (Api.choice, (), "b"),
    (Api.user, (), User("Ann", date(2000, 1, 1))),
    (Api.point, (), Point(1, 2)),
    (Api.accepted, (True,), (202, None)),
    (Api.accepted, (False,), (202, "")),
    (Api.accepted_data, (), (200, None)),
    (Api.listed, (), [Todo(1, "x")]),
    (Api.generated, (), [Todo(1, "x"), Todo(2, "é\u2028")]),
    (Api.several_types, (), {"a": {Colour.RED}}),
    (Api.any_status, (202,), (202, "body")),
    (Api.whatever, ("json",), {"a": 1}),
    (Api.whatever, ("text",), "text"),
    (Api.whatever, ("bytes",), "bytes"),
    (Api.whatever, ("none",), None),
    (Api.unannotated, (), {"a": 1}),
]


# The handler, the arguments, the items.
STREAMS: list[tuple[Any, tuple[Any, ...], list[Any]]] = [
    (Api.rows, (3,), [Todo(number, "é" * 50) for number in range(3)]),
    (Api.rows, (0,), []),
    (Api.blocking_rows, (2,), [Todo(0, "x"), Todo(1, "x")]),
    (Api.events, (), [ServerSentEvent(Todo(1, "a\nb"), "new", "7", 9), ServerSentEvent(Todo(2, "c"))]),
    (Api.text_events, (), [ServerSentEvent("one\ntwo"), ServerSentEvent("5")]),
]


def constant_app(status: int, content_type: str, body: bytes, **headers: str) -> ASGIApp:
    """Return an ASGI app, not a micropie one, that sends the same response to every request."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            for step in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{step}.complete"})
            return
        fields = {"content-type": content_type, **headers} if content_type else headers
        raw = [(name.encode(), value.encode()) for name, value in fields.items()]
        await send({"type": "http.response.start", "status": status, "headers": raw})
        await send({"type": "http.response.body", "body": body})

    return app


def call_once(app: ASGIApp, handler: Any, *args: Any, api: type[App] = Api, path: str = "") -> Any:
    async def main() -> Any:
        async with Client(api, "http://localhost" + path, app=app) as client:
            result = await client.call(handler, *args)
            return [item async for item in result] if isinstance(result, Stream) else result

    return asyncio.run(main())


LINES, EVENTS = "application/jsonl", "text/event-stream"
