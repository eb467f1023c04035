"""One HTTP request through an App: what is returned and raised (SPEC 4), where handlers run, and who leaves when."""

import asyncio
import dataclasses
import logging
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pytest
from msgspec import Struct

from micropie import (
    App,
    HTTPError,
    HttpMiddleware,
    Limits,
    Request,
    Resource,
    ResponseError,
    ServerSentEvent,
    route,
)
from micropie.responses.streaming import BrokenResponse
from micropie.types import Message, RawHeaders, Receive, Scope, Send
from tests.support.asgi import JSON, MULTIPART, PROBLEM, Response, acall, call, form_data, http_scope
from tests.support.hooks import Hook

HTML = "text/html; charset=utf-8"


class Todo(Struct):
    title: str
    priority: int = 3


@dataclasses.dataclass
class Point:
    x: int
    y: int


class Pair(NamedTuple):
    status: int
    body: str


class Colour(Enum):
    RED = "red"


def app_returning(result: Callable[[], Any], *, sync: bool = False) -> App:
    """Create an app whose every path returns or raises what `result` returns or raises."""

    def blocking(self: App, *path: str) -> Any:
        return result()

    async def waiting(self: App, *path: str) -> Any:
        return result()

    app: App = type("Returning", (App,), {"index": blocking if sync else waiting})()
    return app


def error_records(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.levelno >= logging.ERROR]


async def send_two_chunks() -> AsyncIterator[str]:
    yield "a"
    await asyncio.sleep(0)
    yield "b"


async def send_one_event() -> AsyncIterator[ServerSentEvent[int]]:
    yield ServerSentEvent(1)


# --- results ---


@pytest.mark.parametrize("sync", [False, True], ids=["async", "sync"])
@pytest.mark.parametrize(
    ("result", "status", "content_type", "text"),
    [
        ("text", 200, HTML, "text"),
        (b"bytes", 200, HTML, "bytes"),
        ({"a": 1}, 200, "application/json", '{"a":1}'),
        ([1, None], 200, "application/json", "[1,null]"),
        (5, 200, "application/json", "5"),
        (True, 200, "application/json", "true"),
        (Todo("t"), 200, "application/json", '{"title":"t","priority":3}'),
        (Point(1, 2), 200, "application/json", '{"x":1,"y":2}'),
        (Pair(404, "data"), 200, "application/json", '[404,"data"]'),
        (Colour.RED, 200, "application/json", '"red"'),
        (datetime(2024, 1, 2, tzinfo=UTC), 200, "application/json", '"2024-01-02T00:00:00Z"'),
        (None, 204, None, ""),
        ((201, "text"), 201, HTML, "text"),
        ((202, None), 202, None, ""),
        ((201, {"a": 1}, [("X-A", "1")]), 201, "application/json", '{"a":1}'),
        ((201, "x", {"X-A": "1"}), 201, HTML, "x"),
        ((200, "x", [("Content-Type", "text/plain")]), 200, "text/plain", "x"),
        (("a", "b"), 200, "application/json", '["a","b"]'),
        (("a", "b", "c", "d"), 200, "application/json", '["a","b","c","d"]'),
    ],
)
def test_result_of_a_handler_becomes_its_response(
    result: Any, status: int, content_type: str | None, text: str, sync: bool
) -> None:
    response = call(app_returning(lambda: result, sync=sync), "GET", "/")
    assert (response.status, response.header("content-type"), response.text) == (status, content_type, text)
    assert response.header("content-length") == (str(len(text)) if status != 204 else None)
    assert response.header("x-a") == ("1" if "X-A" in str(result) else None)


