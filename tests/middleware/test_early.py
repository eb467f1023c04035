"""Early middleware runs before the body and the session are loaded (SPEC 5)."""

import asyncio
from typing import Any

import pytest

from micropie import App, HTTPError, Request, SessionBackend, WebSocket
from tests.support.asgi import FORM, JSON, acall, call, call_socket
from tests.support.hooks import Hook, SocketHook
from tests.support.read_results import read_close

COOKIE = (b"cookie", b"session_id=" + b"x" * 43)


class Early(Hook):
    early = True


class EarlySocket(SocketHook):
    early = True


class Recording(SessionBackend):
    """A store that writes its calls into a log, which hooks share."""

    def __init__(self, log: list[str], *, fails: bool = False) -> None:
        self.log = log
        self.fails = fails

    async def load(self, session_id: str) -> dict[str, Any]:
        self.log.append("load")
        if self.fails:
            raise ConnectionError
        return {"user": "ann"}

    async def save(self, session_id: str, data: dict[str, Any], timeout: int) -> None:
        self.log.append("save")


class Api(App):
    async def index(self) -> str:
        return str(self.request.session.get("user"))

    async def post(self, name: str = "") -> str:
        return name

    async def ws_index(self, ws: WebSocket) -> None:
        await ws.accept()
        await ws.send(str(self.request.session.get("user")))


def make_app(log: list[str], *hooks: Any, **options: Any) -> Api:
    app = Api(Recording(log, **options))
    app.middlewares += [hook for hook in hooks if isinstance(hook, Hook)]
    app.ws_middlewares += [hook for hook in hooks if isinstance(hook, SocketHook)]
    return app


def test_early_middleware_runs_before_the_session_is_loaded_and_before_the_rest() -> None:
    log: list[str] = []
    app = make_app(log, Hook("a", log), Early("b", log), Hook("c", log), Early("d", log))
    assert call(app, "GET", "/", headers=[COOKIE]).text == "ann"
    assert log == ["before b", "before d", "load", "before a", "before c", "after c", "after a", "after d", "after b"]


def test_early_middleware_of_websockets_runs_before_the_session_is_loaded_and_before_the_rest() -> None:
    log: list[str] = []
    hooks = [SocketHook("a", log), EarlySocket("b", log), SocketHook("c", log), EarlySocket("d", log)]
    sent = call_socket(make_app(log, *hooks), "/", headers=[COOKIE])
    assert sent[1]["text"] == "ann"
    assert log == ["before b", "before d", "load", "before a", "before c", "after c", "after a", "after d", "after b"]


def test_early_middleware_of_a_nested_app_runs_before_its_others() -> None:
    log: list[str] = []
    outer, inner = make_app(log, Early("a", log)), make_app(log, Hook("b", log), Early("c", log))
    outer.inner = inner  # type: ignore[attr-defined]
    assert call(outer, "GET", "/inner", headers=[COOKIE]).text == "ann"
    assert log == ["before a", "before c", "load", "before b", "after b", "after c", "after a"]


@pytest.mark.parametrize("before", [{"status_code": 429, "body": "slow"}, HTTPError(429, "slow")])
@pytest.mark.parametrize("headers", [JSON, FORM])
def test_request_that_early_middleware_stops_loads_nothing(before: Any, headers: Any) -> None:
    log: list[str] = []
    late = Hook("late", log)
    app = make_app(log, late, Early("a", log), Early("b", log, before=before))
    answer = call(app, "POST", "/post", b"{malformed" * 2_000_000, [COOKIE, *headers])
    assert (answer.status, log) == (429, ["before a", "before b", "after a"])


def test_websocket_that_early_middleware_refuses_loads_nothing() -> None:
    log: list[str] = []
    app = make_app(log, SocketHook("late", log), EarlySocket("a", log, before={"code": 4001}))
    assert read_close(call_socket(app, "/", headers=[COOKIE])) == (4001, "")
    assert log == ["before a"]


@pytest.mark.parametrize(("body", "status"), [(b"x" * 20_000_000, 413), (b"{", 400)])
def test_early_middleware_sees_the_response_to_a_body_that_was_refused(body: bytes, status: int) -> None:
    early = Early()
    assert call(make_app([], early), "POST", "/post", body, JSON).status == status
    assert early.statuses == [status]


def test_early_middleware_sees_the_response_where_the_session_cannot_be_loaded() -> None:
    log: list[str] = []
    early = Early("a", log)
    assert call(make_app(log, early, Hook("b", log), fails=True), "GET", "/", headers=[COOKIE]).status == 500
    assert log == ["before a", "load", "after b", "after a"]


class Looking(Early):
    """Early middleware that looks at attributes of the request."""

    def __init__(self, *names: str, load: bool = False, **results: Any) -> None:
        super().__init__(**results)
        self.names = names
        self.load = load
        self.texts: list[str] = []

    async def before_request(self, request: Request) -> Any:
        self._look(request)
        if self.load:
            self.texts.append(str(await request.load_session()))
        return await super().before_request(request)

    async def after_request(self, request: Request, status_code: int, response_body: Any, extra_headers: Any) -> Any:
        self._look(request)
        return await super().after_request(request, status_code, response_body, extra_headers)

    def _look(self, request: Request) -> None:
        for name in self.names:
            try:
                self.texts.append(str(getattr(request, name)))
            except RuntimeError as error:
                self.texts.append(str(error))


@pytest.mark.parametrize("headers", [(), (COOKIE,)])
def test_session_is_not_there_in_early_middleware_and_is_there_after(headers: Any) -> None:
    early = Looking("session")
    call(make_app([], early), "GET", "/", headers=headers)
    assert early.texts == [
        "The session is not loaded here. Write `await request.load_session()` first",
        "{'user': 'ann'}" if headers else "{}",
    ]


def test_body_is_not_there_in_early_middleware_and_is_there_after() -> None:
    early = Looking("get_json", "body_params")
    call(make_app([], early), "POST", "/post", b'{"name":"ann"}', JSON)
    assert ["is not there yet" in text for text in early.texts] == [True, True, False, False]
    assert early.texts[2:] == ["{'name': 'ann'}", "{'name': ['ann']}"]


def test_session_and_body_of_a_stopped_request_stay_out_of_reach() -> None:
    early = Looking("session", "get_json")
    app = make_app([], early, Early(before={"body": "x"}))
    assert call(app, "POST", "/post", b'{"name":"ann"}', [COOKIE, *JSON]).text == "x"
    assert ["not loaded here" in text or "not there yet" in text for text in early.texts] == [True] * 4


def test_session_that_early_middleware_loads_is_the_one_of_the_request() -> None:
    log: list[str] = []
    early = Looking("session", load=True)
    app = make_app(log, early, Hook("a", log))
    assert call(app, "GET", "/", headers=[COOKIE]).text == "ann"
    assert early.texts[1:] == ["{'user': 'ann'}"] * 2
    assert log.count("load") == 1


def test_session_that_early_middleware_cannot_load_is_not_replaced() -> None:
    async def main() -> None:
        log: list[str] = []
        app = make_app(log, Looking(load=True), fails=True)
        answer = await acall(app, "GET", "/", headers=[COOKIE])
        assert (answer.status, answer.header("set-cookie"), log) == (500, None, ["load"])

    asyncio.run(main())
