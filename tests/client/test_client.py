"""The client: which request a call becomes, what an answer becomes, what is said of answers that nobody promised."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import date
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import httpx2
import pytest
import uvicorn
from msgspec import Meta, Struct

from micropie import (
    ELSEWHERE,
    App,
    Body,
    Cookie,
    Form,
    Header,
    HTTPError,
    Invalid,
    Query,
    Request,
    Resource,
    ServerSentEvent,
    Session,
    UploadFile,
    WebSocket,
    route,
)
from micropie.client import CallError, Client, Stream, UnexpectedResponse, upload
from micropie.testing import ASGITransport
from micropie.types import ASGIApp, Receive, Scope, Send


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

    async def merged(self, user: User, note: Annotated[str, Body()], name: str = "default") -> list[str]:
        return [*self.seen(), user.name, note, name]

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

    # What comes back

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
        return Path(__file__)

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

    # What the server fills

    async def login(self, name: str) -> None:
        self.request.session["user"] = name

    async def me(self, request: Request, user: Annotated[str, Session()], *, shout: bool = False) -> str:
        return user.upper() if shout else user

    async def ws_chat(self, ws: WebSocket) -> None: ...


def run(work: Callable[[Client[Api]], Coroutine[Any, Any, None]]) -> None:
    """Let `work` have a client of an Api in this process."""

    async def main() -> None:
        async with Client(Api, app=Api()) as client:
            await work(client)

    asyncio.run(main())


async def two_pieces() -> AsyncIterator[bytes]:
    yield b"1"
    yield b"2"


URLENCODED, MULTIPART, JSON = "application/x-www-form-urlencoded", "multipart/form-data", "application/json"
OCTETS = "application/octet-stream"

# The handler, the arguments, and what it saw: method, target, content type, and values.
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
    (Api.merged, (User("Ann"), "n"), {}, ["POST", "/merged?name=default", JSON, "Ann", "n", "default"]),
    (Api.filed, (upload(b"abc", filename="ä.txt"),), {},
     ["POST", "/filed", MULTIPART, "ä.txt", "text/plain", "abc", "none"]),
    (Api.filed, (upload(b""),), {"note": "é\r\n"}, ["POST", "/filed", MULTIPART, "upload", OCTETS, "", "é\r\n"]),
    (Api.filed, (b"abc",), {}, ["POST", "/filed", MULTIPART, "upload", OCTETS, "abc", "none"]),
    (Api.attached, (Attached("t", upload(b"abc")),), {}, ["POST", "/attached", MULTIPART, "t", "abc"]),
    (Api.several, ([upload(b"1", filename="a"), upload(b"2", filename="b")],), {}, ["a", "b"]),
    (Api.raw, (b"abc",), {}, ["POST", "/raw", OCTETS, "abc"]),
    (Api.poured, (two_pieces(),), {}, ["POST", "/poured", OCTETS, "12"]),
    (Api.head_of, ("é", ["a, b", "c"]), {}, ["GET", "/head_of", "", "é", "a, b", "c"]),
    (Api.baked, (' "a" ', 3), {}, ["GET", "/baked", "", ' "a" ', "3"]),
    (Api.by_id, (3,), {}, ["PUT", "/by/3", ""]),
    (Api.sign_up, ("Ann", "secret"), {}, ["POST", "/sign_up", JSON, "Ann", "secret", "False"]),
    (Api.sign_up, ("", "é"), {"stay": True, "q": "t"}, ["POST", "/sign_up?q=t", JSON, "", "é", "True"]),
    (Api.sent, ("Ann", upload(b"", filename="a")), {}, ["POST", "/sent", MULTIPART, "Ann", "a"]),
    (Api.patched, (3, "Ann"), {}, ["PATCH", "/patched/3", JSON, "Ann"]),
]  # fmt: skip


@pytest.mark.parametrize(("handler", "args", "kwargs", "seen"), REQUESTS)
def test_a_call_becomes_a_request(handler: Any, args: tuple[Any, ...], kwargs: dict[str, Any], seen: list[str]) -> None:
    async def work(client: Client[Api]) -> None:
        assert await client.call(handler, *args, **kwargs) == seen

    run(work)


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


@pytest.mark.parametrize(("handler", "args", "result"), RESULTS)
def test_an_answer_becomes_what_the_handler_returned(handler: Any, args: tuple[Any, ...], result: Any) -> None:
    async def work(client: Client[Api]) -> None:
        found = await client.call(handler, *args)
        assert found == result
        assert type(found) is type(result)

    run(work)


def test_headers_are_given_where_the_handler_returns_them() -> None:
    async def work(client: Client[Api]) -> None:
        status, todo, headers = await client.call(Todos.post, Todo(1, "x"), notify=True)
        assert (status, todo, headers["x-notify"]) == (201, Todo(1, "x"), "True")
        moved = await client.call(Api.away)
        assert (moved[0], moved[1], ("location", "/text") in moved[2]) == (302, "", True)

    run(work)


class Files(App):
    async def either(self, kind: str) -> Path | Todo | None:
        known: dict[str, Path | Todo | None] = {"file": Path(__file__), "data": Todo(1, "x"), "none": None}
        return known[kind]

    async def data(self, name: str) -> Path:
        return Path(name)


def test_a_file_may_be_json_and_something_else_may_take_its_place(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b"[1]")

    async def main() -> None:
        async with Client(Files, app=Files()) as client:
            found = await client.call(Files.data, str(tmp_path / "a.json"))
            assert found.read_bytes() == b"[1]"
            assert await client.call(Files.either, "data") == Todo(1, "x")
            assert await client.call(Files.either, "none") is None
            file: Any = await client.call(Files.either, "file")
            assert file.read_bytes() == Path(__file__).read_bytes()

    asyncio.run(main())


def test_files_that_come_side_by_side_are_removed_alike() -> None:
    async def main() -> None:
        async with Client(Api, app=Api()) as client:
            found = await asyncio.gather(*(client.call(Api.file) for _ in range(3)))
            assert all(file.exists() for file in found)
        assert not any(file.parent.exists() for file in found)

    asyncio.run(main())


def test_a_file_lives_as_long_as_the_client() -> None:
    found: list[Path] = []

    async def work(client: Client[Api]) -> None:
        found.extend([await client.call(Api.file), await client.call(Api.file)])
        assert [path.read_bytes() for path in found] == [Path(__file__).read_bytes()] * 2

    run(work)
    assert [path.exists() for path in found] == [False, False]
    assert not found[0].parent.exists()


# The handler, the arguments, the items.
STREAMS: list[tuple[Any, tuple[Any, ...], list[Any]]] = [
    (Api.rows, (3,), [Todo(number, "é" * 50) for number in range(3)]),
    (Api.rows, (0,), []),
    (Api.blocking_rows, (2,), [Todo(0, "x"), Todo(1, "x")]),
    (Api.events, (), [ServerSentEvent(Todo(1, "a\nb"), "new", "7", 9), ServerSentEvent(Todo(2, "c"))]),
    (Api.text_events, (), [ServerSentEvent("one\ntwo"), ServerSentEvent("5")]),
]


@pytest.mark.parametrize(("handler", "args", "items"), STREAMS)
def test_a_stream_comes_item_by_item(handler: Any, args: tuple[Any, ...], items: list[Any]) -> None:
    async def work(client: Client[Api]) -> None:
        stream = await client.call(handler, *args)
        assert isinstance(stream, Stream)
        assert [item async for item in stream] == items

    run(work)


def test_text_and_bytes_stream_in_pieces() -> None:
    async def work(client: Client[Api]) -> None:
        assert "".join([piece async for piece in await client.call(Api.pieces)]) == "éb"
        assert b"".join([piece async for piece in await client.call(Api.chunks)]) == b"\xffb"

    run(work)


def test_a_stream_may_have_a_status_and_may_be_left() -> None:
    async def work(client: Client[Api]) -> None:
        status, numbers = await client.call(Api.with_status)
        assert (status, [number async for number in numbers]) == (202, [1])
        stream: Any = await client.call(Api.endless)
        async with aclosing(stream):
            assert [await anext(stream), await anext(stream)] == [1, 2]
        with pytest.raises(StopAsyncIteration):
            await anext(stream)
        async with await client.call(client.api.blocking_rows, 3) as rows:
            assert await anext(rows) == Todo(0, "x")

    run(work)


# The handler, the arguments, then status, title, detail and errors of what is raised.
ERRORS: list[tuple[Any, tuple[Any, ...], int, str, str, list[Invalid]]] = [
    (Api.limited, (0, "x"), 400, "Bad Request",
     "Invalid path parameter 'page': Expected an integer >= 1; Invalid query parameter 'size': Expected an integer",
     [Invalid("Expected an integer >= 1", "path", "page"), Invalid("Expected an integer", "query", "size")]),
    (Todos.put, (1, Todo(1, "")), 400, "Bad Request",
     "Invalid value at '/title': Expected text of length >= 1",
     [Invalid("Expected text of length >= 1", pointer="/title")]),
    (Api.me, (ELSEWHERE, ELSEWHERE), 400, "Bad Request", "Missing required parameter 'user'",
     [Invalid("Missing required parameter 'user'", "session", "user")]),
    (Api.forbidden, (), 403, "Forbidden", "Not you", []),
    (Api.moved, (), 404, "Not Found", "", []),
    (Api.any_status, (404,), 404, "Not Found", "", []),
]  # fmt: skip


@pytest.mark.parametrize(("handler", "args", "status", "title", "detail", "errors"), ERRORS)
def test_an_error_that_is_not_promised_is_raised(
    handler: Any, args: tuple[Any, ...], status: int, title: str, detail: str, errors: list[Invalid]
) -> None:
    async def work(client: Client[Api]) -> None:
        with pytest.raises(CallError) as caught:
            await client.call(handler, *args)
        error = caught.value
        assert (error.status, error.title, error.detail, error.errors) == (status, title, detail, errors)
        assert f"{status} {title}" in str(error)

    run(work)


def answering(status: int, content_type: str, body: bytes, **headers: str) -> ASGIApp:
    """An app that always says the same, which is none of ours."""

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


def called(app: ASGIApp, handler: Any, *args: Any, api: type[App] = Api, path: str = "") -> Any:
    async def main() -> Any:
        async with Client(api, "http://localhost" + path, app=app) as client:
            result = await client.call(handler, *args)
            return [item async for item in result] if isinstance(result, Stream) else result

    return asyncio.run(main())


# What comes, and what is said of it.
FOREIGN: list[tuple[int, str, bytes, dict[str, str], int, str, str]] = [
    (500, "text/html", b"<h1>Oops", {}, 500, "", "GET /text: 500 Internal Server Error"),
    (418, "text/plain", b"short and stout", {}, 418, "short and stout", "GET /text: 418 I'm a Teapot: short and stout"),
    (400, JSON, b"{", {}, 400, "", "GET /text: 400 Bad Request"),
    (400, JSON, b'{"detail": 5, "title": "x"}', {}, 400, "", "GET /text: 400 Bad Request"),
    (409, "application/problem+json", b'{"title": "Taken", "detail": "d"}', {}, 409, "d", "GET /text: 409 Taken: d"),
    (301, "", b"", {"location": "/x"}, 301, "", "GET /text: 301 Moved Permanently: see /x"),
    (599, "", b"", {}, 599, "", "GET /text: 599 Unknown"),
]


@pytest.mark.parametrize(("status", "kind", "body", "headers", "seen", "detail", "message"), FOREIGN)
def test_errors_of_other_servers_are_told_as_far_as_they_can_be(
    status: int, kind: str, body: bytes, headers: dict[str, str], seen: int, detail: str, message: str
) -> None:
    with pytest.raises(CallError) as caught:
        called(answering(status, kind, body, **headers), Api.text)
    assert (caught.value.status, caught.value.detail, caught.value.body) == (seen, detail, body)
    assert str(caught.value) == message


LINES, EVENTS = "application/jsonl", "text/event-stream"

# The handler, the answer, and what is wrong with it.
MALFORMED: list[tuple[Any, tuple[Any, ...], str, bytes, str]] = [
    (Api.user, (), JSON, b"{", "GET /user answered 200: Bad JSON"),
    (
        Api.user,
        (),
        JSON,
        b'{"name": 5}',
        "GET /user answered 200: Invalid value at '/name': Expected text, got a number",
    ),
    (Api.user, (), "text/html", b"<h1>", "GET /user answered 200: expected JSON, got text/html"),
    (Api.user, (), "", b"", "GET /user answered 200: expected JSON, got nothing"),
    (Api.text, (), "text/html", b"\xff", "GET /text answered 200: expected text, in UTF-8"),
    (Api.choice, (), "text/html", b"c", "GET /choice answered 200: expected one of 'a', 'b', in UTF-8"),
    (Todos.get, (3,), JSON, b"[]", "GET /todos/3 answered 200: Expected an object, got an array"),
    (Api.rows, (3,), LINES, b'{"id":1,"title":"x"}\n{"id":1}\n', "GET /rows/3 answered 200: line 2: Invalid value at"),
    (Api.rows, (3,), LINES, b'{"id":1,', "GET /rows/3 answered 200: line 1: Bad JSON"),
    (Api.rows, (3,), "text/html", b"<h1>", "GET /rows/3 answered 200: expected JSON Lines or events, got text/html"),
    (Api.pieces, (), "text/html", b"\xff", "GET /pieces answered 200: expected text, in UTF-8"),
    (Api.pieces, (), "text/html", b"a\xc3", "GET /pieces answered 200: expected text, in UTF-8"),
    (Api.events, (), EVENTS, b": x\n\ndata: {\n\n", "GET /events answered 200: line 4: Bad JSON"),
]


@pytest.mark.parametrize(("handler", "args", "kind", "body", "message"), MALFORMED)
def test_an_answer_that_does_not_fit_is_malformed(
    handler: Any, args: tuple[Any, ...], kind: str, body: bytes, message: str
) -> None:
    with pytest.raises(UnexpectedResponse) as caught:
        called(answering(200, kind, body), handler, *args)
    assert str(caught.value).startswith(message)


def test_a_response_without_content_is_not_a_file() -> None:
    with pytest.raises(UnexpectedResponse, match=r"GET /file answered 204: expected a file, got status 204"):
        called(answering(204, "", b""), Api.file)


# HTML §9.2.6, as others write it.
@pytest.mark.parametrize(
    ("body", "events"),
    [
        (b"\xef\xbb\xbfdata:a\r\rdata: b\r\ndata:  c\r\n\r\n", [ServerSentEvent("a"), ServerSentEvent("b\n c")]),
        (b"data\n\n", [ServerSentEvent("")]),
        (b"data: a\nretry: x\nid\nevent\nother: y\n\n", [ServerSentEvent("a", id="")]),
        (b"event: x\n\ndata: never ended\n", []),
    ],
)
def test_event_streams_are_read_as_browsers_read_them(body: bytes, events: list[ServerSentEvent[str]]) -> None:
    assert called(answering(200, EVENTS, body), Api.text_events) == events


def test_sessions_last_from_call_to_call() -> None:
    async def work(client: Client[Api]) -> None:
        await client.call(Api.login, "Ann")
        assert await client.call(Api.me, ELSEWHERE, ELSEWHERE) == "Ann"
        assert await client.call(Api.me, ELSEWHERE, ELSEWHERE, shout=True) == "ANN"
        assert await client.call(Api.baked, "mine") == ["GET", "/baked", "", "mine", "None"]
        assert await client.call(Api.me, ELSEWHERE, ELSEWHERE) == "Ann"

    run(work)


def test_a_redirect_is_followed_when_that_is_wanted() -> None:
    class Old(App):
        async def away(self) -> str: ...  # type: ignore[empty-body]  # only called from afar

    async def main() -> None:
        async with Client(
            Old, transport=ASGITransport(Api()), base_url="http://localhost", follow_redirects=True
        ) as it:
            assert await it.call(Old.away) == "é"

    asyncio.run(main())


# What cannot be asked: the handler, the arguments, what is raised, and words of it.
UNASKABLE: list[tuple[Any, tuple[Any, ...], type[Exception], str]] = [
    (Api.plain, (), TypeError, r"Api\.plain: missing a required argument: 'id'"),
    (Api.me, ("x", "y"), ValueError, "'request' is filled by the server"),
    (Api.me, (ELSEWHERE, "y"), ValueError, "'user' is filled by the server"),
    (Todos.put, (1, ELSEWHERE), ValueError, "'todo' comes from nowhere else"),
    (Api.only_get, ("x" * 5000,), ValueError, "answers GET only, which has no body, and these arguments need one"),
    (Api.ws_chat, (ELSEWHERE,), ValueError, "is a WebSocket handler, which Client cannot call"),
    (Api.head_of, ("a\nb", ["x"]), ValueError, "'x_key' holds what a header cannot"),
    (Api.head_of, (" a", ["x"]), ValueError, "'x_key' holds what a header cannot"),
    (Api.head_of, ("a", []), ValueError, "'tags' cannot be empty"),
    (Api.baked, ("a;b",), ValueError, "'a' holds what a cookie cannot"),
    (Api.several, ([],), ValueError, "'files' cannot be empty"),
    (Api.several, ("ab",), ValueError, r"'files' is a file: give bytes, a path or upload\(…\), not str"),
    (Api.filed, (None,), ValueError, r"'file' is a file: give bytes, a path or upload\(…\), not NoneType"),
    (Api.attached, (Attached("t", "x"),), ValueError, "'file' is a file"),  # type: ignore[arg-type]  # as it says
    (Api.raw, ("ab",), ValueError, "'body' is a body as it is: bytes, or an asynchronous iterator, not str"),
    (Api.poured, ([b"1"],), ValueError, "'body' is a body as it is: bytes, or an asynchronous iterator, not list"),
    (Api.keyed, (object(), [1]), ValueError, "'a' cannot be sent as JSON"),
    (len, (), LookupError, "len is at no URL of Api"),
]  # fmt: skip


@pytest.mark.parametrize(("handler", "args", "error", "words"), UNASKABLE)
def test_what_cannot_be_asked_is_refused(
    handler: Any, args: tuple[Any, ...], error: type[Exception], words: str
) -> None:
    async def work(client: Client[Api]) -> None:
        with pytest.raises(error, match=words):
            await client.call(handler, *args)

    run(work)


class Odd(App):
    """Signatures whose arguments get into each other's way."""

    async def crowded(self, note: Annotated[str, Form()], key: Annotated[list[User], Body("key")]) -> None: ...
    async def full(self, users: list[User], note: Annotated[str, Body()]) -> None: ...
    async def twice(self, user: User, name: Annotated[str, Body()]) -> None: ...
    async def nothing(self, user: Annotated[User | None, Form()] = None) -> None: ...
    async def emptied(self, tags: Annotated[dict[str, int], Form()]) -> None: ...
    async def asked(self, user: Annotated[User, Query()]) -> None: ...
    async def typed(self, user: Annotated[dict[str, str], Query()]) -> None: ...
    async def raw(self, body: Annotated[bytes | None, Body()]) -> None: ...
    async def shadowed(self, user: User, name: str | None = None) -> str:
        return str(name)

    async def accepting(self, accept: Annotated[str, Header()]) -> str:
        return f"{accept} {self.request.headers['accept']}"


