"""These tests mount ASGI applications below a path (SPEC 2, "mounting") and send them requests through an App."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import pytest

from micropie import App, InMemorySessionBackend, Request, WebSocketMiddleware, WebSocketRequest
from micropie.responses.streaming import BrokenResponse
from micropie.types import Message, Receive, Scope, Send
from tests.routing.apps import GREETING, Shop
from tests.support.asgi import FORM, JSON, acall, call, call_socket
from tests.support.hooks import Hook


class Inner(App):
    async def index(self) -> str:
        return "inner"


class Outer(App):
    def __init__(self) -> None:
        super().__init__()
        self.inner_app = Inner()


class Mirror:
    """An ASGI application that sends back the `root_path` and `path` of its scope."""

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


def mount_mirrors(*prefixes: str) -> App:
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
def test_app_mounted_at_the_longest_prefix_receives_root_path_and_path(path: str, shown: str) -> None:
    response = call(mount_mirrors("/static", "/static/deep", "/greet"), "GET", path)
    assert (response.status, response.text) == (299, shown)
    assert call_socket(mount_mirrors("/static", "/static/deep", "/greet"), path)[0]["reason"] == shown


@pytest.mark.parametrize("path", ["/static", "/api/static"])
def test_mounted_app_is_below_the_root_path_of_its_host(path: str) -> None:
    # ASGI says that `path` includes the root path; some servers leave it out.
    response = call(mount_mirrors("/static"), "GET", path + "/x%2Fy", root_path="/api")
    assert response.text == "/static /api/static /api/static/x/y"


@pytest.mark.parametrize("path", ["/statics", "/", "/other/static"])
def test_path_outside_the_prefix_does_not_reach_the_mounted_app(path: str) -> None:
    assert call(mount_mirrors("/static"), "GET", path).status in (200, 404)


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
def test_app_mounted_at_the_root_receives_paths_without_a_route(path: str, text: str) -> None:
    assert call(mount_mirrors("/"), "GET", path).text == text


def test_app_mounted_on_a_nested_app_is_below_that_app() -> None:
    outer = Outer()
    outer.inner_app.mount("/static", Mirror("inner"))
    assert call(outer, "GET", "/inner-app/static/x").text == "inner /inner-app/static /inner-app/static/x"
    assert call(outer, "GET", "/static/x").status == 404
    assert call_socket(outer, "/inner_app/static")[0]["reason"] == "inner /inner_app/static /inner_app/static"


@pytest.mark.parametrize("prefix", ["static", "", "//static", "/a//b"])
def test_malformed_prefix_is_refused(prefix: str) -> None:
    with pytest.raises(ValueError, match="a prefix must start with '/' and contain no '//', as in '/static'"):
        Shop().mount(prefix, Mirror("x"))


# --- the response of a mounted app ---


class Echo:
    """An ASGI application that sends the body of the request back."""

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


def mount_behind(app: Any, *hooks: Hook) -> App:
    outer = Shop()
    outer.middlewares += hooks
    outer.mount("/on", app)
    return outer


def test_middleware_sees_the_response_of_a_mounted_app_and_adds_headers() -> None:
    inner, outer = Hook(after={"headers": [("X-Inner", "2")]}), Hook()

    class Adding(Hook):
        async def after_request(
            self, request: Request, status_code: int, response_body: Any, extra_headers: list[tuple[str, str]]
        ) -> Mapping[str, Any] | None:
            extra_headers.append(("X-Added", str(status_code)))
            return None

    response = call(mount_behind(Mirror("m"), outer, Adding(), inner), "GET", "/on/x")
    assert (response.status, response.text) == (299, "m /on /on/x")
    assert [response.header(name) for name in ("content-length", "x-inner", "x-added")] == ["11", "2", "299"]
    assert [(status, body) for status, body, _ in inner.seen + outer.seen] == [(299, None), (299, None)]


def test_middleware_may_change_the_status_of_a_mounted_app() -> None:
    response = call(mount_behind(Mirror("m"), Hook(after={"status_code": 203})), "GET", "/on")
    assert (response.status, response.text) == (203, "m /on /on")


def test_request_that_middleware_responds_to_does_not_reach_the_mounted_app() -> None:
    hook = Hook(before={"status_code": 401, "body": "who?"})
    response = call(mount_behind(Mirror("m"), hook), "GET", "/on")
    assert (response.status, response.text) == (401, "who?")


@pytest.mark.parametrize(
    ("after", "status", "text"),
    [
        ({"body": "mine"}, 200, "mine"),
        ({"status_code": 418, "body": {"a": 1}}, 418, '{"a":1}'),
        (ValueError("secret"), 500, "500 Internal Server Error"),
        ({"headers": [("X-Bad", "a\r\nb")]}, 500, "500 Internal Server Error"),
    ],
)
def test_body_or_failure_of_middleware_replaces_the_whole_response_of_a_mounted_app(
    after: Any, status: int, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    outer = Hook()
    response = call(mount_behind(Echo(), outer, Hook(after=after)), "POST", "/on", b"a body that must not be mixed in")
    assert (response.status, response.text) == (status, text)
    assert response.header("content-length") == str(len(text))
    assert response.header("x-own") is None
    assert len([record for record in caplog.records if record.levelno >= logging.ERROR]) == (status == 500)


def test_endless_stream_of_a_mounted_app_stops_when_its_response_is_replaced() -> None:
    raised: list[str] = []

    async def endless(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        try:
            while True:
                await send({"type": "http.response.body", "body": b"x", "more_body": True})
        except OSError as error:
            raised.append(str(error))
            raise

    assert call(mount_behind(endless, Hook(after={"body": "mine"})), "GET", "/on").text == "mine"
    assert raised == ["Another response was sent in place of this one"]


@pytest.mark.parametrize("headers", [JSON, FORM, ()])
@pytest.mark.parametrize("hooks", [(), (Hook(),)])
@pytest.mark.parametrize("body", [b'{"a": 1}', [b'{"a"', b": 1}"], b""])
def test_body_reaches_a_mounted_app_with_or_without_middleware(body: Any, hooks: Any, headers: Any) -> None:
    response = call(mount_behind(Echo(), *hooks), "POST", "/on", body, headers)
    assert response.body == (body if isinstance(body, bytes) else b"".join(body))


def test_mounted_app_receives_the_disconnect_after_the_body() -> None:
    received: list[Message] = []

    async def listening(scope: Scope, receive: Receive, send: Send) -> None:
        received.extend([await receive(), await receive()])

    async def main() -> None:
        arriving: Iterator[Message] = iter([{"type": "http.request", "body": b"{}"}, {"type": "http.disconnect"}])

        async def receive() -> Message:
            return next(arriving)

        async def send(_: Message) -> None:
            raise AssertionError("nothing is sent")

        headers = [*JSON, (b"content-length", b"2")]
        scope = {"type": "http", "method": "POST", "path": "/on", "headers": headers}
        await mount_behind(listening, Hook())(scope, receive, send)

    asyncio.run(main())
    assert [message["type"] for message in received] == ["http.request", "http.disconnect"]


async def failing(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["path"] == "/on/late":
        await send({"type": "http.response.start", "status": 200, "headers": []})
    raise LookupError("secret")


@pytest.mark.parametrize("hooks", [(), (Hook(),)])
def test_mounted_app_that_fails_before_its_response_is_logged_and_becomes_a_500(
    hooks: tuple[Hook, ...], caplog: pytest.LogCaptureFixture
) -> None:
    response = call(mount_behind(failing, *hooks), "GET", "/on")
    assert (response.status, response.text) == (500, "500 Internal Server Error")
    assert [record.exc_info is not None for record in caplog.records] == [True]
    assert [hook.statuses[-1] for hook in hooks] == [500 for _ in hooks]


def test_error_handler_makes_the_response_for_a_mounted_app_that_fails() -> None:
    outer = mount_behind(failing)
    outer.error_handlers[LookupError] = lambda request, error: (503, "later")
    response = call(outer, "GET", "/on")
    assert (response.status, response.text) == (503, "later")


def test_exception_of_a_mounted_app_during_its_response_reaches_the_server() -> None:
    with pytest.raises(LookupError):
        call(mount_behind(failing), "GET", "/on/late")


def test_session_that_middleware_began_is_sent_with_the_response_of_a_mounted_app() -> None:
    class Visiting(Hook):
        async def before_request(self, request: Request) -> None:
            request.session["n"] = request.session.get("n", 0) + 1

        async def after_request(
            self, request: Request, status_code: int, response_body: Any, extra_headers: list[tuple[str, str]]
        ) -> None:
            request.session["seen"] = status_code

    app = mount_behind(Mirror("m"), Visiting())

    async def main() -> None:
        first = await acall(app, "GET", "/on")
        cookie = str(first.header("set-cookie")).partition(";")[0]
        assert (first.status, first.header("vary")) == (299, "Cookie")
        assert first.header("cache-control") == "private, no-store"
        second = await acall(app, "GET", "/on", headers=[(b"cookie", cookie.encode())])
        assert second.header("set-cookie") is None
        # A change is saved even after the app has begun its response.
        stored = await app.session_backend.load(cookie.partition("=")[2])
        assert stored == {"n": 2, "seen": 299}

    asyncio.run(main())


def test_session_that_cannot_be_saved_replaces_the_response_of_a_mounted_app() -> None:
    class Broken(InMemorySessionBackend):
        async def save(self, session_id: str, data: dict[str, Any], timeout: int) -> None:
            raise ConnectionError("secret")

    class Visiting(Hook):
        async def before_request(self, request: Request) -> None:
            request.session["n"] = 1

    app, hook = Shop(Broken()), Visiting()
    app.middlewares.append(hook)
    app.mount("/on", Mirror("m"))
    response = call(app, "GET", "/on")
    assert (response.status, response.text) == (500, "500 Internal Server Error")
    assert hook.statuses == [500]


def test_micropie_app_may_be_mounted() -> None:
    inner, outer = Shop(), Shop()
    outer.mount("/shop", inner)
    inner.mount("/deep", Mirror("deep"))
    assert call(outer, "GET", "/shop/greet/Ann").text == GREETING
    assert call(outer, "GET", "/shop").text == "home"
    assert call(outer, "GET", "/shop/nothing").status == 404
    assert call(outer, "GET", "/shop/deep/x").text == "deep /shop/deep /shop/deep/x"


def test_stream_of_a_mounted_app_that_breaks_off_is_logged_once_and_reported_to_the_server(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Breaking(App):
        async def index(self) -> AsyncIterator[str]:
            yield "a"
            raise ValueError("secret")

    with pytest.raises(BrokenResponse):
        call(mount_behind(Breaking()), "GET", "/on")
    assert len(caplog.records) == 1


def test_websocket_middleware_surrounds_a_mounted_app() -> None:
    seen: list[str] = []

    class Watching(WebSocketMiddleware):
        async def before_websocket(self, request: WebSocketRequest) -> Mapping[str, Any] | None:
            seen.append("before")
            return {"code": 4001} if request.query("refuse") else None

        async def after_websocket(self, request: WebSocketRequest) -> None:
            seen.append("after")

    app = mount_behind(Mirror("m"))
    app.ws_middlewares.append(Watching())
    assert call_socket(app, "/on") == [{"type": "websocket.close", "code": 4000, "reason": "m /on /on"}]
    assert seen == ["before", "after"]
    assert [message["code"] for message in call_socket(app, "/on?refuse=1")] == [4001]


def test_mounted_app_that_fails_in_a_connection_is_logged_and_closed_with_1011(
    caplog: pytest.LogCaptureFixture,
) -> None:
    [closed] = call_socket(mount_behind(failing), "/on")
    assert (closed["type"], closed["code"]) == ("websocket.close", 1011)
    assert len(caplog.records) == 1
