"""Other ASGI applications below a path (SPEC 2, "mounting"): what they see, and what of their responses stays ours."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import pytest

from micropie import App, InMemorySessionBackend, Request, WebSocketMiddleware, WebSocketRequest
from micropie.responses.streaming import BrokenResponse
from micropie.types import Message, Receive, Scope, Send
from tests.support.asgi import FORM, JSON, acall, call, call_socket
from tests.support.hooks import Hook

GREETING = "Hello, Ann!"


class Shop(App):
    async def index(self) -> str:
        return "home"

    async def greet(self, name: str = "Guest") -> str:
        return f"Hello, {name}!"


class Inner(App):
    async def index(self) -> str:
        return "inner"


class Outer(App):
    def __init__(self) -> None:
        super().__init__()
        self.inner_app = Inner()


class Mirror:
    """An ASGI application that shows what it was given."""

    def __init__(self, name: str) -> None:
        self.name = name

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        shown = f"{self.name} {scope['root_path']} {scope['path']}".encode()
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 4000, "reason": shown.decode()})
            return
        headers = [(b"content-length", str(len(shown)).encode())]
        await send({"type": "http.response.start", "status": 299, "headers": headers})
        await send({"type": "http.response.body", "body": shown})


def mounting(*prefixes: str) -> App:
    app = Shop()
    for prefix in prefixes:
        app.mount(prefix, Mirror(prefix))
    return app


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/static", "/static /static /static"),
        ("/static/", "/static /static /static/"),
        ("/static/css/a.css", "/static /static /static/css/a.css"),
        ("/static/a%20b", "/static /static /static/a b"),
        ("/static/deep", "/static/deep /static/deep /static/deep"),
        ("/static/deep/x", "/static/deep /static/deep /static/deep/x"),
        ("/static/deeper", "/static /static /static/deeper"),
        ("/greet/Ann", "/greet /greet /greet/Ann"),
    ],
)
def test_a_mounted_app_sees_root_path_and_path_as_asgi_has_them_and_the_longest_prefix_wins(
    path: str, shown: str
) -> None:
    answer = call(mounting("/static", "/static/deep", "/greet"), "GET", path)
    assert (answer.status, answer.text) == (299, shown)
    assert call_socket(mounting("/static", "/static/deep", "/greet"), path)[0]["reason"] == shown


@pytest.mark.parametrize("path", ["/static", "/api/static"])
def test_a_mounted_app_is_below_the_apps_own_root(path: str) -> None:
    # `path` with its root, as ASGI has it, and without
    answer = call(mounting("/static"), "GET", path + "/x%2Fy", root_path="/api")
    assert answer.text == "/static /api/static /api/static/x/y"


@pytest.mark.parametrize("path", ["/statics", "/", "/other/static"])
def test_no_other_path_is_the_mounted_apps(path: str) -> None:
    assert call(mounting("/static"), "GET", path).status in (200, 404)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/", "home"),
        ("/greet/Ann", GREETING),
        ("/greet/a/b", "/  /greet/a/b"),
        ("/other", "/  /other"),
        ("//", "/  //"),
    ],
)
def test_what_is_mounted_at_the_root_gets_what_nothing_else_answers(path: str, text: str) -> None:
    assert call(mounting("/"), "GET", path).text == text


def test_what_a_nested_app_mounts_is_below_that_app() -> None:
    outer = Outer()
    outer.inner_app.mount("/static", Mirror("inner"))
    assert call(outer, "GET", "/inner-app/static/x").text == "inner /inner-app/static /inner-app/static/x"
    assert call(outer, "GET", "/static/x").status == 404
    assert call_socket(outer, "/inner_app/static")[0]["reason"] == "inner /inner_app/static /inner_app/static"


@pytest.mark.parametrize("prefix", ["static", "", "//static", "/a//b"])
def test_a_prefix_begins_with_a_slash(prefix: str) -> None:
    with pytest.raises(ValueError, match="a prefix must start with '/' and contain no '//', as in '/static'"):
        Shop().mount(prefix, Mirror("x"))


# --- what of a mounted app's response is ours ---


class Echo:
    """An ASGI application that sends a request's body back."""

    def __init__(self) -> None:
        self.later: list[Message] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body += message["body"]
            more = message["more_body"]
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x-own", b"1")]})
        await send({"type": "http.response.body", "body": body[:1], "more_body": True})
        await send({"type": "http.response.body", "body": body[1:]})


