"""The two test clients keep cookies, check results and close what was left open."""

import asyncio
import gc
import importlib
import sys
from contextlib import aclosing, closing
from contextvars import ContextVar

import pytest

from micropie.errors import MissingDependency
from micropie.testing import (
    AsyncTestClient,
    TestClient,
)
from micropie.types import Receive, Scope, Send

from .apps import Echo, Endless, Recorder, body, echo, run, start

COOKIES: list[tuple[str, list[bytes], str | None]] = [
    ("http://localhost", [b"a=1"], "a=1"),
    ("http://localhost", [b"a=1; Path=/; HttpOnly; SameSite=Lax"], "a=1"),
    ("http://localhost", [b"a=1; Max-Age=3600", b"b=2"], "a=1; b=2"),
    ("http://localhost", [b"a=1; Max-Age=0"], None),
    ("http://localhost", [b"a=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT"], None),
    ("http://localhost", [b"a=1; Path=/elsewhere"], None),
    ("http://localhost", [b"a=1; Domain=example.org"], None),
    ("http://localhost", [b"a=1; Secure"], None),
    ("http://127.0.0.1:8000", [b"a=1; Secure"], None),
    ("https://localhost", [b"a=1; Secure"], "a=1"),
    ("https://example.org", [b"a=1; Secure"], "a=1"),
]


@pytest.mark.parametrize(("base_url", "set_cookie", "expected"), COOKIES)
def test_cookies_are_sent_back_as_by_a_browser(base_url: str, set_cookie: list[bytes], expected: str | None) -> None:
    def sent(app: Recorder) -> list[str]:
        app.headers.clear()
        return [dict(scope["headers"]).get(b"cookie", b"").decode() for scope in app.scopes]

    app = Recorder(*((b"set-cookie", cookie) for cookie in set_cookie))
    with closing(TestClient(app, base_url)) as client:
        client.get("/")
        client.get("/")
        with client.websocket_connect("/"):
            pass
    assert sent(app) == ["", expected or "", expected or ""]

    app = Recorder(*((b"set-cookie", cookie) for cookie in set_cookie))
    with closing(TestClient(app, base_url)) as client:
        with client.websocket_connect("/"):
            pass
        client.get("/")
    assert sent(app) == ["", expected or ""]


def test_deleted_cookie_is_gone() -> None:
    app = Recorder((b"set-cookie", b"a=; Max-Age=0"))
    with closing(TestClient(app)) as client:
        client.cookies.set("a", "1", domain="localhost.local")
        client.get("/")
        client.get("/")
    assert [dict(scope["headers"]).get(b"cookie") for scope in app.scopes] == [b"a=1", None]


def test_closed_client_opens_nothing() -> None:
    client = TestClient(Echo())
    client.close()
    client.close()
    with pytest.raises(RuntimeError, match="closed"), client.websocket_connect("/"):
        pass
    with pytest.raises(RuntimeError, match="closed"):
        client.call(asyncio.sleep, 0)


class Checked:
    """An app that has `check_returns`, as micropie's App has it."""

    def __init__(self) -> None:
        self.check_returns = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        await body(send, b"checked" if self.check_returns else b"")


def test_results_are_checked_while_a_client_is_in_use() -> None:
    app = Checked()
    with TestClient(app) as client:
        assert client.get("/").text == "checked"
        with TestClient(app) as inner:
            assert inner.get("/").text == "checked"
        assert client.get("/").text == "checked"
    assert not app.check_returns
    with TestClient(app, check_returns=False) as client:
        assert client.get("/").text == ""
    client = TestClient(app)
    assert not app.check_returns
    assert client.get("/").text == "checked"
    del client
    gc.collect()
    assert not app.check_returns

    async def again() -> None:
        async with AsyncTestClient(app) as client:
            assert (await client.get("/")).text == "checked"
        assert not app.check_returns

    run(again)


variable: ContextVar[str] = ContextVar("variable", default="unset")


def test_context_variables_of_the_test_are_seen_by_the_app() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        await body(send, variable.get().encode())

    async def test() -> None:
        async with aclosing(AsyncTestClient(app)) as client:
            variable.set("async")
            assert (await client.get("/")).text == "async"

    run(test)
    token = variable.set("plain")
    with closing(TestClient(app)) as client:
        assert client.get("/").text == "plain"
    variable.reset(token)


def test_closing_a_client_ends_what_was_left_open() -> None:
    app = Endless()
    echo_app = Echo()

    async def both(scope: Scope, receive: Receive, send: Send) -> None:
        await (app if scope["type"] == "http" else echo_app)(scope, receive, send)

    client = TestClient(both)
    response = client.send(client.build_request("GET", "/"), stream=True)
    with client.websocket_connect("/"):
        client.close()
        assert app.end is OSError
        assert echo_app.received[-1]["type"] == "websocket.disconnect"
    response.close()


def test_two_requests_may_run_at_once() -> None:
    async def test() -> None:
        async with aclosing(AsyncTestClient(echo)) as client:
            texts = [f"{number}" for number in range(20)]
            responses = await asyncio.gather(*(client.post("/", content=text) for text in texts))
            assert [response.text for response in responses] == texts

    run(test)


def test_without_httpx2_the_error_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "httpx2", None)
    monkeypatch.delitem(sys.modules, "micropie.testing")
    with pytest.raises(MissingDependency) as raised:
        importlib.import_module("micropie.testing")
    assert str(raised.value) == (
        "micropie.testing needs httpx2, which is not installed. Install it with: pip install 'micropie[client]'"
    )
