"""These tests check SPEC 5: the order of middleware, what it sees and may change, and what its failures become."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import pytest

from micropie import App, HTTPError, HttpMiddleware, Limits, Request, Resource, SessionBackend, WebSocket
from micropie.types import Message
from tests.support.asgi import FORM, JSON, MULTIPART, Response, acall, call, call_socket, form_data, http_scope
from tests.support.hooks import Hook, SocketHook
from tests.support.read_results import read_close


class Things(Resource):
    async def get(self) -> str:
        return "things"


class Api(App):
    things = Things()

    async def index(self) -> str:
        return "home"

    async def number(self, n: int) -> int:
        return n

    async def created(self) -> tuple[int, dict[str, int], list[tuple[str, str]]]:
        return 201, {"a": 1}, [("X-Own", "1")]

    async def refuse(self) -> None:
        raise HTTPError(418)

    async def boom(self) -> None:
        raise LookupError("secret")

    async def stream(self) -> AsyncIterator[str]:
        yield "a"
        yield "b"

    async def nothing(self) -> None: ...

    def who(self) -> str:
        return str(vars(self.request)["user"])


def behind(*hooks: Hook, **options: Any) -> App:
    app = Api(**options)
    app.middlewares += hooks
    return app


def errors(caplog: pytest.LogCaptureFixture) -> list[BaseException | None]:
    records = [record for record in caplog.records if record.levelno >= logging.ERROR]
    return [record.exc_info[1] if record.exc_info else None for record in records]


# --- order and reach ---


def chain(log: list[str], **results: Any) -> list[Hook]:
    """Return three hooks a, b, c; `results["b_before"]` is what b's before_request returns or raises."""
    hooks = [Hook(name, log) for name in "abc"]
    for key, result in results.items():
        name, _, when = key.partition("_")
        setattr(hooks["abc".index(name)], when, result)
    return hooks


IN = ["before a", "before b", "before c"]
OUT = ["after c", "after b", "after a"]


@pytest.mark.parametrize(
    ("results", "log", "status", "text"),
    [
        ({}, [*IN, *OUT], 200, "home"),
        ({"a_before": {"body": "a"}}, ["before a"], 200, "a"),
        ({"b_before": {"status_code": 401, "body": "b"}}, ["before a", "before b", "after a"], 401, "b"),
        ({"c_before": {"status_code": 204}}, [*IN, "after b", "after a"], 204, ""),
        ({"b_before": {}}, [*IN, *OUT], 200, "home"),
        ({"b_before": HTTPError(403, "no")}, ["before a", "before b", "after a"], 403, "403 Forbidden: no"),
        ({"b_before": ValueError()}, ["before a", "before b", "after a"], 500, "500 Internal Server Error"),
        ({"b_before": (401, "b")}, ["before a", "before b", "after a"], 500, "500 Internal Server Error"),
        ({"c_after": {"body": "changed"}}, [*IN, *OUT], 200, "changed"),
        ({"c_after": {}}, [*IN, *OUT], 200, "home"),
        ({"b_after": HTTPError(403, "no")}, [*IN, *OUT], 403, "403 Forbidden: no"),
        ({"b_after": ValueError()}, [*IN, *OUT], 500, "500 Internal Server Error"),
        ({"a_after": ValueError()}, [*IN, *OUT], 500, "500 Internal Server Error"),
        ({"b_after": "changed"}, [*IN, *OUT], 500, "500 Internal Server Error"),
        ({"b_after": ValueError(), "a_after": {"status_code": 502}}, [*IN, *OUT], 502, "500 Internal Server Error"),
    ],
)
def test_middleware_runs_in_order_on_the_way_in_and_in_reverse_on_the_way_out(
    results: dict[str, Any], log: list[str], status: int, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    ran: list[str] = []
    response = call(behind(*chain(ran, **results)), "GET", "/")
    assert (response.status, response.text) == (status, text)
    assert ran == log
    assert len(errors(caplog)) == ("500" in text)


@pytest.mark.parametrize("wrong", [(401, "x"), "text", 401, [("status_code", 401)]])
@pytest.mark.parametrize("when", ["a_before", "a_after"])
def test_hook_that_returns_something_else_is_a_500_that_says_what_is_allowed(
    wrong: object, when: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert call(behind(*chain([], **{when: wrong})), "GET", "/").status == 500
    assert "a middleware hook must return None or a mapping" in str(errors(caplog)[0])


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 200),
        ("GET", "/created", 201),
        ("GET", "/nothing", 204),
        ("GET", "/stream", 200),
        ("HEAD", "/", 200),
        ("GET", "/missing", 404),
        ("GET", "/_private", 404),
        ("GET", "/%FF", 400),
        ("GET", "/number/x", 400),
        ("GET", "/number", 400),
        ("PUT", "/things", 405),
        ("OPTIONS", "/things", 204),
        ("BREW", "/", 405),
        ("GET", "/refuse", 418),
        ("GET", "/boom", 500),
        ("GET", "/?" + "&".join(f"n{number}=1" for number in range(2000)), 200),
        ("GET", "/number?" + "&".join(f"n{number}=1" for number in range(2000)), 400),
    ],
)
def test_after_request_sees_every_response(method: str, path: str, status: int) -> None:
    hook = Hook(after={"headers": [("X-Seen", "1")]})
    response = call(behind(hook), method, path)
    assert hook.statuses == [response.status] == [status]
    assert response.header("x-seen") == "1"