@pytest.mark.parametrize(
    ("create_result", "content_type", "text"),
    [
        (lambda: iter("ab"), HTML, "ab"),
        (lambda: (part for part in (b"a", b"b")), HTML, "ab"),
        (send_two_chunks, HTML, "ab"),
        (lambda: (201, send_two_chunks()), HTML, "ab"),
        (
            lambda: (Todo(name) for name in "ab"),
            "application/jsonl",
            '{"title":"a","priority":3}\n{"title":"b","priority":3}\n',
        ),
        (send_one_event, "text/event-stream", "data: 1\n\n"),
        (lambda: iter(()), HTML, ""),
    ],
)
def test_generator_becomes_a_streamed_response(create_result: Callable[[], Any], content_type: str, text: str) -> None:
    response = call(app_returning(create_result), "GET", "/")
    assert (response.header("content-type"), response.text) == (content_type, text)
    assert response.header("content-length") is None
    head = call(app_returning(create_result), "HEAD", "/")
    assert (head.status, head.body) == (response.status, b"")


class Generating(App):
    async def later(self, count: int) -> AsyncIterator[str]:
        for number in range(count):
            await asyncio.sleep(0)
            yield f"{self.request.method}{number} "

    def blocking(self, count: int) -> Iterator[str]:
        for number in range(count):
            yield f"{self.request.method}{number} "


@pytest.mark.parametrize("path", ["/later/2", "/blocking/2"])
def test_handler_that_is_a_generator_streams_and_reads_its_request(path: str) -> None:
    assert call(Generating(), "PUT", path).text == "PUT0 PUT1 "
    assert call(Generating(), "PUT", path[:-1] + "x").status == 400


