"""A generator that a handler depends on continues after the response, whatever became of the request (SPEC 3, 9)."""

import asyncio
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator
from contextvars import ContextVar
from typing import Annotated, Any

import pytest

from micropie import App, Depends, HTTPError, WebSocket
from micropie.types import Message
from tests.binding.dependencies import Log, handler_of
from tests.support.asgi import call, call_socket, http_scope
from tests.support.hooks import Hook

# --- after the response -----------------------------------------------------------------------------------------------


class Transactions(App):
    """An app whose dependencies and handlers log what happens to them."""

    def __init__(self) -> None:
        super().__init__()
        self.log: Log = []

    def _outer(self) -> Generator[str, None, None]:
        self.log.append("enter outer")
        try:
            yield "outer"
        except BaseException as error:
            self.log.append(f"outer: {type(error).__name__}")
            raise
        finally:
            self.log.append("leave outer")

    async def _inner(self, outer: Annotated[str, Depends(_outer)]) -> AsyncGenerator[str, None]:
        self.log.append("enter inner")
        try:
            yield "inner"
        except BaseException as error:
            self.log.append(f"inner: {type(error).__name__}")
            raise
        finally:
            await asyncio.sleep(0)
            self.log.append("leave inner")

    def _broken(self, inner: Annotated[str, Depends(_inner)]) -> None:
        raise KeyError

    async def returns(self, inner: Annotated[str, Depends(_inner)]) -> str:
        return inner

    def blocks(self, inner: Annotated[str, Depends(_inner)]) -> str:
        return inner

    async def refuses(self, inner: Annotated[str, Depends(_inner)]) -> str:
        raise HTTPError(409)

    async def fails(self, inner: Annotated[str, Depends(_inner)]) -> str:
        raise ValueError

    async def stops(self, inner: Annotated[str, Depends(_inner)]) -> str:
        raise StopAsyncIteration

    async def unfit(self, inner: Annotated[str, Depends(_inner)]) -> object:
        return object()

    async def follows(self, broken: Annotated[None, Depends(_broken)]) -> None: ...

    async def lines(self, inner: Annotated[str, Depends(_inner)]) -> AsyncIterator[str]:
        yield "line"
        self.log.append("line")

    def blocking_lines(self, inner: Annotated[str, Depends(_inner)]) -> Iterator[str]:
        yield "line"
        self.log.append("line")

    async def no_line(self, inner: Annotated[str, Depends(_inner)]) -> AsyncIterator[str]:
        if self.log:
            raise ValueError
        yield "line"

    async def breaks_off(self, inner: Annotated[str, Depends(_inner)]) -> AsyncIterator[str]:
        yield "line"
        raise ValueError

    async def endless(self, inner: Annotated[str, Depends(_inner)]) -> AsyncIterator[str]:
        try:
            while True:
                yield "line"
        finally:
            self.log.append("closed")

    async def waits(self, inner: Annotated[str, Depends(_inner)]) -> None:
        self.log.append("waits")
        await asyncio.Event().wait()

    async def reads(self, inner: Annotated[str, Depends(_inner)], body: AsyncIterator[bytes]) -> None:
        async for _ in body:
            pass

    async def ws_echo(self, ws: WebSocket, inner: Annotated[str, Depends(_inner)]) -> None:
        async for text in ws:
            if text == "fail":
                raise ValueError
            await ws.send(f"{inner} {text}")

    async def ws_receives(self, ws: WebSocket, inner: Annotated[str, Depends(_inner)]) -> None:
        await ws.accept()
        while True:
            await ws.receive_text()


ENTERED = ["enter outer", "enter inner"]


LEFT = ["leave inner", "leave outer"]


def thrown(name: str) -> Log:
    return [f"inner: {name}", "leave inner", f"outer: {name}", "leave outer"]


def run(app: Transactions, path: str, *, leave_after: int | None = None, cancel: bool = False) -> list[Message]:
    """Return what `app` sends for a POST whose client sends nothing more. Each message is logged, too."""
    sent: list[Message] = []
    first = iter([{"type": "http.request", "body": b"x", "more_body": path == "/reads"}])
    gone = asyncio.Event()

    async def receive() -> Message:
        message = next(first, None)
        if message is None:
            if path != "/reads":
                await gone.wait()
            return {"type": "http.disconnect"}
        return message

    async def send(message: Message) -> None:
        sent.append(message)
        app.log.append(f"sent {message['type'].rpartition('.')[2]}")
        if leave_after is not None and len(sent) > leave_after:
            gone.set()
            raise OSError

    async def request() -> None:
        task = asyncio.create_task(app(http_scope("POST", path), receive, send))
        while cancel and "waits" not in app.log and len(sent) < 3:
            await asyncio.sleep(0)
        if cancel:
            task.cancel()
        await task

    asyncio.run(request())
    return sent