@pytest.mark.parametrize(
    ("body", "headers", "status"), [(b"x" * 11, JSON, 413), (b"x" * 11, FORM, 413), ([b"x" * 6, b"x" * 6], FORM, 413)]
)
def test_after_request_sees_the_response_to_a_body_that_was_refused_before_any_hook_ran(
    body: Any, headers: Any, status: int
) -> None:
    hook = Hook()
    assert call(behind(hook, limits=Limits(body=10)), "POST", "/", body, headers).status == status
    assert (hook.log, hook.statuses) == (["after "], [status])


class Failing(SessionBackend):
    async def load(self, session_id: str) -> dict[str, Any]:
        raise ConnectionError("down")

    async def save(self, session_id: str, data: dict[str, Any], timeout: int) -> None:
        raise ConnectionError("down")


def test_before_request_is_skipped_when_the_session_cannot_be_loaded() -> None:
    hook = Hook()
    response = call(
        behind(hook, session_backend=Failing()), "GET", "/", headers=[(b"cookie", b"session_id=" + b"x" * 40)]
    )
    assert response.status == 500
    assert (hook.log, hook.statuses) == (["after "], [500])


def test_middleware_added_during_a_request_runs_from_the_next_request_on() -> None:
    class AddsAnother(Hook):
        async def before_request(self, request: Request) -> None:
            app.middlewares.append(other)

    other = Hook()
    app = behind(AddsAnother())
    call(app, "GET", "/")
    assert other.log == []
    call(app, "GET", "/")
    assert other.log == ["before ", "after "]


@pytest.mark.parametrize("status", ["401", None, 99, 600])
@pytest.mark.parametrize("when", ["a_before", "a_after"])
def test_invalid_status_from_a_hook_is_a_500(status: object, when: str, caplog: pytest.LogCaptureFixture) -> None:
    assert call(behind(*chain([], **{when: {"status_code": status}})), "GET", "/").status == 500
    assert f"returned the status_code {status!r}" in str(errors(caplog)[0])


# --- what it may change ---


@pytest.mark.parametrize(
    ("after", "status", "text", "headers"),
    [
        (None, 201, '{"a":1}', {"x-own": "1", "x-new": None}),
        ({"status_code": 202}, 202, '{"a":1}', {"x-own": "1", "x-new": None}),
        ({"body": "b"}, 201, "b", {"x-own": "1", "x-new": None}),
        ({"body": None}, 201, "", {"x-own": "1", "x-new": None}),
        ({"body": {"b": 2}}, 201, '{"b":2}', {"x-own": "1", "x-new": None}),
        ({"headers": [("X-New", "1")]}, 201, '{"a":1}', {"x-own": None, "x-new": "1"}),
        ({"headers": {"X-New": "1"}}, 201, '{"a":1}', {"x-own": None, "x-new": "1"}),
        ({"headers": []}, 201, '{"a":1}', {"x-own": None, "x-new": None}),
        ({"headers": None}, 201, '{"a":1}', {"x-own": None, "x-new": None}),
        ({"status_code": 204, "body": None, "headers": []}, 204, "", {"x-own": None, "x-new": None}),
    ],
)
def test_after_request_replaces_the_parts_that_its_result_names(
    after: Any, status: int, text: str, headers: dict[str, str | None]
) -> None:
    hook = Hook(after=after)
    response = call(behind(hook), "GET", "/created")
    assert (response.status, response.text) == (status, text)
    assert {name: response.header(name) for name in headers} == headers
    assert hook.seen == [(201, {"a": 1}, [("X-Own", "1")])]


