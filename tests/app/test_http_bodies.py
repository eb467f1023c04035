"""These tests send request bodies through an App. Some clients leave, and some servers cancel, before the end."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from micropie import App, Limits
from micropie.responses.streaming import BrokenResponse
from micropie.types import Message
from tests.app.small_apps import Todo, app_returning, send_two_chunks
from tests.support.asgi import JSON, MULTIPART, acall, call, form_data, http_scope
from tests.support.hooks import Hook
from tests.support.read_results import error_records


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
    # Middleware may look at JSON, so JSON is read as a whole before the handler runs.
    assert response.json == (["12"] if headers and hooks else ["1", "2"])


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
        assert vars(app.session_backend)["_begun"] == {}

    asyncio.run(main())
    assert log == ["GET"]
