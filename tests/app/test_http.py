"""These tests call handlers through an App: in which frame, thread and context they run, and what requests share."""

import asyncio
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextvars import ContextVar
from decimal import Decimal, localcontext
from pathlib import Path
from typing import Annotated, Any

import pytest

from micropie import App, Depends, HTTPError, HttpMiddleware, Limits, Request, Resource, route
from micropie.requests.context import get_current_request, request_variable
from micropie.types import Message, Receive, Scope, Send
from tests.app.small_apps import Todo
from tests.support.asgi import JSON, Response, acall, call, http_scope
from tests.support.hooks import Hook

# --- calls of handlers ---


def list_frames_above_handler() -> list[str]:
    """Return the names of the functions between the handler that calls this and the server, innermost first."""
    names: list[str] = []
    frame: Any = sys._getframe(2)
    while frame is not None and frame.f_code is not acall.__code__:
        names.append(frame.f_code.co_name)
        frame = frame.f_back
    return names


class Deep(Resource):
    async def get(self, id: int = 0) -> list[str]:
        return list_frames_above_handler()


class Shallow(App):
    deep = Deep()

    async def index(self) -> list[str]:
        return list_frames_above_handler()

    async def typed(self, a: int, b: str = "", *, c: list[int] = []) -> list[str]:  # noqa: B006  # never changed
        return list_frames_above_handler()

    @route(threaded=False)
    def direct(self) -> list[str]:
        return list_frames_above_handler()

    async def body(self, todo: Todo) -> list[str]:
        return list_frames_above_handler()


def test_documented_methods_may_be_overridden_in_a_class_and_replaced_on_an_app() -> None:
    called: list[str] = []

    class Guarded(Shallow):
        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            called.append("call")
            await super().__call__(scope, receive, send)

    class Timed(Guarded):
        async def _asgi_app_http(self, scope: Scope, receive: Receive, send: Send) -> None:
            called.append("http")
            await super()._asgi_app_http(scope, receive, send)

    async def later(scope: Scope, receive: Receive, send: Send) -> None:
        called.append("later")
        await App._asgi_app_http(app, scope, receive, send)

    app = Timed()
    assert call(app, "GET", "/").status == 200
    assert called == ["call", "http"]
    called.clear()
    app._asgi_app_http = later  # type: ignore[method-assign]  # users may do so, too
    assert call(app, "GET", "/").status == 200
    assert called == ["call", "later"]


def test_content_type_that_middleware_sets_replaces_that_of_the_request() -> None:
    class SettingType(HttpMiddleware):
        async def before_request(self, request: Request) -> None:
            request.content_type = "text/plain"

        async def after_request(
            self, request: Request, status_code: int, response_body: Any, extra_headers: Any
        ) -> None:
            extra_headers.append(("X-Was", request.content_type))

    app = Shallow()
    app.middlewares.append(SettingType())
    response = call(app, "POST", "/typed/x", b"{}", JSON)
    assert (response.status, response.header("x-was")) == (400, "text/plain")
    assert response.text == "400 Bad Request: Invalid path parameter 'a': Expected an integer"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/", b""),
        ("GET", "/typed/1?c=1", b""),
        ("GET", "/direct", b""),
        ("POST", "/body", b'{"title":""}'),
        ("GET", "/deep/3", b""),
    ],
)
def test_at_most_four_frames_are_between_the_server_and_a_handler(method: str, path: str, body: bytes) -> None:
    names = call(Shallow(), method, path, body, JSON if body else ()).json
    assert names[-2:] == ["serve", "__call__"]
    assert len(names) <= 4


class Threads(App):
    def __init__(self) -> None:
        super().__init__(limits=Limits(threads=2))
        self.event = threading.Event()

    def blocking(self) -> str:
        return "woken" if self.event.wait(10) else "not woken"

    def stream(self) -> Iterator[str]:
        yield "woken" if self.event.wait(10) else "not woken"

    async def wake(self) -> str:
        self.event.set()
        return "done"

    def here(self) -> str:
        return f"{threading.current_thread().name.partition('_')[0]} {self.request.method}"

    @route(threaded=False)
    def on_the_loop(self) -> str:
        return f"{threading.current_thread().name} {self.request.method}"


@pytest.mark.parametrize("path", ["/blocking", "/stream"])
def test_sync_handler_that_blocks_does_not_delay_other_requests(path: str) -> None:
    app = Threads()

    async def main() -> tuple[Response, Response]:
        return await asyncio.gather(acall(app, "GET", path), acall(app, "GET", "/wake"))

    blocked, waking = asyncio.run(main())
    assert (blocked.text, waking.text) == ("woken", "done")