ANSWERED = ["sent start", "sent body"]


@pytest.mark.parametrize(
    ("path", "status", "between"),
    [
        ("/returns", 200, [*ANSWERED, *LEFT]),
        ("/blocks", 200, [*ANSWERED, *LEFT]),
        ("/refuses", 409, [*ANSWERED, *thrown("HTTPError")]),
        ("/fails", 500, [*ANSWERED, *thrown("ValueError")]),
        ("/stops", 500, [*ANSWERED, *thrown("StopAsyncIteration")]),
        ("/unfit", 500, [*ANSWERED, *thrown("ResponseError")]),
        ("/follows", 500, [*ANSWERED, *thrown("KeyError")]),
        ("/lines", 200, [*ANSWERED, "line", "sent body", *LEFT]),
        ("/blocking_lines", 200, [*ANSWERED, "line", "sent body", *LEFT]),
        ("/no_line", 500, [*ANSWERED, *thrown("ValueError")]),
    ],
)
def test_generator_continues_after_the_response_is_sent(path: str, status: int, between: Log) -> None:
    app = Transactions()
    (start, *_) = run(app, path)
    assert start["status"] == status
    assert app.log == [*ENTERED, *between]


def test_generator_gets_the_error_of_a_broken_stream() -> None:
    app = Transactions()
    with pytest.raises(Exception, match="broke off"):
        run(app, "/breaks_off")
    assert app.log == [*ENTERED, *ANSWERED, *thrown("ValueError")]


@pytest.mark.parametrize(
    ("path", "leave_after", "log"),
    [
        ("/returns", 0, [*ENTERED, "sent start", *LEFT]),
        ("/endless", 2, [*ENTERED, *ANSWERED, "sent body", "closed", *LEFT]),
        ("/reads", None, [*ENTERED, *thrown("ClientDisconnected")]),
    ],
)
def test_generator_is_finished_when_the_client_disconnects(path: str, leave_after: int | None, log: Log) -> None:
    app = Transactions()
    run(app, path, leave_after=leave_after)
    assert app.log == log


@pytest.mark.parametrize(
    ("path", "log"),
    [
        ("/waits", [*ENTERED, "waits", *thrown("CancelledError")]),
        ("/endless", [*ENTERED, *ANSWERED, "sent body", "closed", *thrown("CancelledError")]),
    ],
)
def test_generator_is_finished_when_the_request_is_cancelled(path: str, log: Log) -> None:
    app = Transactions()
    with pytest.raises(asyncio.CancelledError):
        run(app, path, cancel=True)
    assert app.log == log


def test_generator_continues_after_the_middleware() -> None:
    app = Transactions()
    app.middlewares.append(Hook("hook", app.log))
    run(app, "/returns")
    assert app.log == ["before hook", *ENTERED, "after hook", *ANSWERED, *LEFT]


def test_generator_gets_the_error_of_a_middleware() -> None:
    app = Transactions()
    app.middlewares.append(Hook("hook", app.log, after=KeyError()))
    run(app, "/returns")
    assert app.log[-4:] == thrown("KeyError")


@pytest.mark.parametrize(
    ("path", "messages", "log", "code"),
    [
        ("/echo", ["a"], [*ENTERED, *LEFT], None),
        ("/echo", ["fail"], [*ENTERED, *thrown("ValueError")], 1011),
        ("/receives", [], [*ENTERED, *thrown("ConnectionClosed")], None),
    ],
)
def test_generator_is_finished_when_a_websocket_ends(
    path: str, messages: list[str], log: Log, code: int | None
) -> None:
    app = Transactions()
    sent = call_socket(app, path, messages)
    assert app.log == log
    assert [message["code"] for message in sent if message["type"] == "websocket.close"] == ([code] if code else [])


def test_generator_is_finished_after_the_websocket_is_closed() -> None:
    log: Log = []

    async def room() -> AsyncIterator[str]:
        yield "room"
        log.append("left")

    class Api(App):
        async def ws_index(self, ws: WebSocket, room: Annotated[str, Depends(room)]) -> None:
            await ws.accept()

    async def connect() -> None:
        async def receive() -> Message:
            return {"type": "websocket.connect"}

        async def send(message: Message) -> None:
            log.append(message["type"])

        await Api()(http_scope("GET", "/") | {"type": "websocket"}, receive, send)

    asyncio.run(connect())
    assert log == ["websocket.accept", "websocket.close", "left"]


# --- cleanup that fails -----------------------------------------------------------------------------------------------


def leaving(log: Log, name: str, error: BaseException | None = None) -> Callable[[], Iterator[str]]:
    def dependency() -> Iterator[str]:
        try:
            yield name
        finally:
            log.append(name)
            if error is not None:
                raise error

    return dependency


