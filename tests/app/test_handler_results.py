"""These tests return values of every kind from handlers (SPEC 4) and look at the responses."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pytest
from msgspec import Struct

from micropie import App, HTTPError, Limits, ResponseError, ServerSentEvent
from micropie.types import Message, RawHeaders
from tests.app.small_apps import HTML, Todo, app_returning, send_two_chunks
from tests.support.asgi import JSON, call, http_scope
from tests.support.hooks import Hook
from tests.support.read_results import error_records


@dataclasses.dataclass
class Point:
    x: int
    y: int


class Pair(NamedTuple):
    status: int
    body: str


class Colour(Enum):
    RED = "red"


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


# --- results that are checked against the return annotation ---


class Promising(App):
    async def todo(self) -> Todo:
        return Todo(5)  # type: ignore[arg-type]  # the check must refuse it

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


# --- server-sent events ---


class Events(App):
    async def typed(self) -> AsyncIterator[ServerSentEvent[int]]:
        await asyncio.Event().wait()
        yield ServerSentEvent(1)

    def untyped(self) -> Any:
        return 200, iter(["data: 1\n\n"]), {"Content-Type": "text/event-stream"}

    async def own_headers(self) -> tuple[int, AsyncIterator[ServerSentEvent[int]], dict[str, str]]:
        return 200, self.typed(), {"Cache-Control": "no-store", "X-Accel-Buffering": "yes"}


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    ("path", "cache_control", "buffering"),
    [("/typed", "no-cache", "no"), ("/untyped", "no-cache", "no"), ("/own_headers", "no-store", "yes")],
)
def test_events_have_their_headers_at_once(method: str, path: str, cache_control: str, buffering: str) -> None:
    async def main() -> dict[bytes, bytes]:
        started: asyncio.Future[dict[bytes, bytes]] = asyncio.get_running_loop().create_future()

        async def receive() -> Message:
            await started
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                started.set_result(dict(message["headers"]))

        await Events()(http_scope(method, path), receive, send)
        return await started

    headers = asyncio.run(main())
    assert headers[b"content-type"] == b"text/event-stream"
    assert headers[b"cache-control"].decode() == cache_control
    assert headers[b"x-accel-buffering"].decode() == buffering


@pytest.mark.parametrize("path", ["/typed", "/waits"])
def test_comments_keep_an_idle_event_stream_open(path: str) -> None:
    async def main() -> bytes:
        text = b""
        enough = asyncio.Event()

        async def receive() -> Message:
            await enough.wait()
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            nonlocal text
            text += message.get("body", b"")
            if text.count(b": ping") == 3:
                enough.set()
            await asyncio.sleep(0)

        class Slow(Events):
            async def waits(self) -> Any:
                yield ServerSentEvent(1)
                await asyncio.Event().wait()

        await Slow(limits=Limits(ping=0.001))(http_scope("GET", path), receive, send)
        return text

    assert asyncio.run(main()).startswith(b": ping\n\n" if path == "/typed" else b"data: 1\n\n: ping\n\n")