def test_sync_handler_runs_in_a_worker_thread_unless_threaded_is_false() -> None:
    assert call(Threads(), "PUT", "/here").text == "micropie PUT"
    assert call(Threads(), "PUT", "/on_the_loop").text == "MainThread PUT"


def test_concurrent_handlers_each_see_their_own_request() -> None:
    class Slow(App):
        async def index(self, name: str) -> list[bool]:
            before = self.request
            for _ in range(3):
                await asyncio.sleep(0)
            return [self.request is before, self.request.query("name") == name]

        def sync(self, name: str) -> list[bool]:
            return [self.request.query("name") == name]

    async def main() -> list[Response]:
        paths = [f"{path}?name={number}" for number in range(20) for path in ("/", "/sync")]
        return await asyncio.gather(*(acall(app, "GET", path) for path in paths))

    app = Slow()
    assert {response.text for response in asyncio.run(main())} == {"[true,true]", "[true]"}
    with pytest.raises(RuntimeError, match="No request is being handled here"):
        _ = app.request


def test_error_handler_and_a_task_of_a_handler_see_the_request() -> None:
    class Tasks(App):
        async def index(self) -> str:
            return await asyncio.create_task(self._method())

        async def _method(self) -> str:
            return self.request.method

        async def boom(self) -> None:
            raise ValueError

    app = Tasks()
    app.error_handlers[ValueError] = lambda request, error: (500, app.request.scope["path"])
    assert call(app, "GET", "/").text == "GET"
    assert call(app, "GET", "/boom").text == "/boom"


# --- requests share no state (RELIABILITY 31) ---

HEADERS = [("X-Shared", "1")]


class Sharing(App):
    async def index(self) -> tuple[int, str, list[tuple[str, str]]]:
        self.request.session["user"] = self.request.query("user")
        return 200, "x", HEADERS

    async def collect(self, item: str, items: list[str] = []) -> list[str]:  # noqa: B006  # as users write it
        items.append(item)
        return items

    async def error(self) -> None:
        raise NOT_FOUND


NOT_FOUND = HTTPError(404, headers=HEADERS)


class Adding(Hook):
    async def after_request(
        self, request: Request, status_code: int, response_body: Any, extra_headers: list[tuple[str, str]]
    ) -> None:
        extra_headers.append(("X-User", str(request.query("user"))))


@pytest.mark.parametrize("path", ["/", "/error"])
def test_list_of_headers_is_not_shared_between_requests(path: str) -> None:
    app = Sharing()
    app.middlewares.append(Adding())
    for user in ("ann", "bob"):
        response = call(app, "GET", f"{path}?user={user}")
        assert (response.header("x-user"), response.header("x-shared")) == (user, "1")
    assert HEADERS == NOT_FOUND.headers == [("X-Shared", "1")]


def test_mutable_default_is_not_shared_between_requests() -> None:
    app = Sharing()
    assert [call(app, "GET", f"/collect/{item}").text for item in "ab"] == ['["a"]', '["b"]']


def test_values_named_like_python_arguments_are_bound() -> None:
    class Keywords(App):
        async def index(self, **rest: str) -> dict[str, str]:
            return rest

        async def named(self, request: str = "", scope: str = "") -> list[str]:
            return [request, scope]

    assert call(Keywords(), "GET", "/?self=1&class=2&cls=3&request=4").json == {
        "class": "2",
        "cls": "3",
        "request": "4",
    }
    assert call(Keywords(), "GET", "/named?self=1&request=2&scope=3").json == ["2", "3"]


# --- the context of the last message ---


async def note_request() -> AsyncIterator[list[str]]:
    notes: list[str] = []
    yield notes
    notes.append(get_current_request().method)
    ended.append(notes)


ended: list[list[str]] = []


class Plain(App):
    async def index(self) -> str:
        return "plain"

    async def numbers(self) -> AsyncIterator[str]:
        yield "1"


class Hiding(Plain):
    plain = Plain()

    async def nothing(self) -> None:
        pass

    async def file(self) -> Path:
        return Path(__file__)

    async def session(self) -> str:
        self.request.session["a"] = 1
        return "begun"

    async def fails(self) -> str:
        raise HTTPError(418)

    async def depends(self, notes: Annotated[list[str], Depends(note_request)]) -> str:
        notes.append(self.request.method)
        return "depends"

    async def depends_and_streams(self, notes: Annotated[list[str], Depends(note_request)]) -> AsyncIterator[str]:
        notes.append(self.request.method)
        yield self.request.method