ODD: list[tuple[Any, tuple[Any, ...], str]] = [
    (Odd.crowded, ("x", []), "'key' needs a JSON body, and something else a form"),
    (Odd.full, ([], "x"), "the body is one value, in which there is no room for note"),
    (Odd.twice, (User("x"), "y"), "the body is one value, in which there is no room for name"),
    (Odd.emptied, ({},), "'tags' has nothing in it that names and texts could say"),
    (Odd.asked, (5,), "'user' cannot be written as names and texts: int is none of what was expected"),
    (Odd.asked, (User("a\0b"),), "'user' holds a NUL"),
    (Odd.typed, (5,), "'user' cannot be written as names and texts: int is none of what was expected"),
    (Odd.raw, (None,), "'body' cannot be nothing"),
]


@pytest.mark.parametrize(("handler", "args", "words"), ODD)
def test_what_one_request_cannot_say_is_refused(handler: Any, args: tuple[Any, ...], words: str) -> None:
    async def main() -> None:
        async with Client(Odd, app=Odd()) as client:
            with pytest.raises(ValueError, match=words):
                await client.call(handler, *args)

    asyncio.run(main())


def test_a_default_that_no_url_says_gives_way_to_what_the_body_has() -> None:
    async def main() -> None:
        async with Client(Odd, app=Odd()) as client:
            assert await client.call(Odd.shadowed, User("Ann")) == "Ann"
            assert await client.call(Odd.shadowed, User("Ann"), "Bob") == "Bob"
            await client.call(Odd.nothing)

    asyncio.run(main())