def test_path_becomes_a_response_with_the_file(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("content")
    app = app_returning(lambda: tmp_path / "a.txt")
    response = call(app, "GET", "/")
    assert (response.status, response.text, response.header("content-type")) == (
        200,
        "content",
        "text/plain; charset=utf-8",
    )
    assert call(app, "GET", "/", headers=[(b"if-none-match", str(response.header("etag")).encode())]).status == 304
    assert call(app, "GET", "/", headers=[(b"range", b"bytes=0-2")]).text == "con"
    assert call(app_returning(lambda: tmp_path / "none.txt"), "GET", "/").status == 404


def test_awaitable_that_a_handler_returns_is_awaited() -> None:
    async def later() -> str:
        return "later"

    assert call(app_returning(later, sync=True), "GET", "/").text == "later"
    assert call(app_returning(later), "GET", "/").text == "later"


# --- results that cannot be sent (RELIABILITY 30) ---


@pytest.mark.parametrize(
    "result",
    [
        (200, "secret", [("X-A", "a\r\nSet-Cookie: secret=1")]),
        (200, "secret", [("X-A", "a\0")]),
        (200, "secret", [("X A", "a")]),
        (200, "secret", [("X-A", "\u20ac")]),
        (200, "secret", [("X-A", 5)]),
        (200, "secret", ["X-A"]),
        (200, "secret", "X-A"),
        (99, "secret"),
        (600, "secret"),
        object(),
        {1, object()},
        (200, (name for name in [object()])),
    ],
)
def test_result_that_cannot_be_sent_is_logged_and_becomes_a_500(result: Any, caplog: pytest.LogCaptureFixture) -> None:
    response = call(app_returning(lambda: result), "GET", "/")
    assert (response.status, response.text) == (500, "500 Internal Server Error")
    assert response.header("x-a") is None
    [record] = error_records(caplog)
    assert record.exc_info is not None
    assert record.exc_info[0] is not None


def test_http_error_with_headers_that_cannot_be_sent_becomes_a_500(caplog: pytest.LogCaptureFixture) -> None:
    app = App()
    app.error_handlers[ResponseError] = lambda request, error: (500, "broken", [("X-A", "\n")])
    app.middlewares.append(Hook(before=HTTPError(404, headers=[("X-A", "\n")])))
    response = call(app, "GET", "/")
    assert (response.status, response.text) == (500, "500 Internal Server Error")
    assert len(error_records(caplog)) == 1


# --- exceptions ---


def raising(error: BaseException) -> Callable[[], Any]:
    def fail() -> Any:
        raise error

    return fail


@pytest.mark.parametrize("sync", [False, True], ids=["async", "sync"])
@pytest.mark.parametrize(
    ("error", "text", "header"),
    [
        (HTTPError(404, "No such todo"), "404 Not Found: No such todo", None),
        (HTTPError(418), "418 I'm a Teapot", None),
        (HTTPError(503, "Later", [("Retry-After", "5")]), "503 Service Unavailable: Later", "5"),
    ],
)
def test_http_error_that_a_handler_raises_becomes_the_response(
    error: HTTPError, text: str, header: str | None, sync: bool, caplog: pytest.LogCaptureFixture
) -> None:
    response = call(app_returning(raising(error), sync=sync), "GET", "/")
    assert (response.status, response.text, response.header("retry-after")) == (error.status, text, header)
    assert error_records(caplog) == []


def test_http_error_before_the_first_chunk_becomes_the_response() -> None:
    assert call(app_returning(lambda: (raising(HTTPError(404))() for _ in "x")), "GET", "/").status == 404


@pytest.mark.parametrize("headers", [JSON, PROBLEM])
def test_client_that_sends_or_prefers_json_receives_problem_details(headers: Any) -> None:
    response = call(app_returning(raising(HTTPError(404, "No such todo"))), "GET", "/", headers=headers)
    assert response.header("content-type") == "application/problem+json"
    assert response.json == {"type": "about:blank", "title": "Not Found", "status": 404, "detail": "No such todo"}


@pytest.mark.parametrize("sync", [False, True], ids=["async", "sync"])
@pytest.mark.parametrize(
    "error", [ValueError("secret"), KeyError("secret"), StopIteration("secret"), ExceptionGroup("secret", [OSError()])]
)
def test_other_exception_is_logged_once_with_its_traceback_and_hidden_from_the_client(
    error: Exception, sync: bool, caplog: pytest.LogCaptureFixture
) -> None:
    response = call(app_returning(raising(error), sync=sync), "GET", "/some%0Awhere")
    assert (response.status, response.text) == (500, "500 Internal Server Error")
    assert "secret" not in str(response.headers)
    [record] = caplog.records
    assert (record.name, record.getMessage()) == (
        "micropie",
        "Failed: GET '/some\\nwhere'",
    )  # the line break is escaped
    assert record.exc_info is not None
    logged = record.exc_info[1]
    assert error in (logged, logged.__cause__ if logged is not None else None)


def test_exception_in_debug_mode_becomes_a_page_with_the_traceback() -> None:
    app = app_returning(raising(ValueError("what <went> wrong")))
    app.debug = True
    response = call(app, "GET", "/")
    assert (response.status, response.header("content-type")) == (500, HTML)
    assert "ValueError: what &lt;went&gt; wrong" in response.text
    assert Path(__file__).name in response.text
    assert call(app_returning(raising(HTTPError(404))), "GET", "/").text == "404 Not Found"


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(1), asyncio.CancelledError()])
def test_base_exception_reaches_the_server(error: BaseException) -> None:
    request = acall(app_returning(raising(error)), "GET", "/")
    with pytest.raises(type(error)):
        request.send(None)


# --- error_handlers ---


async def describe_later(request: Request, error: Exception) -> tuple[int, str]:
    return 502, f"{request.method} {type(error).__name__}"