def behind(app: Any, *hooks: Hook) -> App:
    outer = Shop()
    outer.middlewares += hooks
    outer.mount("/on", app)
    return outer


def test_middleware_sees_a_mounted_apps_response_and_adds_headers_to_its_own() -> None:
    inner, outer = Hook(after={"headers": [("X-Inner", "2")]}), Hook()

    class Adding(Hook):
        async def after_request(
            self, request: Request, status_code: int, response_body: Any, extra_headers: list[tuple[str, str]]
        ) -> Mapping[str, Any] | None:
            extra_headers.append(("X-Added", str(status_code)))
            return None

    answer = call(behind(Mirror("m"), outer, Adding(), inner), "GET", "/on/x")
    assert (answer.status, answer.text) == (299, "m /on /on/x")
    assert (answer.header("content-length"), answer.header("x-inner"), answer.header("x-added")) == ("11", "2", "299")
    assert [(status, body) for status, body, _ in inner.seen + outer.seen] == [(299, None), (299, None)]


def test_middleware_may_change_its_status() -> None:
    answer = call(behind(Mirror("m"), Hook(after={"status_code": 203})), "GET", "/on")
    assert (answer.status, answer.text) == (203, "m /on /on")


def test_middleware_that_answers_by_itself_keeps_a_request_from_it() -> None:
    hook = Hook(before={"status_code": 401, "body": "who?"})
    answer = call(behind(Mirror("m"), hook), "GET", "/on")
    assert (answer.status, answer.text) == (401, "who?")


