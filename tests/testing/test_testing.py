"""The test clients, held to what they promise with hand-written ASGI apps: no framework is involved."""

import asyncio
import gc
import importlib
import sys
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import aclosing, closing, suppress
from contextvars import ContextVar
from typing import Any, TypeVar

import httpx2
import msgspec
import pytest

from micropie.errors import MissingDependency
from micropie.testing import (
    ASGITransport,
    AsyncTestClient,
    LifespanFailed,
    TestClient,
    WebSocketClosed,
    WebSocketRefused,
    WebSocketSession,
)
from micropie.types import ASGIApp, Message, Receive, Scope, Send

T = TypeVar("T")

SOON = 0.05
"""A `timeout` for tests that want to see it pass."""


@pytest.fixture(autouse=True)
def nothing_is_left_behind() -> Iterator[None]:
    """After every test there are the threads of before, and no more, once those that were told to end have ended."""
    before = set(threading.enumerate())
    yield
    for thread in set(threading.enumerate()) - before:
        thread.join(5)
    assert set(threading.enumerate()) <= before


def run(test: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run an async test, and hold it to leaving no task behind."""

    async def alone() -> T:
        result = await test()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return result

    return asyncio.run(alone())


# Apps


async def start(send: Send, status: int = 200, headers: list[tuple[bytes, bytes]] | None = None) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers or []})


async def body(send: Send, chunk: bytes = b"", more: bool = False) -> None:
    await send({"type": "http.response.body", "body": chunk, "more_body": more})


def sends(*messages: Message) -> ASGIApp:
    """An app that sends just these."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for message in messages:
            await send(message)

    return app


def answers(status: int = 200, chunk: bytes = b"", *headers: tuple[bytes, bytes]) -> ASGIApp:
    """An app with one answer for everything."""
    return sends(
        {"type": "http.response.start", "status": status, "headers": list(headers)},
        {"type": "http.response.body", "body": chunk},
    )


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with what it was sent, one chunk for each `http.request`."""
    await start(send)
    while True:
        message = await receive()
        await body(send, message["body"], message["more_body"])
        if not message["more_body"]:
            return


class Recorder:
    """Answers 200 and keeps the scopes it was called with."""

    def __init__(self, *headers: tuple[bytes, bytes]) -> None:
        self.scopes: list[Scope] = []
        self.headers = list(headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scopes.append(scope)
        if scope["type"] == "websocket":
            await send({"type": "websocket.accept", "headers": self.headers})
        else:
            await start(send, headers=self.headers)
            await body(send)


class Endless:
    """Streams numbers until its client leaves; notes how far it came and how it heard of the end."""

    def __init__(self, *, polite: bool = False) -> None:
        self.polite = polite
        self.sent = 0
        self.end: object = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await start(send)
        try:
            while True:
                if self.polite and self.sent == 3:
                    self.end = (await receive())["type"]
                    return
                await body(send, b"%d\n" % self.sent, more=True)
                self.sent += 1
        except OSError as error:
            self.end = type(error).__mro__[1]


class Lifespan:
    """Has a lifespan that puts a pool into the state; answers with what its scope has of that."""

    def __init__(self) -> None:
        self.events: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            self.events.append((await receive())["type"])
            scope["state"]["pool"] = ["connection"]
            await send({"type": "lifespan.startup.complete"})
            self.events.append((await receive())["type"])
            await send({"type": "lifespan.shutdown.complete"})
        else:
            self.events.append(scope["type"])
            await start(send)
            await body(send, repr(scope["state"]).encode())
            scope["state"]["mine"] = True


# Requests: what is in the scope


SCOPES: list[tuple[str, dict[str, Any], dict[str, object]]] = [
    (
        "http://localhost",
        {"url": "/a%2Fb/%C3%A9?x=1&y=%20"},
        {
            "type": "http",
            "method": "GET",
            "path": "/a/b/é",
            "raw_path": b"/a%2Fb/%C3%A9",
            "query_string": b"x=1&y=%20",
            "scheme": "http",
            "server": ("localhost", 80),
            "client": ("127.0.0.1", 50000),
            "root_path": "",
            "http_version": "1.1",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "state": {},
            "extensions": {},
        },
    ),
    ("https://example.org", {"url": "/"}, {"scheme": "https", "server": ("example.org", 443), "query_string": b""}),
    ("http://example.org:8000/api", {"url": "/x"}, {"server": ("example.org", 8000), "path": "/api/x"}),
    ("http://localhost", {"url": "/%FF"}, {"path": "/\ufffd", "raw_path": b"/%FF"}),
    (
        "http://localhost",
        {"url": "/", "extensions": {"target": b"/a/../%2e%2e//b?q"}},
        {"path": "/a/../..//b", "raw_path": b"/a/../%2e%2e//b", "query_string": b"q"},
    ),
]


@pytest.mark.parametrize(("base_url", "request_", "expected"), SCOPES)
def test_the_scope_says_what_was_asked(base_url: str, request_: dict[str, Any], expected: dict[str, object]) -> None:
    app = Recorder()
    with TestClient(app, base_url) as client:
        client.get(**request_)
    assert {name: app.scopes[-1][name] for name in expected} == expected


def test_the_scope_says_what_the_client_was_told() -> None:
    app = Recorder()
    with TestClient(
        app, root_path="/api", client=("192.0.2.7", 1), headers={"X-One": "1"}, cookies={"a": "b"}
    ) as client:
        client.get("/api/x", headers=[("X-Two", "2"), ("X-Two", "3")])
    scope = app.scopes[-1]
    assert (scope["root_path"], scope["path"], scope["client"]) == ("/api", "/api/x", ("192.0.2.7", 1))
    assert scope["headers"][0] == (b"host", b"localhost")
    assert [value for name, value in scope["headers"] if name in {b"x-one", b"x-two"}] == [b"1", b"2", b"3"]
    assert (b"cookie", b"a=b") in scope["headers"]


def test_other_schemes_are_refused() -> None:
    with TestClient(Recorder()) as client, pytest.raises(httpx2.UnsupportedProtocol, match="websocket_connect"):
        client.get("ftp://localhost/")


# Request bodies


async def spelled() -> AsyncIterator[bytes]:
    for piece in (b"a", b"", b"b"):
        yield piece


BODIES: list[tuple[Callable[[], dict[str, Any]], list[bytes]]] = [
    (dict, [b""]),
    (lambda: {"content": b"ab"}, [b"ab"]),
    (lambda: {"content": b"a" * 65536}, [b"a" * 65536]),
    (lambda: {"content": b"a" * 65537}, [b"a" * 65536, b"a"]),
    (lambda: {"content": iter([b"a", b"", b"b"])}, [b"a", b"b", b""]),
    (lambda: {"content": spelled()}, [b"a", b"b", b""]),
    (lambda: {"json": {"a": 1}}, [b'{"a":1}']),
]


@pytest.mark.parametrize(("arguments", "chunks"), BODIES)
def test_a_body_arrives_as_it_was_sent(arguments: Callable[[], dict[str, Any]], chunks: list[bytes]) -> None:
    expected = [
        {"type": "http.request", "body": chunk, "more_body": at + 1 < len(chunks)} for at, chunk in enumerate(chunks)
    ]
    received: list[Message] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        received.clear()
        while not received or received[-1]["more_body"]:
            received.append(await receive())
        await answers()(scope, receive, send)

    with closing(TestClient(app)) as client:
        client.post("/", **arguments())
        assert received == expected

    async def again() -> None:
        async with aclosing(AsyncTestClient(app)) as client:
            await client.post("/", **arguments())
            assert received == expected

    run(again)


def test_a_transport_reads_any_stream() -> None:
    class Pieces(httpx2.AsyncByteStream):
        def __init__(self) -> None:
            self.left = [b"a", b"b"]

        def __aiter__(self) -> AsyncIterator[bytes]:
            return self

        async def __anext__(self) -> bytes:
            if not self.left:
                raise StopAsyncIteration
            return self.left.pop(0)

    async def test() -> None:
        request = httpx2.Request("POST", "http://localhost/", stream=Pieces())
        response = await ASGITransport(echo).handle_async_request(request)
        assert await response.aread() == b"ab"

    run(test)


def test_files_and_redirected_bodies_arrive() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/old":
            await answers(307, b"", (b"location", b"/new"))(scope, receive, send)
        else:
            await echo(scope, receive, send)

    with closing(TestClient(app, follow_redirects=True)) as client:
        assert b'filename="a.txt"' in client.post("/old", files={"file": ("a.txt", b"x" * 100_000)}).content
        assert client.post("/old", content=b"again").content == b"again"


def test_a_body_is_read_as_the_app_reads_it() -> None:
    made: list[int] = []

    def pieces() -> Iterator[bytes]:
        for number in range(1000):
            made.append(number)
            yield b"x"

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for _ in range(3):
            await receive()
        await answers()(scope, receive, send)

    with closing(TestClient(app)) as client:
        assert client.post("/", content=pieces()).status_code == 200
    assert 3 <= len(made) < 20


def test_a_stalled_body_can_be_timed_out_and_waited_for_again() -> None:
    async def test() -> None:
        go_on = asyncio.Event()

        async def pieces() -> AsyncIterator[bytes]:
            await go_on.wait()
            yield b"late"

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(receive(), SOON)
            go_on.set()
            await start(send)
            await body(send, (await receive())["body"])

        async with aclosing(AsyncTestClient(app)) as client:
            assert (await client.post("/", content=pieces())).content == b"late"

    run(test)


def test_a_body_that_nobody_reads_is_given_up() -> None:
    ended: list[str] = []

    async def pieces() -> AsyncIterator[bytes]:
        try:
            yield b"a"
            await asyncio.sleep(60)
        finally:
            ended.append("given up")

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await asyncio.sleep(0)
        await answers(413)(scope, receive, send)

    with closing(TestClient(app)) as client:
        assert client.post("/", content=pieces()).status_code == 413
        assert ended == ["given up"]


@pytest.mark.parametrize("reads", [True, False])
def test_a_body_that_fails_is_a_client_that_left(reads: bool) -> None:
    seen: list[str] = []

    def pieces() -> Iterator[bytes]:
        yield b"a"
        raise LookupError("no more")

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        while not seen or seen[-1] == "http.request":
            seen.append((await receive())["type"] if reads else await asyncio.sleep(60, "never"))

    with closing(TestClient(app, timeout=SOON)) as client, pytest.raises(LookupError, match="no more"):
        client.post("/", content=pieces())
    assert seen[-1:] == (["http.disconnect"] if reads else [])


# Responses


def test_a_response_is_what_the_app_sent() -> None:
    app = answers(201, b"made", (b"x-a", b"1"), (b"X-A", b"2"), (b"content-length", b"4"))
    with TestClient(app) as client:
        response = client.get("/")
    assert (response.status_code, response.content) == (201, b"made")
    assert response.headers.get_list("x-a") == ["1", "2"]


@pytest.mark.parametrize(
    ("method", "status", "expected"),
    [("GET", 200, b"made"), ("HEAD", 200, b""), ("GET", 204, b""), ("GET", 304, b"")],
)
def test_only_a_response_that_may_have_a_body_has_one(method: str, status: int, expected: bytes) -> None:
    with TestClient(answers(status, b"made", (b"content-length", b"400" if expected == b"" else b"4"))) as client:
        response = client.request(method, "/")
    assert (response.status_code, response.content) == (status, expected)


def test_headers_may_come_from_a_generator() -> None:
    headers = ((name, b"1") for name in [b"a", b"b"])

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await body(send)

    with closing(TestClient(app)) as client:
        assert client.get("/").headers == {"a": "1", "b": "1"}


def test_chunks_come_as_they_are_sent() -> None:
    async def test() -> None:
        turns: asyncio.Queue[bytes] = asyncio.Queue()

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await start(send)
            while chunk := await turns.get():
                await body(send, chunk, more=True)
            await body(send)

        async with aclosing(AsyncTestClient(app)) as client, client.stream("GET", "/") as response:
            chunks = response.aiter_bytes()
            for chunk in (b"one", b"two", b""):
                await turns.put(chunk)
                assert await anext(chunks, b"") == chunk

    run(test)


def test_a_stream_waits_for_its_reader() -> None:
    async def test() -> None:
        app = Endless()
        async with aclosing(AsyncTestClient(app)) as client, client.stream("GET", "/") as response:
            chunks = response.aiter_bytes()
            for _ in range(3):
                before = app.sent
                for _ in range(100):
                    await asyncio.sleep(0)
                assert app.sent - before < 10
                await anext(chunks)
            await chunks.aclose()

    run(test)


@pytest.mark.parametrize(("polite", "end"), [(True, "http.disconnect"), (False, OSError)])
def test_closing_an_endless_stream_is_heard_by_the_app(polite: bool, end: object) -> None:
    app = Endless(polite=polite)
    with closing(TestClient(app)) as client:
        with client.stream("GET", "/") as response:
            lines = response.iter_lines()
            assert [next(lines) for _ in range(3)] == ["0", "1", "2"]
            assert app.end is None
        assert app.end == end

    async def again() -> None:
        app = Endless(polite=polite)
        async with aclosing(AsyncTestClient(app)) as client:
            async with client.stream("GET", "/") as response:
                lines = response.aiter_lines()
                assert [await anext(lines) for _ in range(3)] == ["0", "1", "2"]
                assert app.end is None
            assert app.end == end

    run(again)


def test_server_sent_events_are_read_one_by_one() -> None:
    events = b"data: 1\n\ndata: 2\n\n"
    with TestClient(answers(200, events, (b"content-type", b"text/event-stream"))) as client, client.sse("/") as source:
        assert [event.data for event in source] == ["1", "2"]


def test_after_its_response_the_app_hears_a_disconnect_and_may_end_its_work() -> None:
    seen: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await answers()(scope, receive, send)
        seen.extend([(await receive())["type"], (await receive())["type"]])
        await asyncio.sleep(0)
        seen.append("worked")

    with closing(TestClient(app)) as client:
        client.post("/", content=b"unread")
        assert seen == ["http.disconnect", "http.disconnect", "worked"]


# Apps that fail


class Broken(Exception):
    pass


def fails_after(*messages: Message, error: BaseException | None = None) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await sends(*messages)(scope, receive, send)
        raise error or Broken("in the app")

    return app


STARTED: Message = {"type": "http.response.start", "status": 200, "headers": []}
PART: Message = {"type": "http.response.body", "body": b"part", "more_body": True}
WHOLE: Message = {"type": "http.response.body", "body": b"whole"}

STOPS: list[tuple[tuple[Message, ...], bytes | None]] = [
    ((), b"Internal Server Error"),
    ((STARTED,), None),
    ((STARTED, PART), None),
    ((STARTED, WHOLE), b"whole"),
]
"""(what the app sends before it stops, the body that a client of a server sees: None for a broken one)"""


@pytest.mark.parametrize(("messages", "content"), STOPS)
def test_an_exception_in_the_app_is_raised_in_the_test(messages: tuple[Message, ...], content: bytes | None) -> None:
    app = fails_after(*messages)
    with closing(TestClient(app)) as client, pytest.raises(Broken, match="in the app"):
        client.get("/")

    async def again() -> None:
        async with aclosing(AsyncTestClient(app)) as client:
            with pytest.raises(Broken, match="in the app"):
                await client.get("/")

    run(again)


@pytest.mark.parametrize(("messages", "content"), STOPS)
def test_an_exception_in_the_app_is_what_a_server_makes_of_it(
    messages: tuple[Message, ...], content: bytes | None
) -> None:
    with closing(TestClient(fails_after(*messages), raise_server_exceptions=False)) as client:
        if content is None:
            with pytest.raises(
                httpx2.RemoteProtocolError, match="GET /: the app ended before its response did"
            ) as raised:
                client.get("/")
            assert isinstance(raised.value.__cause__, Broken)
        else:
            response = client.get("/")
            assert (response.status_code, response.content) == (200 if messages else 500, content)


@pytest.mark.parametrize(("messages", "content"), STOPS)
def test_an_app_that_just_stops_has_not_answered(messages: tuple[Message, ...], content: bytes | None) -> None:
    error = "ended before its response did" if messages else "returned without sending a response"
    with TestClient(sends(*messages)) as client:
        if messages and content is not None:
            assert client.get("/").content == content
        else:
            with pytest.raises(httpx2.RemoteProtocolError, match=error):
                client.get("/")
    with TestClient(sends(*messages), raise_server_exceptions=False) as client:
        if content is not None:
            assert client.get("/").content == content


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError()])
def test_what_would_end_the_test_run_is_only_an_error(error: BaseException) -> None:
    with closing(TestClient(fails_after(error=error))) as client, pytest.raises(RuntimeError) as raised:
        client.get("/")
    assert raised.value.__cause__ is error


LEAVING: list[tuple[Callable[[OSError], BaseException], type[BaseException] | None]] = [
    (lambda error: error, None),
    (lambda error: ExceptionGroup("tasks", [error]), None),
    (lambda error: Broken(error), Broken),
    (lambda error: ExceptionGroup("tasks", [error, Broken()]), ExceptionGroup),
]


@pytest.mark.parametrize(("wrap", "expected"), LEAVING)
@pytest.mark.parametrize("chained", [True, False])
def test_an_error_after_the_client_left_is_raised_unless_it_only_says_that(
    wrap: Callable[[OSError], BaseException], expected: type[BaseException] | None, chained: bool
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        try:
            while True:
                await body(send, b"x", more=True)
        except OSError as error:
            if expected is Broken and chained:
                raise wrap(error) from error
            raise wrap(error)  # noqa: B904

    def leave(client: TestClient) -> None:
        with client.stream("GET", "/"):
            pass

    with closing(TestClient(app)) as client:
        if expected is None or (expected is Broken and chained):
            leave(client)
        else:
            with pytest.raises(expected):
                leave(client)
    with closing(TestClient(app, raise_server_exceptions=False)) as client:
        leave(client)


VIOLATIONS: list[tuple[list[Message], type[Exception], str]] = [
    ([WHOLE], RuntimeError, "'http.response.body' while the conversation was 'idle'"),
    ([STARTED, STARTED], RuntimeError, "'http.response.start' while the conversation was 'answering'"),
    ([STARTED, WHOLE, WHOLE], RuntimeError, "while the conversation was 'complete'"),
    ([{"type": "websocket.send", "text": ""}], RuntimeError, "'websocket.send'"),
    ([{"type": "http.response.start"}], TypeError, "'status' must be int, not missing"),
    ([{"type": "http.response.start", "status": "200"}], TypeError, "'status' must be int, not str"),
    ([STARTED, {"type": "http.response.body", "body": "text"}], TypeError, "'body' must be bytes, not str"),
    ([{**STARTED, "headers": [("a", "b")]}], TypeError, "must be bytes, not 'a': 'b'"),
    ([{**STARTED, "headers": [(b"a b", b"c")]}], ValueError, "cannot be sent"),
    ([{**STARTED, "headers": [(b"a", b"b\r\nc: d")]}], ValueError, "cannot be sent"),
    ([{**STARTED, "headers": [(b"content-length", b"4")]}, WHOLE], RuntimeError, "longer than Content-Length"),
    ([{**STARTED, "headers": [(b"content-length", b"6")]}, PART, WHOLE], RuntimeError, "longer than Content-Length"),
    ([{**STARTED, "headers": [(b"Content-Length", b"6")]}, WHOLE], RuntimeError, "shorter than Content-Length"),
]


@pytest.mark.parametrize(("messages", "error", "text"), VIOLATIONS)
def test_a_message_that_asgi_does_not_allow_is_an_error_in_the_app(
    messages: list[Message], error: type[Exception], text: str
) -> None:
    with closing(TestClient(sends(*messages))) as client, pytest.raises(error, match=text):
        client.get("/")


# Apps that are slow


async def sleeps(scope: Scope, receive: Receive, send: Send) -> None:
    await asyncio.sleep(60)


def sleeps_after(*messages: Message) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await sends(*messages)(scope, receive, send)
        await asyncio.sleep(60)

    return app


@pytest.mark.parametrize(
    ("messages", "text"),
    [
        ((), "POST /slow: the app sent nothing for 0.05 s"),
        ((STARTED, PART), "POST /slow: the app sent nothing for 0.05 s"),
        ((STARTED, WHOLE), "POST /slow: the app still ran 0.05 s after its response"),
    ],
)
def test_a_test_does_not_wait_for_ever(messages: tuple[Message, ...], text: str) -> None:
    with closing(TestClient(sleeps_after(*messages), timeout=SOON)) as client:
        with pytest.raises(httpx2.ReadTimeout, match=text) as raised:
            client.post("/slow")
        assert raised.value.request.method == "POST"


def test_a_request_may_have_its_own_timeout() -> None:
    with closing(TestClient(sleeps, timeout=None)) as client, pytest.raises(httpx2.ReadTimeout):
        client.get("/", timeout=SOON)
    with closing(TestClient(Endless(polite=True), timeout=None)) as client, client.stream("GET", "/") as response:
        assert next(response.iter_raw()) == b"0\n"


def test_an_app_that_does_not_notice_that_the_client_left_is_cancelled() -> None:
    ended: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("cleaned up")

    with closing(TestClient(app, timeout=SOON)) as client:
        with client.stream("GET", "/"):
            pass
        assert ended == ["cleaned up"]


def test_an_app_that_ignores_its_cancellation_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("micropie.testing.exchange.GRACE", SOON)
    released = threading.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        while not released.is_set():
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(0.01)

    with closing(TestClient(app)) as client:
        with pytest.raises(RuntimeError, match="ignores that it was cancelled"):
            client.get("/", timeout=SOON)
        released.set()


def test_a_cancelled_request_is_a_client_that_left() -> None:
    seen: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append((await receive())["type"])
        seen.append((await receive())["type"])

    async def test() -> None:
        async with aclosing(AsyncTestClient(app)) as client:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(client.get("/"), SOON)
            assert seen == ["http.request", "http.disconnect"]

    run(test)


def test_a_wait_for_the_end_may_be_cancelled() -> None:
    async def test() -> None:
        async with aclosing(AsyncTestClient(sleeps_after(STARTED, WHOLE))) as client:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(client.get("/"), SOON)

    run(test)


# Lifespan and state


def test_the_lifespan_surrounds_the_requests() -> None:
    app = Lifespan()
    with TestClient(app) as client:
        assert app.events == ["lifespan.startup"]
        assert client.state == {"pool": ["connection"]}
        assert client.get("/").text == client.get("/").text == "{'pool': ['connection']}"
    assert app.events == ["lifespan.startup", "http", "http", "lifespan.shutdown"]

    async def again() -> None:
        app = Lifespan()
        async with AsyncTestClient(app) as client:
            assert client.state == {"pool": ["connection"]}
            assert (await client.get("/")).text == "{'pool': ['connection']}"
        assert app.events == ["lifespan.startup", "http", "lifespan.shutdown"]

    run(again)


def test_without_a_with_block_there_is_no_lifespan() -> None:
    app = Lifespan()
    with closing(TestClient(app)) as client:
        assert (client.get("/").text, client.state) == ("{}", {})
    assert app.events == ["http"]


def lifespan(*answers: Message, hears: bool = True, error: Exception | None = None) -> ASGIApp:
    """An app whose lifespan answers with these, then perhaps fails."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for answer in answers:
            await receive()
            await send(answer)
        if hears:
            await receive()
        if error is not None:
            raise error

    return app


UP: Message = {"type": "lifespan.startup.complete"}
DOWN: Message = {"type": "lifespan.shutdown.complete"}
UP_FAILED: Message = {"type": "lifespan.startup.failed", "message": "no database"}
DOWN_FAILED: Message = {"type": "lifespan.shutdown.failed", "message": "no goodbye"}

LIFESPANS: list[tuple[ASGIApp, type[Exception] | None, str, bool]] = [
    # (app, what is raised, its text, whether the block was entered)
    (lifespan(UP, DOWN), None, "", True),
    (lifespan(hears=False), None, "", True),
    (lifespan(hears=False, error=AssertionError("only http")), None, "", True),
    (lifespan({"type": "http.response.start", "status": 200}), None, "", True),
    (lifespan(UP, hears=False), None, "", True),
    (lifespan(UP, hears=True), None, "", True),
    (lifespan(error=Broken("at start")), Broken, "at start", False),
    (lifespan(UP_FAILED, hears=False), LifespanFailed, "no database", False),
    (lifespan({"type": "lifespan.startup.failed"}), LifespanFailed, "^$", False),
    (lifespan(UP_FAILED, hears=False, error=Broken("at start")), Broken, "at start", False),
    (lifespan(UP, hears=False, error=Broken("meanwhile")), Broken, "meanwhile", True),
    (lifespan(UP, hears=True, error=Broken("at the end")), Broken, "at the end", True),
    (lifespan(UP, DOWN, error=Broken("at the very end")), Broken, "at the very end", True),
    (lifespan(UP, DOWN_FAILED), LifespanFailed, "no goodbye", True),
]


@pytest.mark.parametrize(("app", "error", "text", "entered"), LIFESPANS)
def test_a_lifespan_that_fails_fails_the_test(
    app: ASGIApp, error: type[Exception] | None, text: str, entered: bool
) -> None:
    reached: list[str] = []

    def test() -> None:
        with TestClient(app):
            reached.append("inside")

    async def async_test() -> None:
        async with AsyncTestClient(app):
            reached.append("inside")

    if error is None:
        test()
        run(async_test)
    else:
        with pytest.raises(error, match=text):
            test()
        with pytest.raises(error, match=text):
            run(async_test)
    assert reached == ["inside", "inside"] * entered


@pytest.mark.parametrize(
    ("steps", "event"),
    [((), "startup"), ((UP,), "shutdown"), ((UP, DOWN), "shutdown")],
)
def test_a_lifespan_that_hangs_fails_the_test(steps: tuple[Message, ...], event: str) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await lifespan(*steps, hears=False)(scope, receive, send)
        await asyncio.sleep(60)

    with (
        pytest.raises(httpx2.ReadTimeout, match=rf"lifespan\.{event}: the app was not through with it after 0\.05 s"),
        TestClient(app, timeout=SOON),
    ):
        pass


def test_a_cancelled_startup_leaves_nothing_behind() -> None:
    async def test() -> None:
        async def enter() -> None:
            async with AsyncTestClient(sleeps):
                raise AssertionError("never reached")

        with pytest.raises(TimeoutError):
            await asyncio.wait_for(enter(), SOON)

    run(test)


# Cookies


COOKIES: list[tuple[str, list[bytes], str | None]] = [
    ("http://localhost", [b"a=1"], "a=1"),
    ("http://localhost", [b"a=1; Path=/; HttpOnly; SameSite=Lax"], "a=1"),
    ("http://localhost", [b"a=1; Max-Age=3600", b"b=2"], "a=1; b=2"),
    ("http://localhost", [b"a=1; Max-Age=0"], None),
    ("http://localhost", [b"a=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT"], None),
    ("http://localhost", [b"a=1; Path=/elsewhere"], None),
    ("http://localhost", [b"a=1; Domain=example.org"], None),
    ("http://localhost", [b"a=1; Secure"], None),
    ("http://127.0.0.1:8000", [b"a=1; Secure"], None),
    ("https://localhost", [b"a=1; Secure"], "a=1"),
    ("https://example.org", [b"a=1; Secure"], "a=1"),
]


@pytest.mark.parametrize(("base_url", "set_cookie", "expected"), COOKIES)
def test_cookies_come_back_as_from_a_browser(base_url: str, set_cookie: list[bytes], expected: str | None) -> None:
    def sent(app: Recorder) -> list[str]:
        app.headers.clear()
        return [dict(scope["headers"]).get(b"cookie", b"").decode() for scope in app.scopes]

    app = Recorder(*((b"set-cookie", cookie) for cookie in set_cookie))
    with closing(TestClient(app, base_url)) as client:
        client.get("/")
        client.get("/")
        with client.websocket_connect("/"):
            pass
    assert sent(app) == ["", expected or "", expected or ""]

    app = Recorder(*((b"set-cookie", cookie) for cookie in set_cookie))
    with closing(TestClient(app, base_url)) as client:
        with client.websocket_connect("/"):
            pass
        client.get("/")
    assert sent(app) == ["", expected or ""]


def test_a_deleted_cookie_is_gone() -> None:
    app = Recorder((b"set-cookie", b"a=; Max-Age=0"))
    with closing(TestClient(app)) as client:
        client.cookies.set("a", "1", domain="localhost.local")
        client.get("/")
        client.get("/")
    assert [dict(scope["headers"]).get(b"cookie") for scope in app.scopes] == [b"a=1", None]


# WebSockets


def ws(*messages: Message, error: Exception | None = None) -> ASGIApp:
    """An app that hears the handshake, sends these, and perhaps fails."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert await receive() == {"type": "websocket.connect"}
        await sends(*messages)(scope, receive, send)
        if error is not None:
            raise error

    return app


ACCEPT: Message = {"type": "websocket.accept"}


class Echo:
    """Accepts with the last subprotocol offered, echoes, and keeps what it received."""

    def __init__(self) -> None:
        self.scopes: list[Scope] = []
        self.received: list[Message] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scopes.append(scope)
        self.received.append(await receive())
        chosen = (scope["subprotocols"] or [None])[-1]
        await send({"type": "websocket.accept", "subprotocol": chosen, "headers": [(b"x-echo", b"yes")]})
        while self.received[-1]["type"] != "websocket.disconnect":
            self.received.append(await receive())
            if self.received[-1]["type"] == "websocket.receive":
                await send({**self.received[-1], "type": "websocket.send"})


def test_a_session_says_and_hears_everything() -> None:
    app = Echo()
    with (
        closing(TestClient(app)) as client,
        client.websocket_connect("/chat?a=1", subprotocols=["one", "two"], params={"b": "2"}) as session,
    ):
        assert (session.accepted_subprotocol, session.headers["x-echo"]) == ("two", "yes")
        session.send_text("text")
        assert session.receive_text() == "text"
        session.send_bytes(b"bytes")
        assert session.receive_bytes() == b"bytes"
        session.send_json({"a": 1})
        assert session.receive_json() == {"a": 1}
        session.send_bytes(b"[1]")
        assert session.receive_json(type=tuple[int]) == (1,)
        session.send({"type": "websocket.receive", "bytes": None, "text": ""})
        assert session.receive() == {"type": "websocket.send", "bytes": None, "text": "", "headers": []}
    assert app.received[-1] == {"type": "websocket.disconnect", "code": 1000, "reason": ""}


def test_an_async_session_says_and_hears_everything() -> None:
    async def test() -> None:
        app = Echo()
        async with (
            aclosing(AsyncTestClient(app)) as client,
            client.websocket_connect("/chat") as session,
        ):
            assert (session.accepted_subprotocol, session.headers["x-echo"]) == (None, "yes")
            await session.send_text("text")
            assert await session.receive_text() == "text"
            await session.send_bytes(b"bytes")
            assert await session.receive_bytes() == b"bytes"
            await session.send_json([1])
            assert await session.receive_json(type=list[int]) == [1]
            await session.send_json({"a": 1})
            assert await session.receive_json() == {"a": 1}

    run(test)


def test_the_scope_of_a_session() -> None:
    app = Echo()
    with (
        closing(TestClient(app, "https://example.org", cookies={"a": "b"}, headers={"X-One": "1"})) as client,
        client.websocket_connect("wss://example.org/a%20b?q", subprotocols=["x", "y"], cookies={"c": "d"}),
        client.websocket_connect("/", headers={"Origin": "null"}),
    ):
        pass
    first, second = app.scopes
    headers = dict(first["headers"])
    assert (first["type"], first["scheme"], first["server"]) == ("websocket", "wss", ("example.org", 443))
    assert (first["path"], first["raw_path"], first["query_string"]) == ("/a b", b"/a%20b", b"q")
    assert (first["subprotocols"], second["subprotocols"]) == (["x", "y"], [])
    assert first["extensions"] == {"websocket.http.response": {}}
    assert "method" not in first
    assert headers[b"upgrade"] == b"websocket"
    assert headers[b"sec-websocket-protocol"] == b"x, y"
    assert headers[b"cookie"] in {b"a=b; c=d", b"c=d; a=b"}
    assert headers[b"x-one"] == b"1"
    assert (b"origin", b"null") in second["headers"]


def test_text_is_not_bytes() -> None:
    app = ws(ACCEPT, {"type": "websocket.send", "text": "a"}, {"type": "websocket.send", "bytes": b"a"})
    with closing(TestClient(app)) as client, client.websocket_connect("/") as session:
        with pytest.raises(ValueError, match="sent a text message"):
            session.receive_bytes()
        with pytest.raises(ValueError, match="sent a binary message"):
            session.receive_text()


def test_json_that_does_not_fit_is_an_error() -> None:
    app = ws(ACCEPT, {"type": "websocket.send", "text": "[]"})
    with (
        closing(TestClient(app)) as client,
        client.websocket_connect("/") as session,
        pytest.raises(msgspec.ValidationError),
    ):
        session.receive_json(type=dict[str, int])


CLOSES: list[tuple[list[Message], int, str]] = [
    ([ACCEPT, {"type": "websocket.close"}], 1000, ""),
    ([ACCEPT, {"type": "websocket.close", "code": 1001, "reason": None}], 1001, ""),
    ([ACCEPT, {"type": "websocket.close", "code": 4000, "reason": "enough"}], 4000, "enough"),
    ([ACCEPT], 1006, ""),
]


@pytest.mark.parametrize(("messages", "code", "reason"), CLOSES)
def test_a_close_is_raised_to_whoever_receives_or_sends(messages: list[Message], code: int, reason: str) -> None:
    with closing(TestClient(ws(*messages))) as client, client.websocket_connect("/") as session:
        actions: list[Callable[[], object]] = [
            session.receive_text,
            session.receive,
            lambda: session.send_text("late"),
        ]
        for action in actions:
            with pytest.raises(WebSocketClosed) as raised:
                action()
            assert (raised.value.code, raised.value.reason) == (code, reason)


@pytest.mark.parametrize(("messages", "code", "reason"), CLOSES)
def test_iterating_ends_where_the_app_says_goodbye(messages: list[Message], code: int, reason: str) -> None:
    app = ws(ACCEPT, {"type": "websocket.send", "text": "a"}, {"type": "websocket.send", "bytes": b"b"}, *messages[1:])
    heard: list[str | bytes] = []

    def listen() -> None:
        with closing(TestClient(app)) as client, client.websocket_connect("/") as session:
            heard.extend(session)

    async def async_listen() -> None:
        async with aclosing(AsyncTestClient(app)) as client, client.websocket_connect("/") as session:
            heard.extend([message async for message in session])

    if code in {1000, 1001}:
        listen()
        run(async_listen)
        assert heard == ["a", b"b"] * 2
    else:
        with pytest.raises(WebSocketClosed):
            listen()
        with pytest.raises(WebSocketClosed):
            run(async_listen)


DENIAL: list[Message] = [
    {"type": "websocket.http.response.start", "status": 401, "headers": [(b"x-why", b"who?")]},
    {"type": "websocket.http.response.body", "body": b"log ", "more_body": True},
    {"type": "websocket.http.response.body", "body": b"in"},
]

REFUSALS: list[tuple[ASGIApp, type[Exception], tuple[object, ...]]] = [
    (ws({"type": "websocket.close"}), WebSocketRefused, (1000, "", 403)),
    (ws({"type": "websocket.close", "code": 1008, "reason": "no"}), WebSocketRefused, (1008, "no", 403)),
    (ws(*DENIAL), WebSocketRefused, (1006, "log in", 401)),
    (ws(), WebSocketRefused, (1006, "The app ended without answering the handshake", 500)),
    (ws(error=Broken("early")), Broken, ("early",)),
    (ws({"type": "websocket.close"}, error=Broken("late")), Broken, ("late",)),
    (ws(*DENIAL[:1], error=Broken("amid")), Broken, ("amid",)),
    (ws(*DENIAL, error=Broken("late")), Broken, ("late",)),
    (
        ws({"type": "websocket.send", "text": "a"}),
        RuntimeError,
        ("The app sent 'websocket.send' while the conversation was 'connecting'",),
    ),
    (
        ws(ACCEPT, {"type": "websocket.send"}),
        ValueError,
        ("websocket.send: exactly one of 'text' and 'bytes' must be given",),
    ),
]


@pytest.mark.parametrize(("app", "error", "arguments"), REFUSALS)
def test_a_handshake_that_fails_says_how(app: ASGIApp, error: type[Exception], arguments: tuple[object, ...]) -> None:
    with closing(TestClient(app)) as client, pytest.raises(error) as raised, client.websocket_connect("/") as session:
        session.receive()
    assert raised.value.args == arguments
    if isinstance(raised.value, WebSocketRefused):
        assert (raised.value.code, raised.value.reason, raised.value.status) == arguments
        assert raised.value.headers.get("x-why") == ("who?" if raised.value.status == 401 else None)


def test_without_raised_exceptions_a_failed_session_is_just_over() -> None:
    with (
        closing(TestClient(ws(error=Broken()), raise_server_exceptions=False)) as client,
        pytest.raises(WebSocketRefused, match="500"),
        client.websocket_connect("/"),
    ):
        pass
    with (
        closing(TestClient(ws(ACCEPT, error=Broken()), raise_server_exceptions=False)) as client,
        pytest.raises(WebSocketClosed, match="1006"),
        client.websocket_connect("/") as session,
    ):
        session.receive()


def test_an_exception_in_a_session_is_raised_once_in_the_test() -> None:
    app = ws(ACCEPT, error=Broken("in the app"))
    with closing(TestClient(app)) as client:
        with client.websocket_connect("/") as session:
            with pytest.raises(Broken):
                session.receive()
            with pytest.raises(WebSocketClosed):
                session.receive()
        with client.websocket_connect("/") as session, pytest.raises(Broken):
            session.send_text("")
        with pytest.raises(Broken), client.websocket_connect("/"):
            pass


@pytest.mark.parametrize(
    ("leave", "code", "reason"),
    [
        (lambda session: None, 1000, ""),
        (lambda session: session.close(), 1000, ""),
        (lambda session: session.close(4001, "bye"), 4001, "bye"),
        (
            lambda session: session.send({"type": "websocket.disconnect", "code": 1006, "reason": "cable"}),
            1006,
            "cable",
        ),
    ],
)
def test_leaving_is_heard_after_everything_that_was_said(
    leave: Callable[[WebSocketSession], None], code: int, reason: str
) -> None:
    heard: list[Message] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await sends(ACCEPT)(scope, receive, send)
        await asyncio.sleep(SOON)
        while not heard or heard[-1]["type"] != "websocket.disconnect":
            if heard:
                await send({"type": "websocket.send", "text": "nobody reads this"})
            heard.append(await receive())
        with pytest.raises(OSError, match="The client has left"):
            await send({"type": "websocket.send", "text": "nobody is there"})
        heard.append({"type": "the app ended"})

    with closing(TestClient(app)) as client:
        with client.websocket_connect("/") as session:
            session.send_text("1")
            session.send_text("2")
            leave(session)
        assert [message["type"] for message in heard] == [
            "websocket.connect",
            "websocket.receive",
            "websocket.receive",
            "websocket.disconnect",
            "the app ended",
        ]
        assert heard[3] == {"type": "websocket.disconnect", "code": code, "reason": reason}


def test_after_leaving_a_session_is_closed() -> None:
    with closing(TestClient(Echo())) as client, client.websocket_connect("/") as session:
        session.close(4001, "bye")
        with pytest.raises(WebSocketClosed, match="4001"):
            session.receive()
        with pytest.raises(WebSocketClosed, match="4001"):
            session.send_text("")


def test_an_app_that_closed_hears_its_own_code() -> None:
    heard: list[Message] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await sends(ACCEPT, {"type": "websocket.close", "code": 4000, "reason": "r"})(scope, receive, send)
        heard.append(await receive())

    with closing(TestClient(app)) as client, client.websocket_connect("/"):
        pass
    assert heard == [{"type": "websocket.disconnect", "code": 4000, "reason": "r"}]


def test_a_session_outlives_a_wait_for_nothing() -> None:
    with closing(TestClient(Echo(), timeout=SOON)) as client, client.websocket_connect("/x") as session:
        with pytest.raises(httpx2.ReadTimeout, match=r"WebSocket /x: the app sent nothing for 0\.05 s"):
            session.receive()
        session.send_text("still there")
        assert session.receive_text() == "still there"


def test_a_handshake_without_an_answer_times_out() -> None:
    with (
        closing(TestClient(sleeps, timeout=SOON)) as client,
        pytest.raises(httpx2.ReadTimeout),
        client.websocket_connect("/"),
    ):
        pass


def test_an_app_that_does_not_read_makes_the_sender_wait() -> None:
    with (
        closing(TestClient(sleeps_after(ACCEPT), timeout=SOON)) as client,
        client.websocket_connect("/") as session,
    ):
        for _ in range(1024 - 1):  # the handshake is the first that waits
            session.send_text("")
        with pytest.raises(httpx2.WriteTimeout, match="1024 messages wait"):
            session.send_text("")


def test_an_app_that_does_not_listen_cannot_talk_to_nobody_for_ever() -> None:
    sent: list[int] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(ACCEPT)
        while True:
            await send({"type": "websocket.send", "text": "hello?"})
            sent.append(1)

    with closing(TestClient(app)) as client:
        with client.websocket_connect("/") as session:
            assert session.receive_text() == "hello?"
        assert 1024 <= len(sent) <= 3 * 1024


def test_a_closed_client_opens_nothing() -> None:
    client = TestClient(Echo())
    client.close()
    client.close()
    with pytest.raises(RuntimeError, match="closed"), client.websocket_connect("/"):
        pass
    with pytest.raises(RuntimeError, match="closed"):
        client.call(asyncio.sleep, 0)


# Clients


class Checked:
    """An app as micropie's: it may hold results to their annotations."""

    def __init__(self) -> None:
        self.check_returns = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        await body(send, b"checked" if self.check_returns else b"")


def test_results_are_checked_while_a_client_is_in_use() -> None:
    app = Checked()
    with TestClient(app) as client:
        assert client.get("/").text == "checked"
        with TestClient(app) as inner:
            assert inner.get("/").text == "checked"
        assert client.get("/").text == "checked"
    assert not app.check_returns
    with TestClient(app, check_returns=False) as client:
        assert client.get("/").text == ""
    client = TestClient(app)
    assert not app.check_returns
    assert client.get("/").text == "checked"
    del client
    gc.collect()
    assert not app.check_returns

    async def again() -> None:
        async with AsyncTestClient(app) as client:
            assert (await client.get("/")).text == "checked"
        assert not app.check_returns

    run(again)


def loop_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "micropie.testing"]


