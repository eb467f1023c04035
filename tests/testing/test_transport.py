"""The transport sends HTTP requests to an ASGI app and streams bodies both ways."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, closing
from typing import Any

import httpx2
import pytest

from micropie.testing import (
    ASGITransport,
    AsyncTestClient,
    TestClient,
)
from micropie.types import Message, Receive, Scope, Send

from .apps import (
    PART,
    SOON,
    STARTED,
    WHOLE,
    Broken,
    Endless,
    Recorder,
    answers,
    body,
    echo,
    fails_after,
    run,
    sends,
    sleeps,
    sleeps_after,
    start,
)

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
def test_scope_has_the_parts_of_the_url(base_url: str, request_: dict[str, Any], expected: dict[str, object]) -> None:
    app = Recorder()
    with TestClient(app, base_url) as client:
        client.get(**request_)
    assert {name: app.scopes[-1][name] for name in expected} == expected


def test_scope_has_the_options_of_the_client() -> None:
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


def test_other_scheme_than_http_is_refused() -> None:
    with TestClient(Recorder()) as client, pytest.raises(httpx2.UnsupportedProtocol, match="websocket_connect"):
        client.get("ftp://localhost/")


async def iterate_chunks() -> AsyncIterator[bytes]:
    for piece in (b"a", b"", b"b"):
        yield piece


BODIES: list[tuple[Callable[[], dict[str, Any]], list[bytes]]] = [
    (dict, [b""]),
    (lambda: {"content": b"ab"}, [b"ab"]),
    (lambda: {"content": b"a" * 65536}, [b"a" * 65536]),
    (lambda: {"content": b"a" * 65537}, [b"a" * 65536, b"a"]),
    (lambda: {"content": iter([b"a", b"", b"b"])}, [b"a", b"b", b""]),
    (lambda: {"content": iterate_chunks()}, [b"a", b"b", b""]),
    (lambda: {"json": {"a": 1}}, [b'{"a":1}']),
]


@pytest.mark.parametrize(("arguments", "chunks"), BODIES)
def test_body_arrives_as_it_was_sent(arguments: Callable[[], dict[str, Any]], chunks: list[bytes]) -> None:
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


def test_transport_reads_any_stream() -> None:
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


def test_body_is_read_only_as_fast_as_the_app_reads() -> None:
    produced: list[int] = []

    def pieces() -> Iterator[bytes]:
        for number in range(1000):
            produced.append(number)
            yield b"x"

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for _ in range(3):
            await receive()
        await answers()(scope, receive, send)

    with closing(TestClient(app)) as client:
        assert client.post("/", content=pieces()).status_code == 200
    assert 3 <= len(produced) < 20


def test_app_can_wait_again_for_a_stalled_body_after_a_timeout() -> None:
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


def test_unread_body_is_dropped_after_the_response() -> None:
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
def test_body_that_raises_is_a_disconnect_for_the_app(reads: bool) -> None:
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


def test_response_is_what_the_app_sent() -> None:
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


def test_chunks_arrive_as_they_are_sent() -> None:
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


def test_stream_waits_for_its_reader() -> None:
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


def test_server_sent_events_are_read_event_by_event() -> None:
    events = b"data: 1\n\ndata: 2\n\n"
    with TestClient(answers(200, events, (b"content-type", b"text/event-stream"))) as client, client.sse("/") as source:
        assert [event.data for event in source] == ["1", "2"]


STOPS: list[tuple[tuple[Message, ...], bytes | None]] = [
    ((), b"Internal Server Error"),
    ((STARTED,), None),
    ((STARTED, PART), None),
    ((STARTED, WHOLE), b"whole"),
]
"""(messages before the app stops, body that a client of a server would get; None if the response is broken)"""


@pytest.mark.parametrize(("messages", "content"), STOPS)
def test_exception_in_the_app_is_raised_in_the_test(messages: tuple[Message, ...], content: bytes | None) -> None:
    app = fails_after(*messages)
    with closing(TestClient(app)) as client, pytest.raises(Broken, match="in the app"):
        client.get("/")

    async def again() -> None:
        async with aclosing(AsyncTestClient(app)) as client:
            with pytest.raises(Broken, match="in the app"):
                await client.get("/")

    run(again)


@pytest.mark.parametrize(("messages", "content"), STOPS)
def test_exception_in_the_app_is_a_500_without_raise_server_exceptions(
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
def test_app_that_stops_before_its_response_ends_is_a_protocol_error(
    messages: tuple[Message, ...], content: bytes | None
) -> None:
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


@pytest.mark.parametrize(
    ("messages", "text"),
    [
        ((), "POST /slow: the app sent nothing for 0.05 s"),
        ((STARTED, PART), "POST /slow: the app sent nothing for 0.05 s"),
        ((STARTED, WHOLE), "POST /slow: the app still ran 0.05 s after its response"),
    ],
)
def test_app_that_sends_nothing_is_a_read_timeout(messages: tuple[Message, ...], text: str) -> None:
    with closing(TestClient(sleeps_after(*messages), timeout=SOON)) as client:
        with pytest.raises(httpx2.ReadTimeout, match=text) as raised:
            client.post("/slow")
        assert raised.value.request.method == "POST"


def test_request_may_have_its_own_timeout() -> None:
    with closing(TestClient(sleeps, timeout=None)) as client, pytest.raises(httpx2.ReadTimeout):
        client.get("/", timeout=SOON)
    with closing(TestClient(Endless(polite=True), timeout=None)) as client, client.stream("GET", "/") as response:
        assert next(response.iter_raw()) == b"0\n"