@pytest.mark.parametrize(
    ("after", "status", "text"),
    [
        ({"body": "mine"}, 200, "mine"),
        ({"status_code": 418, "body": {"a": 1}}, 418, '{"a":1}'),
        (ValueError("secret"), 500, "500 Internal Server Error"),
        ({"headers": [("X-Bad", "a\r\nb")]}, 500, "500 Internal Server Error"),
    ],
)
def test_another_body_and_a_failure_take_its_place_whole(
    after: Any, status: int, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    outer = Hook()
    answer = call(behind(Echo(), outer, Hook(after=after)), "POST", "/on", b"a body that must not be mixed in")
    assert (answer.status, answer.text) == (status, text)
    assert answer.header("content-length") == str(len(text))
    assert answer.header("x-own") is None
    assert len([record for record in caplog.records if record.levelno >= logging.ERROR]) == (status == 500)


def test_an_app_that_streams_without_end_is_told_to_stop_when_its_response_was_replaced() -> None:
    told: list[str] = []

    async def endless(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        try:
            while True:
                await send({"type": "http.response.body", "body": b"x", "more_body": True})
        except OSError as error:
            told.append(str(error))
            raise

    assert call(behind(endless, Hook(after={"body": "mine"})), "GET", "/on").text == "mine"
    assert told == ["Another response was sent in place of this one"]


@pytest.mark.parametrize("headers", [JSON, FORM, ()])
@pytest.mark.parametrize("hooks", [(), (Hook(),)])
@pytest.mark.parametrize("body", [b'{"a": 1}', [b'{"a"', b": 1}"], b""])
def test_a_body_reaches_it_whether_or_not_middleware_has_looked_at_it(body: Any, hooks: Any, headers: Any) -> None:
    answer = call(behind(Echo(), *hooks), "POST", "/on", body, headers)
    assert answer.body == (body if isinstance(body, bytes) else b"".join(body))


def test_after_the_body_it_hears_of_the_client_that_leaves() -> None:
    heard: list[Message] = []

    async def listening(scope: Scope, receive: Receive, send: Send) -> None:
        heard.extend([await receive(), await receive()])

    async def main() -> None:
        arriving: Iterator[Message] = iter([{"type": "http.request", "body": b"{}"}, {"type": "http.disconnect"}])

        async def receive() -> Message:
            return next(arriving)

        async def send(_: Message) -> None:
            raise AssertionError("nothing is sent")

        headers = [*JSON, (b"content-length", b"2")]
        scope = {"type": "http", "method": "POST", "path": "/on", "headers": headers}
        await behind(listening, Hook())(scope, receive, send)

    asyncio.run(main())
    assert [message["type"] for message in heard] == ["http.request", "http.disconnect"]


async def failing(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["path"] == "/on/late":
        await send({"type": "http.response.start", "status": 200, "headers": []})
    raise LookupError("secret")


@pytest.mark.parametrize("hooks", [(), (Hook(),)])
def test_one_that_fails_before_its_response_is_answered_and_logged_as_a_handler_is(
    hooks: tuple[Hook, ...], caplog: pytest.LogCaptureFixture
) -> None:
    answer = call(behind(failing, *hooks), "GET", "/on")
    assert (answer.status, answer.text) == (500, "500 Internal Server Error")
    assert [record.exc_info is not None for record in caplog.records] == [True]
    assert [hook.statuses[-1] for hook in hooks] == [500 for _ in hooks]


def test_error_handlers_answer_for_it() -> None:
    outer = behind(failing)
    outer.error_handlers[LookupError] = lambda request, error: (503, "later")
    answer = call(outer, "GET", "/on")
    assert (answer.status, answer.text) == (503, "later")


def test_one_that_fails_after_that_is_left_to_the_server() -> None:
    with pytest.raises(LookupError):
        call(behind(failing), "GET", "/on/late")


def test_a_session_that_middleware_began_goes_with_its_response() -> None:
    class Visiting(Hook):
        async def before_request(self, request: Request) -> None:
            request.session["n"] = request.session.get("n", 0) + 1

        async def after_request(
            self, request: Request, status_code: int, response_body: Any, extra_headers: list[tuple[str, str]]
        ) -> None:
            request.session["seen"] = status_code

    app = behind(Mirror("m"), Visiting())

    async def main() -> None:
        first = await acall(app, "GET", "/on")
        cookie = str(first.header("set-cookie")).partition(";")[0]
        assert (first.status, first.header("vary"), first.header("cache-control")) == (299, "Cookie", "no-store")
        second = await acall(app, "GET", "/on", headers=[(b"cookie", cookie.encode())])
        assert second.header("set-cookie") is None
        # What is changed once the app has begun its response is saved all the same.
        stored = await app.session_backend.load(cookie.partition("=")[2])
        assert stored == {"n": 2, "seen": 299}

    asyncio.run(main())


def test_a_session_that_cannot_be_saved_keeps_its_response_back() -> None:
    class Broken(InMemorySessionBackend):
        async def save(self, session_id: str, data: dict[str, Any], timeout: int) -> None:
            raise ConnectionError("secret")

    class Visiting(Hook):
        async def before_request(self, request: Request) -> None:
            request.session["n"] = 1

    app, hook = Shop(Broken()), Visiting()
    app.middlewares.append(hook)
    app.mount("/on", Mirror("m"))
    answer = call(app, "GET", "/on")
    assert (answer.status, answer.text) == (500, "500 Internal Server Error")
    assert hook.statuses == [500]


def test_an_app_of_ours_may_be_mounted_too() -> None:
    inner, outer = Shop(), Shop()
    outer.mount("/shop", inner)
    inner.mount("/deep", Mirror("deep"))
    assert call(outer, "GET", "/shop/greet/Ann").text == GREETING
    assert call(outer, "GET", "/shop").text == "home"
    assert call(outer, "GET", "/shop/nothing").status == 404
    assert call(outer, "GET", "/shop/deep/x").text == "deep /shop/deep /shop/deep/x"


def test_when_its_stream_breaks_off_that_is_logged_once_and_the_server_told(caplog: pytest.LogCaptureFixture) -> None:
    class Breaking(App):
        async def index(self) -> AsyncIterator[str]:
            yield "a"
            raise ValueError("secret")

    with pytest.raises(BrokenResponse):
        call(behind(Breaking()), "GET", "/on")
    assert len(caplog.records) == 1


def test_websocket_middleware_surrounds_a_mounted_app() -> None:
    seen: list[str] = []

    class Watching(WebSocketMiddleware):
        async def before_websocket(self, request: WebSocketRequest) -> Mapping[str, Any] | None:
            seen.append("before")
            return {"code": 4001} if request.query("refuse") else None

        async def after_websocket(self, request: WebSocketRequest) -> None:
            seen.append("after")

    app = behind(Mirror("m"))
    app.ws_middlewares.append(Watching())
    assert call_socket(app, "/on") == [{"type": "websocket.close", "code": 4000, "reason": "m /on /on"}]
    assert seen == ["before", "after"]
    assert [message["code"] for message in call_socket(app, "/on?refuse=1")] == [4001]


def test_a_mounted_app_that_fails_in_a_connection_is_logged_and_closed_1011(caplog: pytest.LogCaptureFixture) -> None:
    [closed] = call_socket(behind(failing), "/on")
    assert (closed["type"], closed["code"]) == ("websocket.close", 1011)
    assert len(caplog.records) == 1