variable: ContextVar[str] = ContextVar("variable", default="unset")


def test_context_variables_of_the_test_are_seen_by_the_app() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        await body(send, variable.get().encode())

    async def test() -> None:
        async with aclosing(AsyncTestClient(app)) as client:
            variable.set("async")
            assert (await client.get("/")).text == "async"

    run(test)
    token = variable.set("plain")
    with closing(TestClient(app)) as client:
        assert client.get("/").text == "plain"
    variable.reset(token)


def test_a_coroutine_can_be_run_on_the_apps_loop() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        await body(send, str(id(asyncio.get_running_loop())).encode())

    async def loop_id(prefix: str, *, suffix: str) -> str:
        return f"{prefix}{id(asyncio.get_running_loop())}{suffix}"

    async def fails() -> None:
        raise Broken("in the test")

    with closing(TestClient(app)) as client:
        assert client.call(loop_id, "<", suffix=">") == f"<{client.get('/').text}>"
        with pytest.raises(Broken, match="in the test"):
            client.call(fails)


def test_a_plain_client_does_not_wait_for_itself() -> None:
    with closing(TestClient(answers())) as client:

        async def on_the_loop() -> None:
            client.get("/")

        with pytest.raises(RuntimeError, match="AsyncTestClient"):
            client.call(on_the_loop)