def test_what_is_accepted_can_be_said_by_an_argument() -> None:
    async def main() -> None:
        async with Client(Odd, app=Odd()) as client:
            assert await client.call(Odd.accepting, "text/html") == "text/html text/html"

    asyncio.run(main())


class Plain:
    """A class that nobody can decode."""


class Markup(str):
    """A text of the user's own class."""


class Loose(App):
    """What promises little."""

    async def unknown(self) -> Plain: ...  # type: ignore[empty-body]  # only called from afar
    async def markup(self) -> Markup:
        return Markup("<b>")

    async def event(self) -> AsyncIterator[ServerSentEvent]:  # type: ignore[type-arg]
        yield ServerSentEvent("text")

    async def mixed(self) -> AsyncIterator[ServerSentEvent[int | str]]:
        yield ServerSentEvent(5)
        yield ServerSentEvent("five")

    async def anything(self) -> AsyncIterator[Any]:
        yield "text"


def test_what_promises_little_is_taken_as_it_comes() -> None:
    assert called(answering(200, JSON, b'{"a": 1}'), Loose.unknown, api=Loose) == {"a": 1}
    assert called(Loose(), Loose.markup, api=Loose) == "<b>"
    assert called(Loose(), Loose.event, api=Loose) == [ServerSentEvent("text")]
    assert called(Loose(), Loose.mixed, api=Loose) == [ServerSentEvent(5), ServerSentEvent("five")]
    assert called(Loose(), Loose.anything, api=Loose) == ["text"]


