"""Handlers for which no session is loaded: `@route(session=False)` and `SessionConfig(explicit=True)` (SPEC 7)."""

import asyncio
from typing import Annotated, Any

import pytest
from msgspec import Struct

from micropie import App, Depends, Request, Session, SessionBackend, SessionConfig, SetupError, WebSocket, route
from tests.support.asgi import JSON, Response, acall, call_socket
from tests.support.hooks import Hook, SocketHook
from tests.support.read_results import read_close

COOKIE = (b"cookie", b"session_id=" + b"x" * 43)
NOT_LOADED = "The session is not loaded here. Write `await request.load_session()` first"


class Cart(Struct):
    user: str = ""


def pinned_user(user: Annotated[str, Session()]) -> str:
    return user


class Store(SessionBackend):
    """A store that counts its loads."""

    def __init__(self) -> None:
        self.loads = 0

    async def load(self, session_id: str) -> dict[str, Any]:
        self.loads += 1
        return {"user": "ann"}

    async def save(self, session_id: str, data: dict[str, Any], timeout: int) -> None: ...


class Api(App):
    """Handlers, each with and without a session."""

    async def unmarked(self, user: str = "guest") -> str:
        return user

    async def body(self, user: str = "guest", n: int = 0) -> str:
        return user

    async def read(self) -> str:
        return read(self.request)

    def read_sync(self) -> str:
        return read(self.request)

    async def write(self) -> str:
        try:
            self.request.session = {"user": "eve"}
        except RuntimeError as error:
            return str(error)
        return "written"

    async def regenerate(self) -> str:
        try:
            self.request.regenerate_session()
        except RuntimeError as error:
            return str(error)
        return "done"

    async def load(self) -> str:
        return str((await self.request.load_session()).get("user")) + read(self.request)

    async def ws_read(self, ws: WebSocket) -> None:
        await ws.close(4000, read(self.request))

    async def ws_load(self, ws: WebSocket) -> None:
        await ws.close(4000, str((await self.request.load_session()).get("user")))

    @route(session=False)
    async def off_unmarked(self, user: str = "guest") -> str:
        return user

    @route(session=False)
    async def off_body(self, user: str = "guest", n: int = 0) -> str:
        return user

    @route(session=False)
    async def off_read(self) -> str:
        return read(self.request)

    @route(session=False)
    def off_read_sync(self) -> str:
        return read(self.request)

    @route(session=False)
    async def off_write(self) -> str:
        return await self.write()

    @route(session=False)
    async def off_regenerate(self) -> str:
        return await self.regenerate()

    @route(session=False)
    async def off_load(self) -> str:
        return await self.load()

    @route(session=False)
    async def ws_off_read(self, ws: WebSocket) -> None:
        await self.ws_read(ws)

    @route(session=False)
    async def ws_off_load(self, ws: WebSocket) -> None:
        await self.ws_load(ws)

    async def pinned(self, user: Annotated[str, Session()] = "guest", *, n: int = 0) -> str:
        return user + read(self.request)

    async def whole(self, cart: Annotated[Cart, Session()]) -> str:
        return cart.user + read(self.request)

    async def depends(self, user: Annotated[str, Depends(pinned_user)]) -> str:
        return user + read(self.request)

    async def ws_pinned(self, ws: WebSocket, user: Annotated[str, Session()]) -> None:
        await ws.close(4000, user)


def read(request: Request) -> str:
    try:
        return str(request.session.get("user"))
    except RuntimeError as error:
        return str(error)


def make_app(explicit: bool, hooks: bool) -> tuple[Api, Store]:
    store = Store()
    app = Api(store, sessions=SessionConfig(explicit=explicit))
    if hooks:
        app.middlewares.append(Hook())
        app.ws_middlewares.append(SocketHook())
    return app, store


def get(app: App, path: str, headers: Any, body: bytes = b"") -> Response:
    return asyncio.run(acall(app, "POST" if body else "GET", path, body, headers))