def test_a_client_has_one_thread_from_its_first_use_to_its_end() -> None:
    client = TestClient(answers())
    assert not loop_threads()
    client.get("/")
    client.get("/")
    assert len(loop_threads()) == 1
    client.close()
    assert not loop_threads()
    forgotten = TestClient(answers())
    forgotten.get("/")
    [thread] = loop_threads()
    del forgotten
    gc.collect()
    thread.join()


def test_a_client_may_be_collected_on_its_own_thread() -> None:
    clients = [TestClient(answers())]
    released = threading.Event()

    async def forget() -> None:
        await asyncio.to_thread(released.wait)
        clients.clear()
        gc.collect()

    async def forget_later() -> tuple[asyncio.Task[None], threading.Thread]:
        return asyncio.create_task(forget()), threading.current_thread()

    task, thread = clients[0].call(forget_later)
    released.set()
    thread.join()
    assert task.done()


def test_a_client_may_be_closed_on_its_own_thread() -> None:
    client = TestClient(answers())

    async def close() -> None:
        client.close()

    client.get("/")
    [thread] = loop_threads()
    with pytest.raises(RuntimeError, match="own event loop"):
        client.call(close)
    thread.join()
    client.close()


def fail(error: BaseException) -> bool:
    raise error


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()])
def test_what_would_end_the_loop_does_not(error: BaseException) -> None:
    async def fails() -> None:
        raise error

    def pieces() -> Iterator[bytes]:
        yield from (_ for _ in [b"a"] if fail(error))

    with closing(TestClient(echo)) as client:
        actions: list[Callable[[], object]] = [
            lambda: client.call(fails),
            lambda: client.post("/", content=pieces()),
        ]
        for action in actions:
            with pytest.raises(RuntimeError, match="event loop") as raised:
                action()
            assert raised.value.__cause__ is error
        assert client.post("/", content=b"alive").content == b"alive"


def test_closing_a_client_ends_what_was_left_open() -> None:
    app = Endless()
    echo_app = Echo()

    async def both(scope: Scope, receive: Receive, send: Send) -> None:
        await (app if scope["type"] == "http" else echo_app)(scope, receive, send)

    client = TestClient(both)
    response = client.send(client.build_request("GET", "/"), stream=True)
    with client.websocket_connect("/"):
        client.close()
        assert app.end is OSError
        assert echo_app.received[-1]["type"] == "websocket.disconnect"
    response.close()


def test_two_requests_may_run_at_once() -> None:
    async def test() -> None:
        async with aclosing(AsyncTestClient(echo)) as client:
            texts = [f"{number}" for number in range(20)]
            responses = await asyncio.gather(*(client.post("/", content=text) for text in texts))
            assert [response.text for response in responses] == texts

    run(test)


def test_without_httpx2_the_error_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "httpx2", None)
    monkeypatch.delitem(sys.modules, "micropie.testing")
    with pytest.raises(MissingDependency) as raised:
        importlib.import_module("micropie.testing")
    assert str(raised.value) == (
        "micropie.testing needs httpx2, which is not installed. Install it with: pip install 'micropie[client]'"
    )
