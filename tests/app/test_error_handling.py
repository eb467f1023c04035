"""These tests raise exceptions in an app (SPEC 4) and look at the response, the log and the error handlers."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from micropie import App, HTTPError, HttpMiddleware, Request
from tests.app.small_apps import HTML, app_returning
from tests.support.asgi import JSON, PROBLEM, acall, call
from tests.support.read_results import error_records


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
    message = "Failed: GET '/some\\nwhere'"  # the line break is escaped
    assert (record.name, record.getMessage()) == ("micropie", message)
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


# --- replies that cannot be sent ---


class Witness(HttpMiddleware):
    def __init__(self) -> None:
        self.seen: list[int] = []

    async def before_request(self, request: Request) -> None: ...

    async def after_request(
        self, request: Request, status_code: int, response_body: object, extra_headers: list[tuple[str, str]]
    ) -> None:
        self.seen.append(status_code)
        extra_headers.append(("X-Witness", "yes"))


class Lazy(Mapping[str, str]):
    """Data that fails when it is read, like a database row after its connection was lost."""

    def __getitem__(self, key: str) -> str:
        raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        raise OSError("the connection is gone")

    def __len__(self) -> int:
        return 1


class Unsendable(App):
    async def lazy(self) -> Lazy:
        return Lazy()

    async def unencodable(self) -> object:
        return object()

    async def header(self) -> tuple[int, str, list[tuple[str, str]]]:
        return 200, "x", [("X-Bad", "a\r\nb")]

    async def generator(self) -> AsyncIterator[str]:
        if self.request.method:
            raise RuntimeError("before the first chunk")
        yield ""

    async def session(self) -> str:
        self.request.session["value"] = lambda: None
        return "x"

    async def file(self) -> Path:
        return Path("/nowhere/at/all")


@pytest.mark.parametrize(
    ("path", "status"),
    [("lazy", 500), ("unencodable", 500), ("header", 500), ("generator", 500), ("session", 500), ("file", 404)],
)
def test_middleware_sees_the_reply_that_replaces_one_that_cannot_be_sent(
    path: str, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    witness, app = Witness(), Unsendable()
    app.middlewares.append(witness)
    with caplog.at_level(logging.CRITICAL):
        response = call(app, "GET", f"/{path}")
    assert (response.status, response.header("x-witness")) == (status, "yes")
    assert witness.seen == [200, status]