@pytest.mark.parametrize("handler_fails", [False, True])
def test_failing_cleanup_is_logged_and_the_others_still_run(
    handler_fails: bool, caplog: pytest.LogCaptureFixture
) -> None:
    log: Log = []
    first, second, third = (leaving(log, "1", OSError(1)), leaving(log, "2"), leaving(log, "3", KeyError(3)))

    class Api(App):
        async def index(
            self,
            a: Annotated[str, Depends(first)],
            b: Annotated[str, Depends(second)],
            c: Annotated[str, Depends(third)],
        ) -> str:
            if handler_fails:
                raise HTTPError(404)
            return "fine"

    assert call(Api(), "GET", "/").status == (404 if handler_fails else 200)
    assert log == ["3", "2", "1"]
    failures = [record.exc_info[1] for record in caplog.records if record.exc_info is not None]
    assert [str(failure) for failure in failures] == ["3", "1"]
    assert all("leaving.<locals>.dependency" in record.getMessage() for record in caplog.records)


def test_handled_error_is_hidden_from_outer_generators_but_not_from_the_client() -> None:
    log: Log = []

    def outer() -> Iterator[None]:
        try:
            yield
            log.append("outer is fine")
        except KeyError:
            log.append("outer")

    def inner(_: Annotated[None, Depends(outer)]) -> Iterator[None]:
        try:
            yield
        except KeyError:
            log.append("inner")

    class Api(App):
        async def index(self, _: Annotated[None, Depends(inner)]) -> None:
            raise KeyError

    assert call(Api(), "GET", "/").status == 500
    assert log == ["inner", "outer is fine"]


def yields_nothing() -> Iterator[str]:
    yield from ()


async def yields_nothing_async() -> AsyncIterator[str]:
    for name in list[str]():
        yield name


def yields_twice() -> Iterator[str]:
    yield "once"
    yield "twice"


async def yields_twice_async() -> AsyncIterator[str]:
    yield "once"
    yield "twice"


@pytest.mark.parametrize(
    ("function", "status", "said"),
    [
        (yields_nothing, 500, "didn't yield"),
        (yields_nothing_async, 500, "didn't yield"),
        (yields_twice, 200, "didn't stop"),
        (yields_twice_async, 200, "didn't stop"),
    ],
)
def test_generator_that_does_not_yield_exactly_once_is_logged(
    function: Any, status: int, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert call(handler_of(function), "GET", "/").status == status
    (record,) = caplog.records
    assert record.exc_info is not None
    assert said in str(record.exc_info[1])
    assert function.__name__ in f"{record.getMessage()} {getattr(record.exc_info[1], '__notes__', '')}"


def test_blocking_generator_is_finished_if_the_request_is_cancelled_while_it_starts() -> None:
    log: Log = []
    entering, going_on = threading.Event(), threading.Event()

    def slow() -> Iterator[None]:
        entering.set()
        going_on.wait()
        log.append("entered")
        try:
            yield
        finally:
            log.append("left")

    app = handler_of(slow)

    async def request() -> None:
        async def receive() -> Message:
            return {"type": "http.request"}

        async def send(message: Message) -> None:
            raise AssertionError("a cancelled request gets no response")

        task = asyncio.create_task(app(http_scope("GET", "/"), receive, send))
        while not entering.is_set():
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.sleep(0)
        going_on.set()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(request())
    assert log == ["entered", "left"]


def test_cancelled_cleanup_still_finishes_the_other_generators() -> None:
    log: Log = []

    async def outer() -> AsyncIterator[None]:
        yield
        log.append("outer")

    async def inner(_: Annotated[None, Depends(outer)]) -> AsyncIterator[None]:
        yield
        log.append("inner")
        await asyncio.Event().wait()

    app = handler_of(inner)

    async def request() -> None:
        async def receive() -> Message:
            return {"type": "http.request"}

        async def send(message: Message) -> None: ...

        task = asyncio.create_task(app(http_scope("GET", "/"), receive, send))
        while not log:
            await asyncio.sleep(0)
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(request())
    assert log == ["inner"]


VARIABLE: ContextVar[str] = ContextVar("variable", default="unset")


async def sets() -> AsyncIterator[None]:
    token = VARIABLE.set("set")
    yield
    VARIABLE.reset(token)


def sets_blocking() -> Iterator[None]:
    token = VARIABLE.set("set")
    yield
    VARIABLE.reset(token)


@pytest.mark.parametrize("function", [sets, sets_blocking])
def test_generator_can_set_and_reset_context_variables(function: Any, caplog: pytest.LogCaptureFixture) -> None:
    class Api(App):
        async def index(self, _: Annotated[None, Depends(function)]) -> str:
            return VARIABLE.get()

    assert call(Api(), "GET", "/").text == "set"
    assert caplog.records == []
