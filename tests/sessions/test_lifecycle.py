"""These tests check SPEC 7 through an App: the cookie, when a store is asked and written, and what caches may keep."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any

import pytest
from msgspec import Struct

from micropie import App, HTTPError, InMemorySessionBackend, Request, Session, SessionBackend, SessionConfig
from tests.support.asgi import JSON, Response, acall
from tests.support.hooks import Hook

ID = "x" * 43


class Cart(Struct):
    items: list[str] = []
    total: int = 0


class Shop(App):
    async def index(self) -> str:
        return "home"

    async def look(self) -> dict[str, Any]:
        return dict(self.request.session)

    async def visit(self) -> str:
        session = self.request.session
        session["visits"] = session.get("visits", 0) + 1
        return f"You have visited {session['visits']} times."

    async def nested(self) -> None:
        self.request.session["cart"]["items"].append("pie")

    async def replace(self) -> None:
        self.request.session = {"user": "ann"}

    async def empty(self) -> None:
        self.request.session.clear()

    async def login(self, user: str) -> str:
        self.request.regenerate_session()
        self.request.session["user"] = user
        return user

    def sync(self) -> None:
        self.request.session["thread"] = True

    async def boom(self) -> None:
        self.request.session["half"] = True
        raise ValueError("secret")

    async def refuse(self) -> None:
        self.request.session["failures"] = self.request.session.get("failures", 0) + 1
        raise HTTPError(401)

    async def unsendable(self) -> tuple[int, str, list[tuple[str, str]]]:
        self.request.regenerate_session()
        self.request.session["user"] = "ann"
        return 200, "x", [("X-A", "\n")]

    async def user(self, user: Annotated[str, Session()]) -> str:
        return user

    async def cart(self, cart: Annotated[Cart, Session()]) -> int:
        return cart.total

    async def stream(self) -> AsyncIterator[str]:
        yield "a"
        self.request.session["late"] = True
        yield "b"

    def stream_sync(self) -> Iterator[str]:
        yield "a"
        self.request.session["late"] = True
        yield "b"

    async def stream_early(self) -> AsyncIterator[str]:
        session = self.request.session

        async def chunks() -> AsyncIterator[str]:
            session["late"] = True
            yield "a"

        session["early"] = True
        return chunks()


class Counting(InMemorySessionBackend):
    """A store that records every call."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[str] = []

    async def load(self, session_id: str) -> dict[str, Any]:
        self.calls.append("load")
        return await super().load(session_id)

    async def save(self, session_id: str, data: dict[str, Any], timeout: int) -> None:
        self.calls.append("save")
        await super().save(session_id, data, timeout)


class Browser:
    """A client that keeps the session cookie."""

    def __init__(self, app: App, cookie: str | None = None) -> None:
        self.app = app
        self.cookie = cookie

    async def get(self, path: str, *headers: tuple[bytes, bytes], method: str = "GET", **scope: Any) -> Response:
        cookie = [(b"cookie", f"session_id={self.cookie}".encode())] if self.cookie is not None else []
        response = await acall(self.app, method, path, headers=[*cookie, *headers], **scope)
        self.cookie = _read_cookie(response, self.cookie)
        return response


def _read_cookie(response: Response, before: str | None) -> str | None:
    header = response.header("set-cookie")
    if header is None:
        return before
    value, _, attributes = header.removeprefix("session_id=").partition(";")
    return None if "Max-Age=0" in attributes else value


# --- the cookie ---

PLAIN = "Path=/; HttpOnly; SameSite=Lax"