def test_a_stream_ends_with_what_is_thrown_into_it() -> None:
    async def main() -> None:
        client = Client(Api, app=Api())
        rows = await client.call(client.api.blocking_rows, 3)
        assert await anext(rows) == Todo(0, "x")
        with pytest.raises(KeyError):
            await rows.athrow(KeyError("x"))
        with pytest.raises(StopAsyncIteration):
            await anext(rows)
        await client.aclose()

    asyncio.run(main())


def test_what_an_app_fails_with_is_as_secret_as_anywhere() -> None:
    async def work(client: Client[Api]) -> None:
        with pytest.raises(CallError, match=r"500 Internal Server Error$"):
            await client.call(Api.broken)

    run(work)


class Costly(App):
    """Cannot be made here; its class says enough."""

    todos: Todos
    more: Api

    def __init__(self, database: object) -> None:
        raise AssertionError("never called")

    async def here(self) -> str:
        return "here"


@dataclass
class Fields(App):
    database: str
    todos: Todos = field(default_factory=Todos)


class Unresolved(App):
    database: "Nowhere"  # type: ignore[name-defined]  # noqa: F821
    todos: Todos

    async def here(self) -> None: ...


class Hidden(App):
    def __init__(self) -> None:
        super().__init__()
        self.todos = Todos()