@pytest.mark.parametrize(
    ("before", "status", "text", "content_type"),
    [
        ({"body": "b"}, 200, "b", "text/html; charset=utf-8"),
        ({"status_code": 403}, 403, "", "text/html; charset=utf-8"),
        ({"status_code": 403, "body": {"why": "no"}}, 403, '{"why":"no"}', "application/json"),
        ({"body": "b", "headers": [("Content-Type", "text/plain")]}, 200, "b", "text/plain"),
        ({"body": iter("ab")}, 200, "ab", "text/html; charset=utf-8"),
    ],
)
def test_result_of_before_request_is_the_response(before: Any, status: int, text: str, content_type: str) -> None:
    response = call(behind(Hook(before=before)), "GET", "/boom")
    assert (response.status, response.text, response.header("content-type")) == (status, text, content_type)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(
    ("result", "named"),
    [
        ({"status": 403}, "the key 'status', which means nothing: use 'status_code'"),
        ({"status": 403, "status_code": 403}, "use 'status_code'"),
        ({"body": "x", "content": "y"}, "the key 'content', which means nothing: use 'body' or 'headers' or"),
        ({"code": 1008}, "the key 'code'"),
        ({1: 2}, "the key 1,"),
    ],
)
def test_key_that_means_nothing_is_a_500_that_names_the_right_one(
    result: Any, named: str, when: str, caplog: pytest.LogCaptureFixture
) -> None:
    app = Api()
    app.middlewares.append(Hook(**{when: result}))
    answer = call(app, "GET", "/hi")
    assert (answer.status, answer.text) == (500, "500 Internal Server Error")
    [error] = errors(caplog)
    assert (type(error), named in str(error)) == (TypeError, True)


@pytest.mark.parametrize("result", [{"status": 403}, {"status_code": 403}, {"code": 4000, "text": "x"}])
def test_key_that_means_nothing_closes_a_websocket_with_1011(result: Any, caplog: pytest.LogCaptureFixture) -> None:
    class Echo(App):
        async def ws_index(self, ws: WebSocket) -> None:
            await ws.accept()

    app = Echo()
    app.ws_middlewares.append(SocketHook(before=result))
    assert read_close(call_socket(app, "/")) == (1011, "Internal Server Error")
    [error] = errors(caplog)
    assert "use 'code' or 'reason'" in str(error)


def test_header_added_to_the_list_in_place_is_sent() -> None:
    class InPlace(Hook):
        async def after_request(
            self, request: Request, status_code: int, response_body: Any, extra_headers: list[tuple[str, str]]
        ) -> Mapping[str, Any] | None:
            extra_headers.append(("X-Added", str(len(extra_headers))))
            return await super().after_request(request, status_code, response_body, extra_headers)

    app = behind(InPlace(), InPlace())
    for _ in range(2):
        assert call(app, "GET", "/created").header("x-added") == "1, 2"


def test_unsendable_header_from_a_hook_is_a_500(caplog: pytest.LogCaptureFixture) -> None:
    response = call(behind(Hook(after={"headers": [("X-A", "a\r\nb")]})), "GET", "/")
    assert (response.status, response.text) == (500, "500 Internal Server Error")
    assert response.header("x-a") is None
    assert {str(error) for error in errors(caplog)} == {
        "Header 'X-A' has a control character or text outside latin-1 in its value"
    }


@pytest.mark.parametrize("path", ["/unsendable", "/session"])
def test_after_request_sees_the_replacement_of_an_unsendable_response(path: str) -> None:
    class Impossible(Api):
        async def unsendable(self) -> object:
            return object()

        async def session(self) -> None:
            self.request.session["x"] = 1

    log: list[str] = []
    outer, inner = Hook("outer", log), Hook("inner", log, after={"headers": [("X-Seen", "1")]})
    app, below = App(Failing()), Impossible()
    app.below = below  # type: ignore[attr-defined]
    app.middlewares.append(outer)
    below.middlewares.append(inner)
    response = call(app, "GET", f"/below{path}")
    assert (response.status, response.header("x-seen")) == (500, "1")
    assert inner.statuses[-1] == outer.statuses[-1] == 500
    assert log[-2:] == ["after inner", "after outer"]


# --- what it may look at ---


class Looking(Hook):
    """A hook that records the request before the handler runs."""

    async def before_request(self, request: Request) -> None:
        self.looked = [
            request.method,
            request.query_params,
            request.body_params,
            request.get_json,
            dict(request.session_params),
            dict(request.headers),
        ]
        vars(request)["user"] = "ann"


