"""These tests show which request a call becomes, how a client is made, and how long its files and streams live."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import httpx2
import pytest
import uvicorn
from msgspec import Struct

from micropie import ELSEWHERE, App, Body, Form, Header, HTTPError, Query
from micropie.client import CallError, Client, upload
from micropie.testing import ASGITransport
from tests.client.api import REQUESTS, RESULTS, SERVED_FILE, STREAMS, Api, Attached, Todo, Todos, User, run, two_pieces


@pytest.mark.parametrize(("handler", "args", "kwargs", "seen"), REQUESTS)
def test_call_becomes_a_request(handler: Any, args: tuple[Any, ...], kwargs: dict[str, Any], seen: list[str]) -> None:
    async def work(client: Client[Api]) -> None:
        assert await client.call(handler, *args, **kwargs) == seen

    run(work)


def test_files_of_concurrent_calls_are_removed_when_the_client_closes() -> None:
    async def main() -> None:
        async with Client(Api, app=Api()) as client:
            files = await asyncio.gather(*(client.call(Api.file) for _ in range(3)))
            assert all(file.exists() for file in files)
        assert not any(file.parent.exists() for file in files)

    asyncio.run(main())


def test_file_exists_until_the_client_is_closed() -> None:
    paths: list[Path] = []

    async def work(client: Client[Api]) -> None:
        paths.extend([await client.call(Api.file), await client.call(Api.file)])
        assert [path.read_bytes() for path in paths] == [SERVED_FILE.read_bytes()] * 2

    run(work)
    assert [path.exists() for path in paths] == [False, False]
    assert not paths[0].parent.exists()


def test_stream_with_a_status_can_be_closed_early() -> None:
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


def test_session_is_kept_between_calls() -> None:
    async def work(client: Client[Api]) -> None:
        await client.call(Api.login, "Ann")
        assert await client.call(Api.me, ELSEWHERE, ELSEWHERE) == "Ann"
        assert await client.call(Api.me, ELSEWHERE, ELSEWHERE, shout=True) == "ANN"
        assert await client.call(Api.baked, "mine") == ["GET", "/baked", "", "mine", "None"]
        assert await client.call(Api.me, ELSEWHERE, ELSEWHERE) == "Ann"

    run(work)


def test_redirect_is_followed_with_follow_redirects() -> None:
    class Old(App):
        async def away(self) -> str: ...  # type: ignore[empty-body]  # only called over HTTP

    async def main() -> None:
        async with Client(
            Old, transport=ASGITransport(Api()), base_url="http://localhost", follow_redirects=True
        ) as client:
            assert await client.call(Old.away) == "é"

    asyncio.run(main())


# The handler, the arguments, the class of the error, and words of its message.
UNSENDABLE: list[tuple[Any, tuple[Any, ...], type[Exception], str]] = [
    (Api.plain, (), TypeError, r"Api\.plain: missing a required argument: 'id'"),
    (Api.me, ("x", "y"), ValueError, "'request' is filled by the server"),
    (Api.me, (ELSEWHERE, "y"), ValueError, "'user' is filled by the server"),
    (Todos.put, (1, ELSEWHERE), ValueError, "'todo' has no other source"),
    (Api.only_get, ("x" * 5000,), ValueError, "answers GET only, which has no body, and these arguments need one"),
    (Api.ws_chat, (ELSEWHERE,), ValueError, "is a WebSocket handler, which Client cannot call"),
    (Api.head_of, ("a\nb", ["x"]), ValueError, "'x_key' cannot be a header"),
    (Api.head_of, (" a", ["x"]), ValueError, "'x_key' cannot be a header"),
    (Api.head_of, ("a", ["b, c"]), ValueError, "'tags' cannot be an item of a header"),
    (Api.head_of, ("a", ["b", ""]), ValueError, "'tags' cannot be an item of a header"),
    (Api.head_of, ("a", []), ValueError, "'tags' cannot be empty"),
    (Api.baked, ("a;b",), ValueError, "'a' cannot be a cookie"),
    (Api.several, ([],), ValueError, "'files' cannot be empty"),
    (Api.several, ("ab",), ValueError, r"'files' is a file: pass bytes, a path or upload\(…\), not str"),
    (Api.filed, (None,), ValueError, r"'file' is a file: pass bytes, a path or upload\(…\), not NoneType"),
    (Api.attached, (Attached("t", "x"),), ValueError, "'file' is a file"),  # type: ignore[arg-type]  # as it says
    (Api.raw, ("ab",), ValueError, "'body' must be bytes or an asynchronous iterator, not str"),
    (Api.poured, ([b"1"],), ValueError, "'body' must be bytes or an asynchronous iterator, not list"),
    (Api.keyed, (object(), [1]), ValueError, "'a' cannot be sent as JSON"),
    (len, (), LookupError, "len has no URL in Api"),
]  # fmt: skip


@pytest.mark.parametrize(("handler", "args", "error", "words"), UNSENDABLE)
def test_arguments_that_cannot_be_sent_are_refused(
    handler: Any, args: tuple[Any, ...], error: type[Exception], words: str
) -> None:
    async def work(client: Client[Api]) -> None:
        with pytest.raises(error, match=words):
            await client.call(handler, *args)

    run(work)


class Odd(App):
    """An app with signatures whose arguments compete for the same place in a request."""

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
    (Odd.crowded, ("x", []), "'key' needs a JSON body, but another parameter needs a form"),
    (Odd.full, ([], "x"), "the body is one value, to which note cannot be added"),
    (Odd.twice, (User("x"), "y"), "the body is one value, to which name cannot be added"),
    (Odd.emptied, ({},), "'tags' is empty, which names and texts cannot express"),
    (Odd.asked, (5,), "'user' cannot be written as names and texts: int is not an instance of any expected type"),
    (Odd.asked, (User("a\0b"),), "'user' holds a NUL"),
    (Odd.typed, (5,), "'user' cannot be written as names and texts: int is not an instance of any expected type"),
    (Odd.raw, (None,), "'body' cannot be empty"),
]


@pytest.mark.parametrize(("handler", "args", "words"), ODD)
def test_arguments_that_one_request_cannot_carry_are_refused(handler: Any, args: tuple[Any, ...], words: str) -> None:
    async def main() -> None:
        async with Client(Odd, app=Odd()) as client:
            with pytest.raises(ValueError, match=words):
                await client.call(handler, *args)

    asyncio.run(main())


def test_default_that_a_url_cannot_hold_is_left_to_the_body() -> None:
    async def main() -> None:
        async with Client(Odd, app=Odd()) as client:
            assert await client.call(Odd.shadowed, User("Ann")) == "Ann"
            assert await client.call(Odd.shadowed, User("Ann"), "Bob") == "Bob"
            await client.call(Odd.nothing)

    asyncio.run(main())


def test_accept_header_is_that_of_the_argument_if_there_is_one() -> None:
    async def main() -> None:
        async with Client(Odd, app=Odd()) as client:
            assert await client.call(Odd.accepting, "text/html") == "text/html text/html"

    asyncio.run(main())


def test_exception_thrown_into_a_stream_ends_it() -> None:
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


class Costly(App):
    """An app that cannot be made here; its URLs follow from its class."""

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


def test_outline_is_made_without_calling_init() -> None:
    client = Client(Costly, "http://localhost")
    assert client.api.url(Costly.here) == "/here"
    assert client.api.url(client.api.todos.get, 3) == "/todos/3"
    assert client.api.url(client.api.more.todos.get, 3) == "/more/todos/3"
    assert Client(Unresolved, "http://localhost").api.url(Todos.get, 3) == "/todos/3"
    assert Client(Fields, "http://localhost").api.url(Todos.get, 3) == "/todos/3"


def test_resource_made_in_init_needs_an_instance() -> None:
    async def main() -> None:
        async with Client(Hidden, transport=ASGITransport(Hidden()), base_url="http://localhost") as blind:
            with pytest.raises(LookupError, match=r"Todos\.get has no URL in Hidden"):
                await blind.call(Todos.get, 3)
        for client in (Client(Hidden, app=Hidden()), Client(Hidden(), app=Hidden())):
            async with client:
                assert await client.call(Todos.get, 3) == (200, Todo(3, "milk"))
                assert await client.call(client.api.todos.get, 3) == (200, Todo(3, "milk"))

    asyncio.run(main())


def test_conflicting_ways_to_send_are_refused() -> None:
    app = Api()
    with pytest.raises(TypeError, match="takes one of `app`, `http` and `transport`"):
        Client(Api, app=app, transport=ASGITransport(app))
    with pytest.raises(TypeError, match="takes `headers` only without `http`"):
        Client(Api, http=httpx2.AsyncClient(base_url="http://localhost"), headers={"A": "b"})


@pytest.mark.parametrize("base_url", ["", "localhost:8000", "/api", "ftp://localhost", "http://localhost/?a=1"])
def test_base_url_that_is_not_an_absolute_http_url_is_refused(base_url: str) -> None:
    with pytest.raises(ValueError, match="is not the URL of an app: expected one like"):
        Client(Api, base_url)


def test_http_client_of_the_caller_is_used_and_left_open() -> None:
    async def main() -> None:
        transport = ASGITransport(Api())
        async with httpx2.AsyncClient(transport=transport, base_url="http://localhost", cookies={"a": "kept"}) as http:
            async with Client(Api, http=http) as client:
                assert await client.call(Api.baked, "sent") == ["GET", "/baked", "", "sent", "None"]
                assert client.http is http
            assert (await http.get("/text")).text == "é"

    asyncio.run(main())


def test_base_url_may_have_a_path() -> None:
    class Outer(App): ...

    async def main() -> None:
        outer = Outer()
        outer.mount("/a b/api", Api())
        async with Client(Api, "http://localhost/a%20b/api/", transport=ASGITransport(outer)) as client:
            assert await client.call(Api.plain, 3) == ["GET", "/a%20b/api/plain/3", ""]

    asyncio.run(main())


def over_sockets(work: Callable[[Client[Api]], Coroutine[Any, Any, None]]) -> None:
    """Call `work` with a client of an Api that uvicorn serves."""

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
            if handler is not Api.poured:  # its argument is a generator, which another test has used up
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


def test_missing_server_raises_the_error_of_httpx2() -> None:
    async def main() -> None:
        async with Client(Api, "http://127.0.0.1:1") as client:
            with pytest.raises(httpx2.ConnectError):
                await client.call(Api.text)

    asyncio.run(main())


class NoUser(Struct):
    number: int


class Lookups(App):
    async def lookup(self, id: int) -> tuple[Literal[200], str] | tuple[Literal[404], NoUser]:
        if id == 1:
            return 404, NoUser(1)
        raise HTTPError(404, "closed for repairs")

    async def rows(self) -> tuple[int, AsyncIterator[NoUser], dict[str, str]]:
        return 200, self._count(), {"Content-Type": "application/ndjson"}

    async def _count(self) -> AsyncIterator[NoUser]:
        yield NoUser(1)
        yield NoUser(2)


def test_error_with_an_annotated_status_but_another_body_is_a_call_error_with_its_text() -> None:
    async def main() -> None:
        async with Client(Lookups, app=Lookups()) as client:
            assert await client.call(Lookups.lookup, 1) == (404, NoUser(1))
            with pytest.raises(CallError, match="404 Not Found: closed for repairs") as caught:
                await client.call(Lookups.lookup, 2)
            assert (caught.value.status, caught.value.detail) == (404, "closed for repairs")

    asyncio.run(main())


def test_rows_of_a_stream_are_read_from_ndjson() -> None:
    async def main() -> None:
        async with Client(Lookups, app=Lookups()) as client:
            _, rows, _ = await client.call(Lookups.rows)
            assert [row async for row in rows] == [NoUser(1), NoUser(2)]

    asyncio.run(main())