def test_an_outline_is_made_of_the_class_alone() -> None:
    client = Client(Costly, "http://localhost")
    assert client.api.url(Costly.here) == "/here"
    assert client.api.url(client.api.todos.get, 3) == "/todos/3"
    assert client.api.url(client.api.more.todos.get, 3) == "/more/todos/3"
    assert Client(Unresolved, "http://localhost").api.url(Todos.get, 3) == "/todos/3"
    assert Client(Fields, "http://localhost").api.url(Todos.get, 3) == "/todos/3"


def test_what_only_an_instance_shows_needs_one() -> None:
    async def main() -> None:
        async with Client(Hidden, transport=ASGITransport(Hidden()), base_url="http://localhost") as blind:
            with pytest.raises(LookupError, match=r"Todos\.get is at no URL of Hidden"):
                await blind.call(Todos.get, 3)
        for client in (Client(Hidden, app=Hidden()), Client(Hidden(), app=Hidden())):
            async with client:
                assert await client.call(Todos.get, 3) == (200, Todo(3, "milk"))
                assert await client.call(client.api.todos.get, 3) == (200, Todo(3, "milk"))

    asyncio.run(main())


def test_there_is_one_way_to_send() -> None:
    app = Api()
    with pytest.raises(TypeError, match="takes one of `app`, `http` and `transport`"):
        Client(Api, app=app, transport=ASGITransport(app))
    with pytest.raises(TypeError, match="takes `headers` only without `http`"):
        Client(Api, http=httpx2.AsyncClient(base_url="http://localhost"), headers={"A": "b"})