@pytest.mark.parametrize("nested", [False, True], ids=["own", "nested"])
@pytest.mark.parametrize(
    ("body", "headers", "body_params", "json"),
    [
        (b"a=1", FORM, {"a": ["1"]}, None),
        (b'{"a": [1]}', JSON, {"a": ["[1]"]}, {"a": [1]}),
        (b"", JSON, {}, None),
        (form_data({"a": "1"}), MULTIPART, {}, None),  # multipart is read only when the handler needs it
    ],
)
def test_before_request_reads_the_body_and_the_session_without_awaiting(
    body: bytes, headers: Any, body_params: object, json: object, nested: bool
) -> None:
    async def main() -> None:
        hook = Looking()
        inner = behind(hook)
        app: App = inner
        if nested:
            app = App()
            setattr(app, "inner", inner)  # noqa: B010  # a type checker knows of no such attribute
        await app.session_backend.save("x" * 43, {"user": "ann"}, 60)
        cookie = (b"cookie", b"session_id=" + b"x" * 43)
        path = "/inner/who?q=1" if nested else "/who?q=1"
        response = await acall(app, "POST", path, body, [*headers, cookie])
        assert (response.status, response.text) == (200, "ann")  # the handler reads what middleware set
        assert hook.looked[:5] == ["POST", {"q": ["1"]}, body_params, json, {"user": "ann"}]

    asyncio.run(main())


def test_app_request_is_the_current_request_in_every_hook() -> None:
    class Current(Hook):
        async def before_request(self, request: Request) -> None:
            self.log.append(str(app.request is request))

        async def after_request(
            self, request: Request, status_code: int, response_body: Any, extra_headers: list[tuple[str, str]]
        ) -> None:
            self.log.append(str(app.request is request))

    hook = Current()
    app = behind(hook)
    call(app, "GET", "/")
    assert hook.log == ["True", "True"]


def test_concurrent_requests_share_middleware_but_no_state() -> None:
    class Timing(Hook):
        async def before_request(self, request: Request) -> None:
            vars(request)["user"] = request.query("user")
            await asyncio.sleep(0)

    app = behind(Timing())

    async def main() -> Sequence[Response]:
        return await asyncio.gather(*(acall(app, "GET", f"/who?user={number}") for number in range(20)))

    assert [response.text for response in asyncio.run(main())] == [str(number) for number in range(20)]


# --- error handlers and clients that leave ---


def test_error_handler_responds_to_an_exception_of_a_hook() -> None:
    app = behind(Hook(before=LookupError("secret")))
    app.error_handlers[LookupError] = lambda request, error: (503, "later")
    assert call(app, "GET", "/").text == "later"
    app = behind(Hook(after=LookupError("secret")))
    app.error_handlers[LookupError] = lambda request, error: (503, "later")
    assert call(app, "GET", "/").text == "later"


def test_after_request_sees_the_response_of_an_error_handler() -> None:
    hook = Hook()
    app = behind(hook)
    app.error_handlers[LookupError] = lambda request, error: (503, {"why": "later"})
    assert call(app, "GET", "/boom").status == 503
    assert hook.seen == [(503, {"why": "later"}, [])]


@pytest.mark.parametrize("headers", [JSON, MULTIPART])
def test_neither_hook_nor_error_handler_runs_for_a_client_that_disconnected(headers: Any) -> None:
    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(_: Message) -> None:
        raise AssertionError("no client is left to respond to")

    async def main() -> None:
        await app(http_scope("POST", "/number", [*headers, (b"content-length", b"9")]), receive, send)

    hook = Hook()
    app = behind(hook)
    app.error_handlers[Exception] = lambda request, error: "never"
    asyncio.run(main())
    assert hook.seen == []


class Naming(HttpMiddleware):
    """A middleware that keeps things on the request under names that other frameworks and databases use."""

    NAMES = ("session_", "current_session", "passed_middleware", "cookie_header", "root_app", "clean_up", "db", "user")

    async def before_request(self, request: Request) -> None:
        for name in self.NAMES:
            setattr(request, name, [name])

    async def after_request(
        self, request: Request, status_code: int, response_body: Any, extra_headers: list[tuple[str, str]]
    ) -> None:
        assert [getattr(request, name) for name in self.NAMES] == [[name] for name in self.NAMES]


def test_middleware_may_set_attributes_of_any_name_without_the_prefix_of_the_framework() -> None:
    class Shop(App):
        async def index(self) -> str:
            self.request.session["a"] = 1
            return self.url(Shop.index)

    app = Shop()
    app.middlewares.append(Naming())
    response = call(app, "GET", "/", headers=((b"cookie", b"session_id=abcdefghijklmnopqrstuvwxyz"),))
    assert (response.status, response.text) == (200, "/")