@pytest.mark.parametrize(
    ("scheme", "host", "secure"),
    [
        ("http", b"localhost", False),
        ("http", b"localhost:8000", False),
        ("http", b"127.0.0.1:8000", False),
        ("http", b"[::1]", False),
        ("http", b"shop.localhost", False),
        ("http", b"shop.example", True),
        ("http", b"localhost.example", True),
        ("http", b"127.0.0.1.example", True),
        ("https", b"localhost", True),
        ("https", b"shop.example", True),
        ("http", b"", True),
    ],
)
def test_cookie_is_http_only_lax_and_secure_except_on_plain_http_to_a_loopback_host(
    scheme: str, host: bytes, secure: bool
) -> None:
    response = asyncio.run(Browser(Shop()).get("/visit", (b"host", host), scheme=scheme))
    cookie = str(response.header("set-cookie"))
    value, _, attributes = cookie.partition("; ")
    assert attributes == PLAIN + ("; Secure" if secure else "")
    assert len(value.removeprefix("session_id=")) == 43  # 256 random bits


@pytest.mark.parametrize(
    ("config", "cookie"),
    [
        (SessionConfig(cookie="sid"), "sid=*; Path=/; HttpOnly; SameSite=Lax; Secure"),
        (SessionConfig(path="/shop"), "session_id=*; Path=/shop; HttpOnly; SameSite=Lax; Secure"),
        (SessionConfig(domain="x.example"), "session_id=*; Path=/; Domain=x.example; HttpOnly; SameSite=Lax; Secure"),
        (SessionConfig(same_site="Strict", secure=False), "session_id=*; Path=/; HttpOnly; SameSite=Strict"),
        (SessionConfig(same_site="None", secure=False), "session_id=*; Path=/; HttpOnly; SameSite=None; Secure"),
    ],
)
def test_cookie_attributes_follow_the_configuration_of_the_app(config: SessionConfig, cookie: str) -> None:
    response = asyncio.run(Browser(Shop(sessions=config)).get("/visit"))
    name, _, rest = str(response.header("set-cookie")).partition("=")
    assert f"{name}=*;{rest.partition(';')[2]}" == cookie


def test_session_lasts_for_the_timeout_of_the_app() -> None:
    now = [0.0]
    app = Shop(InMemorySessionBackend(clock=lambda: now[0]), sessions=SessionConfig(timeout=10))
    browser = Browser(app)

    async def main() -> list[str]:
        texts = []
        for now[0] in (0, 9, 18, 29):
            texts.append((await browser.get("/visit")).text[-8:])
        return texts

    assert asyncio.run(main()) == ["1 times.", "2 times.", "3 times.", "1 times."]


# --- when the store is asked ---


@pytest.mark.parametrize(
    ("path", "stored", "calls", "headers"),
    [
        ("/", None, [], []),
        ("/look", None, [], ["vary"]),
        ("/visit", None, ["save"], ["vary", "set-cookie", "cache-control"]),
        ("/nothing", None, [], []),
        ("/empty", None, [], ["vary"]),
        ("/", {"a": 1}, ["load"], []),
        ("/look", {"a": 1}, ["load"], ["vary", "cache-control"]),
        ("/visit", {"a": 1}, ["load", "load", "save"], ["vary", "cache-control"]),  # the merge loads what is stored now
        ("/nested", {"cart": {"items": []}}, ["load", "load", "save"], ["vary", "cache-control"]),
        ("/replace", {"a": 1}, ["load", "load", "save"], ["vary", "cache-control"]),
        ("/replace", {"user": "ann"}, ["load"], ["vary", "cache-control"]),
        ("/empty", {"a": 1}, ["load", "save"], ["vary", "set-cookie", "cache-control"]),
        ("/login/ann", {"a": 1}, ["load", "load", "save", "save"], ["vary", "set-cookie", "cache-control"]),
        ("/sync", {"a": 1}, ["load", "load", "save"], ["vary", "cache-control"]),
        ("/boom", {"a": 1}, ["load", "load", "save"], ["vary", "cache-control"]),
    ],
)
def test_nothing_is_loaded_without_a_cookie_and_nothing_saved_without_a_change(
    path: str, stored: dict[str, Any] | None, calls: list[str], headers: list[str]
) -> None:
    backend = Counting()

    async def main() -> Response:
        if stored is not None:
            await backend.save(ID, stored, 60)
            backend.calls.clear()
        return await Browser(Shop(backend), ID if stored is not None else None).get(path)

    response = asyncio.run(main())
    assert backend.calls == calls
    present = [name for name in ("vary", "set-cookie", "cache-control") if response.header(name) is not None]
    assert present == headers
    assert response.header("vary") in (None, "Cookie")
    assert response.header("cache-control") in (None, "private, no-store")