def test_a_media_type_is_one() -> None:
    with pytest.raises(ValueError, match="is not a media type"):
        upload(b"", content_type="text/plain\r\nX: y")


@pytest.mark.parametrize("base_url", ["", "localhost:8000", "/api", "ftp://localhost", "http://localhost/?a=1"])
def test_where_the_app_is_has_to_be_said(base_url: str) -> None:
    with pytest.raises(ValueError, match="is not the URL of an app: expected one like"):
        Client(Api, base_url)


def test_a_client_that_was_given_is_used_and_left_open() -> None:
    async def main() -> None:
        transport = ASGITransport(Api())
        async with httpx2.AsyncClient(transport=transport, base_url="http://localhost", cookies={"a": "kept"}) as http:
            async with Client(Api, http=http) as client:
                assert await client.call(Api.baked, "sent") == ["GET", "/baked", "", "sent", "None"]
                assert client.http is http
            assert (await http.get("/text")).text == "é"

    asyncio.run(main())


def test_a_base_url_may_have_a_path() -> None:
    class Outer(App): ...

    async def main() -> None:
        outer = Outer()
        outer.mount("/a b/api", Api())
        async with Client(Api, "http://localhost/a%20b/api/", transport=ASGITransport(outer)) as client:
            assert await client.call(Api.plain, 3) == ["GET", "/a%20b/api/plain/3", ""]

    asyncio.run(main())


