"""An exchange runs one call of an app, enforces the rules of ASGI, and always ends."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import aclosing, closing, suppress

import pytest

from micropie.testing import (
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
    answers,
    body,
    fails_after,
    run,
    sends,
    sleeps_after,
    start,
)


@pytest.mark.parametrize(("polite", "end"), [(True, "http.disconnect"), (False, OSError)])
def test_closing_an_endless_stream_ends_the_app(polite: bool, end: object) -> None:
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


def test_app_receives_a_disconnect_after_its_response_and_may_finish() -> None:
    seen: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await answers()(scope, receive, send)
        seen.extend([(await receive())["type"], (await receive())["type"]])
        await asyncio.sleep(0)
        seen.append("worked")

    with closing(TestClient(app)) as client:
        client.post("/", content=b"unread")
        assert seen == ["http.disconnect", "http.disconnect", "worked"]


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError()])
def test_system_exit_in_the_app_is_a_runtime_error_in_the_test(error: BaseException) -> None:
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
def test_error_after_the_client_left_is_raised_unless_it_only_reports_the_leaving(
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
    ([WHOLE], RuntimeError, "'http.response.body' in the state 'idle'; expected 'http.response.start'$"),
    (
        [STARTED, STARTED],
        RuntimeError,
        "'http.response.start' in the state 'answering'; expected 'http.response.body'$",
    ),
    ([STARTED, WHOLE, WHOLE], RuntimeError, "in the state 'complete'; expected nothing more$"),
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
def test_message_that_asgi_does_not_allow_is_an_error_in_the_app(
    messages: list[Message], error: type[Exception], text: str
) -> None:
    with closing(TestClient(sends(*messages))) as client, pytest.raises(error, match=text):
        client.get("/")


def test_app_that_does_not_notice_a_disconnect_is_cancelled() -> None:
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


def test_app_that_ignores_its_cancellation_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("micropie.testing.exchange.GRACE", SOON)
    released = threading.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        while not released.is_set():
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(0.01)

    with closing(TestClient(app)) as client:
        with pytest.raises(RuntimeError, match="ignored its cancellation"):
            client.get("/", timeout=SOON)
        released.set()


def test_cancelled_request_is_a_disconnect_for_the_app() -> None:
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


def test_wait_for_the_end_of_the_app_can_be_cancelled() -> None:
    async def test() -> None:
        async with aclosing(AsyncTestClient(sleeps_after(STARTED, WHOLE))) as client:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(client.get("/"), SOON)

    run(test)