@pytest.mark.parametrize(
    ("cookies", "loads"),
    [
        ([b"session_id=" + ID.encode()], True),
        ([b"a=1; session_id=" + ID.encode() + b"; b=2"], True),
        ([b"a=1", b"session_id=" + ID.encode()], True),  # as HTTP/2 splits cookies
        ([b"session_id=" + ID.encode() + b"; session_id=" + b"y" * 43], False),
        ([b"session_id=" + b"y" * 43 + b"; session_id=" + ID.encode()], False),
        ([b"session_id=" + ID.encode(), b"session_id=" + ID.encode()], True),
        ([b"session_id=" + ID.encode() + b'; session_id="' + ID.encode() + b'"'], True),
        ([b"theme=\xe9; session_id=" + ID.encode()], True),
        ([b"session_id=" + ID.encode() + b"; theme=a\0b"], True),
        ([b"\xff\xfe=1; session_id=" + ID.encode() + b"; session_id=" + ID.encode() + b"; \xed\xa0\x80"], True),
        ([b"theme=\xe9; session_id=" + ID.encode() + b"; session_id=" + b"y" * 43], False),
        ([b"session_id=" + ID.encode() + b"\xc2\xa0"], False),
        ([b"=" + ID.encode()], False),
        ([ID.encode()], False),
        ([b"session_id="], False),
        ([b"session_id=short"], False),
        ([b"session_id=" + b"x" * 200], False),
        ([b"session_id=../" + b"x" * 40], False),
        ([b"session_id=" + b"\xff" * 40], False),
        ([b"session_id=" + b"\0" * 40], False),
        ([b"Session_ID=" + ID.encode()], False),
    ],
)
def test_malformed_or_ambiguous_cookie_is_ignored(cookies: list[bytes], loads: bool) -> None:
    backend = Counting()

    async def main() -> Response:
        await backend.save(ID, {"user": "ann"}, 60)
        backend.calls.clear()
        return await acall(Shop(backend), "GET", "/look", headers=[(b"cookie", value) for value in cookies])

    response = asyncio.run(main())
    assert response.json == ({"user": "ann"} if loads else {})
    assert backend.calls == (["load"] if loads else [])


TWO_IDENTIFIERS = [(b"cookie", b"session_id=" + ID.encode() + b"; session_id=" + b"y" * 43)]