def test_an_upload_that_was_received_can_be_sent_on() -> None:
    class Front(App):
        back: Client[Api]

        async def store(self, file: UploadFile) -> list[str]:
            return await self.back.call(Api.filed, file, note="on")

    async def main() -> None:
        front = Front()
        async with Client(Api, app=Api()) as front.back, Client(front, app=front) as client:
            found = await client.call(Front.store, upload(b"x" * 300_000, filename="a.bin"))
            assert (found[3], len(found[5]), found[6]) == ("a.bin", 300_000, "on")

    asyncio.run(main())


def test_any_kind_of_json_is_json() -> None:
    app = answering(200, "application/vnd.todo+json", b'{"id":1,"title":"x"}')
    assert called(app, Todos.put, 1, Todo(2, "y"), path="/v1/") == Todo(1, "x")


# --- over sockets ---------------------------------------------------------------------------------------------------


def over_sockets(work: Callable[[Client[Api]], Coroutine[Any, Any, None]]) -> None:
    """Let `work` have a client of an Api that uvicorn serves."""

    async def main() -> None:
        server = uvicorn.Server(uvicorn.Config(Api(), port=0, log_level="critical"))
        serving = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        try:
            async with Client(Api, f"http://127.0.0.1:{port}") as client:
                await work(client)
        finally:
            server.should_exit = True
            await serving

    asyncio.run(main())


def test_everything_works_over_sockets_too(tmp_path: Path) -> None:
    big = tmp_path / "big é.bin"
    big.write_bytes(b"0123456789" * 100_000)

    async def work(client: Client[Api]) -> None:
        for handler, args, kwargs, seen in REQUESTS:
            if handler is not Api.poured:  # a generator, which another test has used up
                assert await client.call(handler, *args, **kwargs) == seen
        for handler, args, result in RESULTS:
            assert await client.call(handler, *args) == result
        for handler, args, items in STREAMS:
            assert [item async for item in await client.call(handler, *args)] == items
        assert (await client.call(Api.poured, two_pieces()))[3] == "12"
        seen = await client.call(Api.filed, upload(big))
        assert (seen[3], len(seen[5])) == ("big é.bin", 1_000_000)
        await client.call(Api.login, "Ann")
        assert await client.call(Api.me, ELSEWHERE, ELSEWHERE) == "Ann"
        async with await client.call(client.api.blocking_rows, 3) as rows:
            assert await anext(rows) == Todo(0, "x")
        with pytest.raises(CallError, match="500 Internal Server Error"):
            await client.call(Api.broken)

    over_sockets(work)


def test_without_a_server_the_error_is_that_of_httpx2() -> None:
    async def main() -> None:
        async with Client(Api, "http://127.0.0.1:1") as client:
            with pytest.raises(httpx2.ConnectError):
                await client.call(Api.text)

    asyncio.run(main())