@pytest.mark.parametrize(
    ("handlers", "error", "status", "text"),
    [
        ({LookupError: lambda request, error: (501, "lookup")}, KeyError(), 501, "lookup"),
        (
            {LookupError: lambda *_: (501, "lookup"), KeyError: lambda *_: (502, "key")},
            KeyError(),
            502,
            "key",
        ),
        ({Exception: describe_later}, ValueError(), 502, "GET ValueError"),
        ({Exception: describe_later}, HTTPError(404), 502, "GET HTTPError"),
        ({HTTPError: lambda request, error: {"status": error.status}}, HTTPError(404), 200, '{"status":404}'),
        ({KeyError: describe_later}, ValueError(), 500, "500 Internal Server Error"),
        ({Exception: lambda *_: (400, iter("ab"))}, ValueError(), 400, "ab"),
        ({Exception: lambda *_: None}, ValueError(), 204, ""),
    ],
)
def test_error_handler_of_the_nearest_class_makes_the_response(
    handlers: Any, error: Exception, status: int, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    app = app_returning(raising(error))
    app.error_handlers.update(handlers)
    response = call(app, "GET", "/")
    assert (response.status, response.text) == (status, text)
    assert len(error_records(caplog)) == (text == "500 Internal Server Error")


@pytest.mark.parametrize("path", ["/wrong/x", "/nothing"])
def test_error_handler_makes_the_response_to_a_refused_request(path: str) -> None:
    class Wrong(App):
        async def wrong(self, x: int) -> None: ...

    app = Wrong()
    app.error_handlers[HTTPError] = lambda request, error: (error.status, "mine")
    assert call(app, "GET", path).text == "mine"


def test_error_handler_that_fails_is_logged_with_both_exceptions(caplog: pytest.LogCaptureFixture) -> None:
    app = app_returning(raising(ValueError("first")))
    app.error_handlers[ValueError] = lambda request, error: raising(KeyError("second"))()
    assert call(app, "GET", "/").status == 500
    [record] = error_records(caplog)
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], KeyError)
    assert isinstance(record.exc_info[1].__context__, ValueError)


@pytest.mark.parametrize(
    "reply",
    [
        object,
        lambda: (200, "x", [("X-A", "\n")]),
        lambda: (1, "x"),
        lambda: (200, (raising(OSError())() for _ in "x")),
    ],
)
def test_error_handler_result_that_cannot_be_sent_becomes_a_plain_500(
    reply: Callable[[], Any], caplog: pytest.LogCaptureFixture
) -> None:
    app = app_returning(raising(ValueError()))
    app.error_handlers[Exception] = lambda request, error: reply()
    response = call(app, "GET", "/")
    assert (response.status, response.text) == (500, "500 Internal Server Error")
    assert len(error_records(caplog)) == 1


def test_http_error_that_an_error_handler_raises_becomes_the_response() -> None:
    app = app_returning(raising(LookupError()))
    app.error_handlers[LookupError] = lambda request, error: raising(HTTPError(404, "No such row"))()
    assert call(app, "GET", "/").text == "404 Not Found: No such row"


# --- results that are checked against the return annotation ---


class Promising(App):
    async def todo(self) -> Todo:
        return {"title": 5}  # type: ignore[return-value]  # the check must refuse it

    async def created(self) -> tuple[Literal[201], Todo]:
        return 200, Todo("t")  # type: ignore[return-value]  # the check must refuse it

    async def good(self) -> tuple[Literal[201], Todo]:
        return 201, Todo("t")

    async def refused(self) -> Todo:
        raise HTTPError(404)

    def blocking(self) -> list[int]:
        return ["x"]  # type: ignore[list-item]  # the check must refuse it


@pytest.mark.parametrize(
    ("path", "complaint"),
    [
        ("/todo", "Expected `str`, got `int` - at `$.title`"),
        ("/created", "status 200 is not among those that the return annotation promises: 201"),
        ("/blocking", "Expected `int`, got `str` - at `$[0]`"),
    ],
)
def test_result_that_contradicts_its_annotation_is_an_error_that_names_the_field(
    path: str, complaint: str, caplog: pytest.LogCaptureFixture
) -> None:
    app = Promising(debug=True)
    assert call(app, "GET", path).status == 500
    assert complaint in str(error_records(caplog)[0].exc_info)
    app = Promising()
    app.check_returns = True  # as the test client sets it
    assert call(app, "GET", path).text == "500 Internal Server Error"
    assert call(Promising(), "GET", path).status == 200