HOOKS = pytest.mark.parametrize("hooks", [False, True], ids=["bare", "middleware"])
BOTH_WAYS = pytest.mark.parametrize(("explicit", "prefix"), [(True, "/"), (False, "/off_"), (True, "/off_")])


@HOOKS
@BOTH_WAYS
@pytest.mark.parametrize("headers", [[], [COOKIE]], ids=["no cookie", "a cookie"])
@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("unmarked", "guest"),
        ("read", NOT_LOADED),
        ("read_sync", NOT_LOADED),
        ("write", NOT_LOADED),
        ("regenerate", NOT_LOADED),
    ],
)
def test_session_is_neither_loaded_nor_there(
    explicit: bool, prefix: str, path: str, text: str, headers: Any, hooks: bool
) -> None:
    app, store = make_app(explicit, hooks)
    answer = get(app, prefix + path, headers)
    assert (answer.text, store.loads, answer.header("set-cookie")) == (text, 0, None)


@HOOKS
@BOTH_WAYS
def test_session_is_not_loaded_for_a_body(explicit: bool, prefix: str, hooks: bool) -> None:
    app, store = make_app(explicit, hooks)
    assert get(app, f"{prefix}body", [COOKIE, *JSON], b'{"n":1}').text == "guest"
    assert store.loads == 0


@HOOKS
@BOTH_WAYS
@pytest.mark.parametrize(("headers", "text", "loads"), [([], "NoneNone", 0), ([COOKIE], "annann", 1)])
def test_session_is_there_once_it_was_loaded(
    explicit: bool, prefix: str, headers: Any, text: str, loads: int, hooks: bool
) -> None:
    app, store = make_app(explicit, hooks)
    answer = get(app, f"{prefix}load", headers)
    assert (answer.text, store.loads, answer.header("vary")) == (text, loads, "Cookie")


@HOOKS
@BOTH_WAYS
def test_session_of_a_websocket_is_not_loaded_unless_asked_for(explicit: bool, prefix: str, hooks: bool) -> None:
    app, store = make_app(explicit, hooks)
    assert read_close(call_socket(app, f"{prefix}read", headers=[COOKIE])) == (4000, NOT_LOADED)
    assert store.loads == 0
    assert read_close(call_socket(app, f"{prefix}load", headers=[COOKIE])) == (4000, "ann")
    assert store.loads == 1


@HOOKS
@pytest.mark.parametrize("explicit", [False, True])
@pytest.mark.parametrize("path", ["/pinned", "/whole", "/depends", "/pinned?n=1"])
def test_session_is_loaded_for_a_session_parameter(explicit: bool, path: str, hooks: bool) -> None:
    app, store = make_app(explicit, hooks)
    assert get(app, path, [COOKIE]).text == "annann"
    assert get(app, path, [COOKIE, *JSON], b"{}").text == "annann"
    assert store.loads == 2
    assert read_close(call_socket(app, "/pinned", headers=[COOKIE])) == (4000, "ann")


@HOOKS
@pytest.mark.parametrize(("path", "text"), [("/pinned", "guestNone"), ("/whole", "None")])
def test_session_parameter_begins_a_session_where_there_is_none(path: str, text: str, hooks: bool) -> None:
    app, _ = make_app(True, hooks)
    assert get(app, path, []).text == text


def test_session_parameter_of_a_handler_without_a_session_is_refused() -> None:
    class Broken(App):
        @route(session=False)
        async def direct(self, user: Annotated[str, Session()]) -> None: ...

        @route(session=False)
        async def indirect(self, user: Annotated[str, Depends(pinned_user)]) -> None: ...

    with pytest.raises(SetupError) as caught:
        Broken()
    assert str(caught.value).count("session=False") >= 2
    assert len(caught.value.problems) == 2


def test_two_identifiers_are_no_session_where_sessions_are_explicit() -> None:
    app, store = make_app(True, False)
    two = [(b"cookie", COOKIE[1] + b"; session_id=" + b"y" * 43)]
    assert get(app, "/load", two).text == "NoneNone"
    assert store.loads == 0