@pytest.mark.parametrize("hooks", [(), (Hook(),)], ids=["bare", "middleware"])
@pytest.mark.parametrize("path", ["/visit", "/replace", "/sync", "/stream_early", "/boom"])
def test_client_with_two_identifiers_loses_neither_and_gets_no_third(
    path: str, hooks: tuple[Hook, ...], caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        app = Shop()
        app.middlewares += hooks
        await app.session_backend.save(ID, {"user": "ann"}, 60)
        await app.session_backend.save("y" * 43, {"user": "eve"}, 60)
        response = await acall(app, "GET", path, headers=TWO_IDENTIFIERS)
        assert response.header("set-cookie") is None
        assert await app.session_backend.load(ID) == {"user": "ann"}
        assert await app.session_backend.load("y" * 43) == {"user": "eve"}

    asyncio.run(main())
    assert "two session cookies" in caplog.records[0].getMessage()


def test_login_of_a_client_with_two_identifiers_begins_a_session() -> None:
    async def main() -> None:
        app = Shop()
        await app.session_backend.save(ID, {"cart": 1}, 60)
        response = await acall(app, "GET", "/login/ann", headers=TWO_IDENTIFIERS)
        assert await app.session_backend.load(str(_read_cookie(response, None))) == {"user": "ann"}
        assert await app.session_backend.load(ID) == {"cart": 1}

    asyncio.run(main())


# --- fixation, rotation, ending ---


def test_unknown_identifier_is_never_adopted() -> None:
    async def main() -> None:
        browser = Browser(Shop(), ID)
        assert (await browser.get("/visit")).header("set-cookie") is not None
        assert browser.cookie not in (None, ID)
        assert await browser.app.session_backend.load(ID) == {}

    asyncio.run(main())


def test_login_gives_a_new_identifier_and_ends_the_old_one() -> None:
    async def main() -> None:
        browser = Browser(Shop())
        await browser.get("/visit")
        planted = browser.cookie
        await browser.get("/login/ann")
        assert browser.cookie != planted
        assert (await browser.get("/look")).json == {"visits": 1, "user": "ann"}
        assert (await Browser(browser.app, planted).get("/look")).json == {}

    asyncio.run(main())


def test_emptied_session_ends_and_its_cookie_is_removed() -> None:
    async def main() -> None:
        browser = Browser(Shop())
        await browser.get("/visit")
        ended = browser.cookie
        response = await browser.get("/empty")
        assert str(response.header("set-cookie")).startswith("session_id=; Path=/; Max-Age=0; ")
        assert browser.cookie is None
        assert (await Browser(browser.app, ended).get("/look")).json == {}

    asyncio.run(main())


@pytest.mark.parametrize("path", ["/boom", "/refuse", "/unsendable"])
def test_changes_of_a_failing_handler_are_saved_and_its_client_gets_the_cookie(path: str) -> None:
    async def main() -> None:
        browser = Browser(Shop())
        response = await browser.get(path)
        assert response.status in (401, 500)
        assert (await browser.get("/look")).json != {}
        await browser.get("/visit")
        await browser.get(path)
        assert "visits" in (await browser.get("/look")).json

    asyncio.run(main())


# --- side by side (RELIABILITY 14, 15) ---


class Minimal(SessionBackend):
    """The least that a user's store must do. It waits, so that requests overlap."""

    def __init__(self) -> None:
        self.kept: dict[str, dict[str, Any]] = {}

    async def load(self, session_id: str) -> dict[str, Any]:
        await asyncio.sleep(0)
        return dict(self.kept.get(session_id, {}))

    async def save(self, session_id: str, data: dict[str, Any], timeout: int) -> None:
        await asyncio.sleep(0)
        if data:
            self.kept[session_id] = dict(data)
        else:
            self.kept.pop(session_id, None)


class Writing(App):
    async def write(self, key: str) -> None:
        self.request.session[key] = True
        await asyncio.sleep(0)

    async def logout(self) -> None:
        self.request.session.clear()

    async def slow(self) -> None:
        self.request.session["slow"] = True
        await self.waiting.wait()

    def __init__(self, backend: SessionBackend) -> None:
        super().__init__(backend)
        self.waiting = asyncio.Event()


@pytest.mark.parametrize("backend", [InMemorySessionBackend, Minimal])
def test_fifty_concurrent_requests_keep_fifty_keys(backend: type[SessionBackend]) -> None:
    async def main() -> None:
        app = Writing(backend())
        browser = Browser(app)
        await browser.get("/write/first")
        await asyncio.gather(*(Browser(app, browser.cookie).get(f"/write/k{number}") for number in range(50)))
        assert len(await app.session_backend.load(str(browser.cookie))) == 51

    asyncio.run(main())


@pytest.mark.parametrize("backend", [InMemorySessionBackend, Minimal])
def test_logout_holds_beside_a_slow_request(backend: type[SessionBackend]) -> None:
    async def main() -> None:
        app = Writing(backend())
        browser = Browser(app)
        await browser.get("/write/user")
        old = str(browser.cookie)
        slow = asyncio.create_task(Browser(app, old).get("/slow"))
        await asyncio.sleep(0)
        await browser.get("/logout")
        app.waiting.set()
        assert (await slow).status == 204
        assert await app.session_backend.load(old) == {}

    asyncio.run(main())


# --- streams ---


@pytest.mark.parametrize("path", ["/stream", "/stream_sync"])
def test_change_in_a_stream_is_saved_at_its_end(path: str) -> None:
    async def main() -> None:
        browser = Browser(Shop())
        await browser.get("/visit")
        assert (await browser.get(path)).text == "ab"
        assert (await browser.get("/look")).json == {"visits": 1, "late": True}

    asyncio.run(main())


@pytest.mark.parametrize("path", ["/stream", "/stream_sync"])
def test_session_that_begins_in_a_stream_is_lost_with_a_warning(path: str, caplog: pytest.LogCaptureFixture) -> None:
    response = asyncio.run(Browser(Shop()).get(path))
    assert (response.text, response.header("set-cookie")) == ("ab", None)
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert "its cookie can no longer be set" in record.getMessage()


def test_session_that_began_before_the_stream_is_saved_whole() -> None:
    async def main() -> None:
        browser = Browser(Shop())
        assert (await browser.get("/stream_early")).text == "a"
        assert (await browser.get("/look")).json == {"early": True, "late": True}

    asyncio.run(main())


# --- what comes from a session ---


@pytest.mark.parametrize(
    ("path", "stored", "status", "text"),
    [
        ("/user", {"user": "ann"}, 200, "ann"),
        ("/user?user=eve", {"user": "ann"}, 200, "ann"),
        ("/user?user=eve", {"a": 1}, 400, "400 Bad Request: Missing required parameter 'user'"),
        ("/cart", {"items": ["a"], "total": 5}, 200, "5"),
        ("/cart", {"items": ["a"], "total": "many"}, 400, "400 Bad Request: "),
    ],
)
def test_session_value_is_never_read_from_the_query(path: str, stored: dict[str, Any], status: int, text: str) -> None:
    async def main() -> Response:
        app = Shop()
        await app.session_backend.save(ID, stored, 60)
        return await Browser(app, ID).get(path)

    response = asyncio.run(main())
    assert response.status == status
    assert response.text.startswith(text)
    assert "many" not in response.text


# --- stores that fail ---


class Failing(Minimal):
    def __init__(self, *failing: str) -> None:
        super().__init__()
        self.failing = failing

    async def load(self, session_id: str) -> dict[str, Any]:
        if "load" in self.failing:
            raise ConnectionError("secret")
        return {"user": "ann"}

    async def save(self, session_id: str, data: dict[str, Any], timeout: int) -> None:
        if "save" in self.failing:
            raise ConnectionError("secret")


@pytest.mark.parametrize("hooks", [(), (Hook(),)], ids=["bare", "middleware"])
@pytest.mark.parametrize(
    ("failing", "path", "status"),
    [
        ("load", "/", 500),
        ("load", "/look", 500),
        ("save", "/look", 200),
        ("save", "/visit", 500),
        ("save", "/stream_early", 500),
        ("save", "/refuse", 500),
    ],
)
def test_failing_store_is_a_500_and_a_log_record(
    failing: str, path: str, status: int, hooks: tuple[Hook, ...], caplog: pytest.LogCaptureFixture
) -> None:
    app = Shop(Failing(failing))
    app.middlewares += hooks
    response = asyncio.run(Browser(app, ID).get(path))
    assert response.status == status
    assert "secret" not in response.text
    assert response.header("set-cookie") is None
    assert len(caplog.records) == (status == 500)


@pytest.mark.parametrize("path", ["/stream", "/stream_sync"])
def test_store_that_fails_at_the_end_of_a_stream_is_logged(path: str, caplog: pytest.LogCaptureFixture) -> None:
    response = asyncio.run(Browser(Shop(Failing("save")), ID).get(path))
    assert (response.status, response.text) == (200, "ab")
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


class Stalled(Minimal):
    """A store whose `stalled` methods never return."""

    def __init__(self, *stalled: str) -> None:
        super().__init__()
        self.stalled = stalled
        self.left: list[str] = []

    async def load(self, session_id: str) -> dict[str, Any]:
        return await self._stall("load", {"user": "ann"})

    async def save(self, session_id: str, data: dict[str, Any], timeout: int) -> None:
        await self._stall("save", {})

    async def _stall(self, method: str, data: dict[str, Any]) -> dict[str, Any]:
        if method in self.stalled:
            try:
                await asyncio.Event().wait()
            finally:
                self.left.append(method)
        return data


@pytest.mark.parametrize("hooks", [(), (Hook(),)], ids=["bare", "middleware"])
@pytest.mark.parametrize(
    ("stalled", "path", "status"),
    [
        ("load", "/", 503),
        ("load", "/look", 503),
        ("load", "/login/ann", 503),
        ("save", "/look", 200),
        ("save", "/visit", 503),
        ("save", "/login/ann", 503),
        ("save", "/empty", 503),
        ("save", "/refuse", 503),
        ("save", "/stream_early", 503),
        ("save", "/stream", 200),
    ],
)
def test_stalled_store_is_a_503_and_a_log_record(
    stalled: str, path: str, status: int, hooks: tuple[Hook, ...], caplog: pytest.LogCaptureFixture
) -> None:
    store = Stalled(stalled)
    app = Shop(store, sessions=SessionConfig(store_timeout=0.01))
    app.middlewares += hooks
    answer = asyncio.run(Browser(app, ID).get(path))
    assert (answer.status, answer.header("set-cookie")) == (status, None)
    failed = status == 503 or path == "/stream"
    assert store.left == [stalled] * failed
    assert len(caplog.records) == failed


def test_request_without_a_session_is_served_while_the_store_is_down() -> None:
    assert asyncio.run(Browser(Shop(Failing("load", "save"))).get("/")).text == "home"


def test_unstorable_value_is_logged_with_its_key(caplog: pytest.LogCaptureFixture) -> None:
    class Unstorable(App):
        async def index(self) -> None:
            self.request.session["callback"] = lambda: None

    assert asyncio.run(Browser(Unstorable()).get("/")).status == 500
    assert "This session cannot be stored ('callback')" in caplog.text


def test_error_handler_responds_to_an_exception_of_the_store() -> None:
    app = Shop(Failing("save"))
    app.error_handlers[ConnectionError] = lambda request, error: (503, "later", [("Retry-After", "1")])
    response = asyncio.run(Browser(app, ID).get("/visit"))
    assert (response.status, response.text, response.header("retry-after")) == (503, "later", "1")


# --- middleware ---


def test_middleware_begins_and_changes_a_session() -> None:
    class Tracking(Hook):
        async def before_request(self, request: Request) -> None:
            request.session.setdefault("seen", []).append(request.method)

        async def after_request(
            self, request: Request, status_code: int, response_body: Any, extra_headers: list[tuple[str, str]]
        ) -> None:
            request.session["seen"].append(status_code)

    async def main() -> None:
        browser = Browser(Shop())
        browser.app.middlewares.append(Tracking())
        await browser.get("/")
        await browser.get("/nothing", *JSON, method="POST")
        stored = await browser.app.session_backend.load(str(browser.cookie))
        assert stored == {"seen": ["GET", 200, "POST", 404]}

    asyncio.run(main())


def test_nested_app_uses_the_sessions_of_the_outer_app() -> None:
    async def main() -> None:
        outer, inner = Shop(), Shop(Failing("load", "save"))
        outer.inner = inner  # type: ignore[attr-defined]
        inner.middlewares.append(Hook())
        browser = Browser(outer)
        await browser.get("/inner/visit")
        assert (await browser.get("/look")).json == {"visits": 1}

    asyncio.run(main())