@pytest.mark.parametrize(("path", "status"), [("/good", 201), ("/refused", 404)])
def test_result_that_fits_its_annotation_and_an_http_error_pass_the_check(path: str, status: int) -> None:
    assert call(Promising(debug=True), "GET", path).status == status


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
    app._asgi_app_http = later  # type: ignore[method-assign]  # on purpose
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


# --- request bodies ---


class Receiving(App):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.ran: list[str] = []

    async def todo(self, todo: Todo) -> str:
        self.ran.append("todo")
        return todo.title

    async def name(self, name: str) -> str:
        self.ran.append("name")
        return name

    async def raw(self, chunks: AsyncIterator[bytes]) -> list[str]:
        self.ran.append("raw")
        return [chunk.decode() async for chunk in chunks]


@pytest.mark.parametrize("path", ["/todo", "/name"])
@pytest.mark.parametrize("headers", [JSON, MULTIPART])
@pytest.mark.parametrize("hooks", [(), (Hook(),)], ids=["bare", "middleware"])
def test_handler_does_not_run_when_the_client_leaves_during_the_body(
    path: str, headers: Any, hooks: tuple[Hook, ...], caplog: pytest.LogCaptureFixture
) -> None:
    app = Receiving()
    app.middlewares += hooks
    arriving: Iterator[Message] = iter(
        [{"type": "http.request", "body": b'{"title"', "more_body": True}, {"type": "http.disconnect"}]
    )

    async def receive() -> Message:
        return next(arriving)

    async def send(_: Message) -> None:
        raise AssertionError("the client has left")

    asyncio.run(_run(app, http_scope("POST", path, [*headers, (b"content-length", b"100")]), receive, send))
    assert app.ran == []
    assert error_records(caplog) == []


async def _run(app: App, *arguments: Any) -> None:
    await app(*arguments)


@pytest.mark.parametrize("hooks", [(), (Hook(),)], ids=["bare", "middleware"])
@pytest.mark.parametrize(
    ("body", "headers", "status", "text"),
    [
        (b'{"title":"t"}', JSON, 200, "t"),
        (b'{"titl', JSON, 400, "Bad JSON"),
        (b"", JSON, 400, "Missing request body"),
        (b"x" * 100, JSON, 413, "The request body is larger than 50 bytes"),
        ([b"x" * 30, b"x" * 30], JSON, 413, "The request body is larger than 50 bytes"),
        (b"x", [(b"content-type", b"text/plain")], 415, "The request body must be"),
        (b"x", [(b"content-type", b"multipart/form-data")], 400, "Missing boundary"),
    ],
)
def test_body_is_checked_against_its_limit_and_its_type(
    body: Any, headers: Any, status: int, text: str, hooks: tuple[Hook, ...]
) -> None:
    app = Receiving(limits=Limits(body=50))
    app.middlewares += hooks
    response = call(app, "POST", "/todo", body, headers)
    assert response.status == status
    assert text in response.text
    assert [hook.statuses[-1] for hook in hooks] == [status for _ in hooks]


def test_body_that_stalls_becomes_a_408() -> None:
    app = Receiving(limits=Limits(read_timeout=0.01))

    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(_run(app, http_scope("POST", "/todo", [*JSON, (b"content-length", b"5")]), receive, send))
    assert sent[0]["status"] == 408


@pytest.mark.parametrize("hooks", [(), (Hook(),)], ids=["bare", "middleware"])
@pytest.mark.parametrize("headers", [(), JSON])
def test_handler_may_read_the_body_chunk_by_chunk_behind_middleware(headers: Any, hooks: tuple[Hook, ...]) -> None:
    app = Receiving()
    app.middlewares += hooks
    response = call(app, "POST", "/raw", [b"1", b"2"], headers)
    assert response.json == (
        ["12"] if headers and hooks else ["1", "2"]
    )  # middleware may have looked at JSON, so it was read as a whole