HIDING_PATHS = [
    *("/", "/numbers", "/nothing", "/file", "/session", "/fails", "/missing", "/depends"),
    *("/depends_and_streams", "/plain", "/mounted", "/mounted/numbers"),
]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path", HIDING_PATHS)
def test_context_holds_no_request_while_the_last_message_is_sent(method: str, path: str) -> None:
    app = Hiding()
    app.mount("/mounted", Plain())
    seen: list[Any] = []

    async def receive() -> Message:
        return await asyncio.Event().wait()  # type: ignore[return-value]

    async def send(message: Message) -> None:
        if message["type"] != "http.response.start" and not message.get("more_body"):
            seen.append(request_variable.get())

    async def main() -> None:
        await app(http_scope(method, path), receive, send)
        assert request_variable.get() is None

    ended.clear()
    asyncio.run(main())
    assert seen == [None]
    if path == "/depends" or (path == "/depends_and_streams" and method == "GET"):
        assert ended == [[method, method]]  # in the handler, and in the clean-up after the response


def test_request_is_current_again_after_a_nested_call_of_another_app() -> None:
    class Outer(App):
        async def index(self) -> str:
            response = await acall(Plain(), "GET", "/")
            return f"{response.text} {self.request.scope['path']}"

    assert call(Outer(), "GET", "/").text == "plain /"


@pytest.mark.parametrize("pieces", [[bytes(100_000)], [bytes(10), bytes(10)]], ids=["one large piece", "chunks"])
@pytest.mark.parametrize("path", ["/raw", "/pieces", "/mounted"])
def test_context_holds_no_request_while_a_large_body_is_received(path: str, pieces: list[bytes]) -> None:
    class Receiving(App):
        async def raw(self) -> int:
            return len(self.request.body)

        async def pieces(self, body: AsyncIterator[bytes]) -> int:
            return sum([len(piece) async for piece in body])

    async def mounted(scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive())["more_body"]:
            pass
        await App._send_response(app, send, 200, "mounted")

    app = Receiving()
    app.mount("/mounted", mounted)
    seen: list[Any] = []

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        async def receive_and_look() -> Message:
            seen.append(request_variable.get())
            return await receive()

        await app(scope, receive_and_look, send)

    body = pieces[0] if len(pieces) == 1 else pieces
    assert call(serve, "POST", path, body).status == 200
    assert seen == [None] * len(pieces)


# --- context variables ---

number: ContextVar[int] = ContextVar("number", default=0)


def set_in_dependency() -> int:
    number.set(number.get() + 10)
    return 0


def set_in_generator() -> Iterator[int]:
    token = number.set(number.get() + 100)
    yield 0
    number.reset(token)


async def yield_number() -> AsyncIterator[str]:
    yield str(number.get())


def yield_number_in_thread() -> Iterator[str]:
    yield str(number.get())


class Varying(App):
    def precise(self) -> Iterator[str]:
        with localcontext(prec=3):
            for _ in range(3):
                yield f"{Decimal(1) / 7} "

    def resets(self) -> Iterator[str]:
        token = number.set(1)
        yield "set "
        number.reset(token)
        yield str(number.get())

    def returns_sync_generator(self) -> Iterator[str]:
        number.set(1)
        return yield_number_in_thread()

    def returns_async_generator(self) -> AsyncIterator[str]:
        number.set(1)
        return yield_number()

    def returns_status(self) -> tuple[int, Any]:
        number.set(1)
        return 200, yield_number_in_thread()

    async def async_returns_sync_generator(self) -> Iterator[str]:
        number.set(1)
        return yield_number_in_thread()

    async def depends(self, value: Annotated[int, Depends(set_in_dependency)]) -> str:
        return str(number.get())

    async def depends_on_generator(
        self, value: Annotated[int, Depends(set_in_dependency)], other: Annotated[int, Depends(set_in_generator)]
    ) -> str:
        return str(number.get())

    def depends_and_streams(self, value: Annotated[int, Depends(set_in_generator)]) -> Iterator[str]:
        yield str(number.get())


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/precise", "0.143 0.143 0.143 "),
        ("/resets", "set 0"),
        ("/returns_sync_generator", "1"),
        ("/returns_async_generator", "1"),
        ("/returns_status", "1"),
        ("/async_returns_sync_generator", "1"),
        ("/depends", "10"),
        ("/depends_on_generator", "110"),
        ("/depends_and_streams", "100"),
    ],
)
def test_variables_that_sync_code_sets_are_those_of_the_request(path: str, text: str) -> None:
    assert call(Varying(), "GET", path).text == text