def test_multipart_body_is_read_as_far_as_the_handler_needs_it() -> None:
    class Uploading(App):
        async def index(self, name: str) -> list[Any]:
            return [name, self.request.form("later"), sorted(self.request.files)]

    body = form_data([("name", "ann"), ("f", ("f", "text/plain", b"x")), ("later", "1")])
    cut = body.index(b"ann") + 40
    assert call(Uploading(), "POST", "/", [body[:cut], body[cut:]], MULTIPART).json[0] == "ann"


@pytest.mark.parametrize("create_result", [lambda: "text", send_two_chunks, lambda: iter("ab")])
def test_client_that_leaves_during_the_response_is_not_an_error(
    create_result: Callable[[], Any], caplog: pytest.LogCaptureFixture
) -> None:
    async def send(_: Message) -> None:
        raise OSError("gone")

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    asyncio.run(_run(app_returning(create_result), http_scope("GET", "/"), receive, send))
    assert error_records(caplog) == []


def test_stream_that_breaks_off_is_logged_and_reported_to_the_server(caplog: pytest.LogCaptureFixture) -> None:
    async def breaking() -> AsyncIterator[str]:
        yield "a"
        raise ValueError("secret")

    with pytest.raises(BrokenResponse):
        call(app_returning(breaking), "GET", "/")
    [record] = error_records(caplog)
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], ValueError)


@pytest.mark.parametrize("hooks", [(), (Hook(),)], ids=["bare", "middleware"])
def test_cancelled_request_runs_its_finally_blocks_and_leaves_no_task(hooks: tuple[Hook, ...]) -> None:
    log: list[str] = []

    class Waiting(App):
        async def index(self) -> None:
            self.request.session["half"] = True
            try:
                await asyncio.Event().wait()
            finally:
                log.append(self.request.method)

    async def main() -> None:
        app = Waiting()
        app.middlewares += hooks
        task = asyncio.create_task(acall(app, "GET", "/"))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert vars(app.session_backend)["_sessions"] == {}

    asyncio.run(main())
    assert log == ["GET"]


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


# --- empty forms and empty streams ---


class Boxes(Struct):
    news: bool = False
    offers: bool = False


class Empty(App):
    async def boxes(self, boxes: Boxes) -> Boxes:
        return boxes

    async def rows(self) -> AsyncIterator[Boxes]:
        for box in list[Boxes]():
            yield box

    async def events(self) -> tuple[int, Iterator[ServerSentEvent[str]]]:
        return 200, iter([])

    async def text(self) -> AsyncIterator[str]:
        for line in list[str]():
            yield line

    async def some(self) -> tuple[int, AsyncIterator[Boxes], dict[str, str]]:
        return 200, self.rows(), {"content-type": "application/x-ndjson"}

    async def either(self) -> AsyncIterator[Boxes] | list[int]:
        return [1]


@pytest.mark.parametrize("length", [[], [(b"content-length", b"0")]])
def test_form_without_a_checked_box_is_an_empty_form(length: RawHeaders) -> None:
    form = [(b"content-type", b"Application/x-www-form-urlencoded; charset=utf-8"), *length]
    assert call(Empty(), "POST", "/boxes", b"", form).json == {"news": False, "offers": False}
    assert call(Empty(), "POST", "/boxes", b"", JSON).status == 400


@pytest.mark.parametrize(
    ("path", "content_type"),
    [
        ("/rows", "application/jsonl"),
        ("/events", "text/event-stream"),
        ("/text", "text/html; charset=utf-8"),
        ("/some", "application/x-ndjson"),
        ("/either", "application/json"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_empty_stream_has_the_type_of_its_return_annotation(method: str, path: str, content_type: str) -> None:
    assert call(Empty(), method, path).header("content-type") == content_type
