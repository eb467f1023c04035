"""These tests connect WebSockets whose handlers read and change the session (SPEC 7, 8)."""

import asyncio
from typing import Annotated, Any

import pytest

from micropie import App, InMemorySessionBackend, Session, SessionBackend, SessionConfig, WebSocket, WebSocketRequest
from micropie.types import Message
from tests.support.asgi import call_socket
from tests.support.hooks import SocketHook
from tests.support.read_results import error_records, read_close

ID = "x" * 43
COOKIE = [(b"cookie", b"session_id=" + ID.encode())]


class Remembering(App):
    async def ws_visit(self, ws: WebSocket) -> None:
        self.request.session["visits"] = self.request.session.get("visits", 0) + 1
        await ws.accept()

    async def ws_late(self, ws: WebSocket) -> None:
        await ws.accept()
        self.request.session["late"] = True

    async def ws_boom(self, ws: WebSocket) -> None:
        self.request.session["half"] = True
        await ws.accept()
        self.request.session["whole"] = True
        raise ValueError("secret")

    async def ws_named(self, ws: WebSocket) -> None:
        await ws.accept(session_id="y" * 43, headers=[("X-A", "1")])
        assert ws.session_id == "y" * 43

    async def ws_user(self, ws: WebSocket, user: Annotated[str, Session()]) -> None:
        await ws.close(4000, user)


def connect(app: App, path: str, headers: Any = (), stored: Any = None, **scope: Any) -> tuple[list[Message], Any]:
    """Connect with `stored` as the session `ID`. Return the messages that were sent and the session afterwards."""

    async def store() -> None:
        if stored is not None:
            await app.session_backend.save(ID, stored, 60)

    asyncio.run(store())
    sent = call_socket(app, path, headers=headers, **scope)
    return sent, asyncio.run(app.session_backend.load(ID))


def read_handshake_headers(sent: list[Message]) -> dict[str, str]:
    [message] = [message for message in sent if message["type"] == "websocket.accept"]
    return {name.decode(): value.decode() for name, value in message["headers"]}


def test_session_begun_before_accept_sets_its_cookie_in_the_handshake() -> None:
    app = Remembering()
    sent, _ = connect(app, "/visit")
    headers = read_handshake_headers(sent)
    identifier, _, attributes = headers["set-cookie"].removeprefix("session_id=").partition("; ")
    assert attributes == "Path=/; HttpOnly; SameSite=Lax; Secure"
    assert (headers["vary"], headers["cache-control"]) == ("Cookie", "private, no-store")
    assert asyncio.run(app.session_backend.load(identifier)) == {"visits": 1}


@pytest.mark.parametrize(("scheme", "secure"), [("ws", False), ("wss", True)])
def test_cookie_is_secure_except_on_plain_ws_to_a_loopback_host(scheme: str, secure: bool) -> None:
    sent, _ = connect(Remembering(), "/visit", [(b"host", b"localhost:8000")], scheme=scheme)
    assert read_handshake_headers(sent)["set-cookie"].endswith("; Secure") == secure


@pytest.mark.parametrize(
    ("path", "after", "end"),
    [
        ("/visit", {"visits": 2}, (1000, "")),
        ("/late", {"visits": 1, "late": True}, (1000, "")),
        ("/boom", {"visits": 1, "half": True, "whole": True}, (1011, "Internal Server Error")),
    ],
)
def test_changes_of_a_stored_session_are_saved_however_the_connection_ends(
    path: str, after: dict[str, Any], end: tuple[int, str]
) -> None:
    sent, stored = connect(Remembering(), path, COOKIE, {"visits": 1})
    assert "set-cookie" not in read_handshake_headers(sent)
    assert stored == after
    assert read_close(sent) == end


def test_session_begun_after_accept_is_not_kept_and_that_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    sent, _ = connect(Remembering(), "/late")
    assert read_handshake_headers(sent) == {}
    assert ["its cookie can no longer be set" in record.getMessage() for record in caplog.records] == [True]


def test_session_id_that_a_handler_passes_to_accept_becomes_the_cookie() -> None:
    app = Remembering(sessions=SessionConfig(cookie="sid"))
    sent, _ = connect(app, "/named")
    cookie = f"sid={'y' * 43}; Path=/; HttpOnly; SameSite=Lax; Secure"
    own = {"x-a": "1", "set-cookie": cookie}
    assert read_handshake_headers(sent) == own | {"vary": "Cookie", "cache-control": "private, no-store"}


CHOSEN = "y" * 43


class Choosing(App):
    """An app that chooses the identifiers of its sessions."""

    def __init__(self, backend: SessionBackend | None = None) -> None:
        super().__init__(backend)
        self._seen: list[str | None] = []

    async def ws_before(self, ws: WebSocket) -> None:
        self.request.session["written"] = "before"
        await self._accept(ws)

    async def ws_after(self, ws: WebSocket) -> None:
        await self._accept(ws)
        self.request.session["written"] = "after"

    async def ws_both(self, ws: WebSocket) -> None:
        self.request.session["early"] = [1]
        await self._accept(ws)
        self.request.session["early"].append(2)

    async def ws_never(self, ws: WebSocket) -> None:
        await self._accept(ws)

    async def ws_boom(self, ws: WebSocket) -> None:
        await self._accept(ws)
        self.request.session["written"] = "after"
        raise ValueError

    async def ws_again(self, ws: WebSocket) -> None:
        self.request.session["gone"] = 1
        await self._accept(ws)
        self.request.session.clear()
        self.request.session["written"] = "after"

    async def ws_weak(self, ws: WebSocket) -> None:
        with pytest.raises(ValueError, match="22 to 128 characters"):
            await ws.accept(session_id="x" * 21)
        await self._accept(ws)

    async def _accept(self, ws: WebSocket) -> None:
        self._seen.append(ws.session_id)
        await ws.accept(session_id=CHOSEN)
        self._seen.append(ws.session_id)


class Waiting(InMemorySessionBackend):
    """A store that must be awaited."""

    async def load(self, session_id: str) -> dict[str, Any]:
        await asyncio.sleep(0)
        return await super().load(session_id)


@pytest.mark.parametrize("backend", [InMemorySessionBackend, Waiting])
@pytest.mark.parametrize(
    ("path", "written"),
    [
        ("/before", {"written": "before"}),
        ("/after", {"written": "after"}),
        ("/both", {"early": [1, 2]}),
        ("/never", {}),
        ("/boom", {"written": "after"}),
        ("/weak", {}),
    ],
)
@pytest.mark.parametrize("own", [None, {"user": "ann"}], ids=["no session", "a session"])
@pytest.mark.parametrize("there", [{}, {"room": 1}], ids=["nothing there", "something there"])
def test_session_is_kept_under_the_identifier_that_accept_is_given(
    path: str, written: dict[str, Any], own: Any, there: dict[str, Any], backend: type[SessionBackend]
) -> None:
    app = Choosing(backend())
    asyncio.run(app.session_backend.save(CHOSEN, there, 60))
    sent, old = connect(app, path, COOKIE if own else (), own)
    assert read_handshake_headers(sent)["set-cookie"].startswith(f"session_id={CHOSEN}; ")
    assert app._seen == [ID if own else None, CHOSEN]
    kept = asyncio.run(app.session_backend.load(CHOSEN))
    assert kept == (own | written if own else there | written)
    assert old == {}


def test_session_that_is_emptied_and_written_again_stays_under_the_chosen_identifier() -> None:
    app = Choosing()
    connect(app, "/again")
    assert asyncio.run(app.session_backend.load(CHOSEN)) == {"written": "after"}


def test_session_that_is_under_the_chosen_identifier_already_is_merged() -> None:
    app = Choosing()
    asyncio.run(app.session_backend.save(CHOSEN, {"user": "ann"}, 60))
    connect(app, "/both", [(b"cookie", f"session_id={CHOSEN}".encode())])
    assert asyncio.run(app.session_backend.load(CHOSEN)) == {"user": "ann", "early": [1, 2]}


@pytest.mark.parametrize(("headers", "stored", "known"), [((), None, False), (COOKIE, {"user": "ann"}, True)])
def test_session_id_of_a_connection_is_that_of_its_session(headers: Any, stored: Any, known: bool) -> None:
    seen: list[str | None] = []

    class Watching(App):
        async def ws_index(self, ws: WebSocket) -> None:
            seen.append(ws.session_id)
            self.request.session["n"] = 1
            await ws.accept()
            seen.append(ws.session_id)

    sent, _ = connect(Watching(), "/", headers, stored)
    new = read_handshake_headers(sent).get("set-cookie", "").removeprefix("session_id=").partition(";")[0]
    assert seen == ([ID, ID] if known else [None, new])


@pytest.mark.parametrize(
    ("stored", "end"),
    [
        ({"user": "ann"}, (4000, "ann")),
        (None, (1008, "Missing required parameter 'user'")),
        ({"user": 5}, (1008, "Invalid session parameter 'user'")),
    ],
)
def test_parameter_is_bound_from_the_session(stored: Any, end: tuple[int, str]) -> None:
    sent, _ = connect(Remembering(), "/user?user=eve", COOKIE, stored)
    code, reason = read_close(sent)
    assert code == end[0]
    assert reason.startswith(end[1])


@pytest.mark.parametrize(
    ("cookie", "end"),
    [
        (b"session_id=%s; session_id=%s" % (ID.encode(), ID.encode()), (4000, "ann")),
        (b"theme=\xe9; session_id=" + ID.encode(), (4000, "ann")),
        (b"session_id=%s; session_id=y" % ID.encode(), (1008, "Missing required parameter 'user'")),
    ],
)
def test_session_is_found_by_its_only_identifier(cookie: bytes, end: tuple[int, str]) -> None:
    sent, _ = connect(Remembering(), "/user", [(b"cookie", cookie)], {"user": "ann"})
    assert read_close(sent) == end


def test_handshake_with_two_identifiers_sets_no_cookie() -> None:
    two = [(b"cookie", b"session_id=%s; session_id=y" % ID.encode())]
    sent, stored = connect(Remembering(), "/visit", two, {"user": "ann"})
    assert "set-cookie" not in read_handshake_headers(sent)
    assert stored == {"user": "ann"}


def test_middleware_sees_the_session_and_may_change_it_after_the_connection() -> None:
    class Auth(SocketHook):
        async def before_websocket(self, request: WebSocketRequest) -> dict[str, Any] | None:
            return None if request.session.get("user") else {"code": 4003}

        async def after_websocket(self, request: WebSocketRequest) -> None:
            request.session["left"] = True

    app = Remembering()
    app.ws_middlewares.append(Auth())
    sent, stored = connect(app, "/visit", COOKIE, {"user": "ann"})
    assert (read_close(sent), stored) == ((1000, ""), {"user": "ann", "visits": 1, "left": True})
    sent, _ = connect(app, "/visit")
    assert read_close(sent) == (4003, "")


class Failing(SessionBackend):
    def __init__(self, failing: str) -> None:
        self.failing = failing

    async def load(self, session_id: str) -> dict[str, Any]:
        if self.failing == "load":
            raise ConnectionError("secret")
        return {"user": "ann"}

    async def save(self, session_id: str, data: dict[str, Any], timeout: int) -> None:
        if self.failing == "save":
            raise ConnectionError("secret")


@pytest.mark.parametrize(
    ("failing", "path", "end"),
    [
        ("load", "/user", (1011, "Internal Server Error")),
        ("load", "/late", (1011, "Internal Server Error")),
        ("save", "/user", (4000, "ann")),
        ("save", "/visit", (1011, "Internal Server Error")),
        ("save", "/late", (1000, "")),
    ],
)
def test_store_that_fails_is_logged_once(
    failing: str, path: str, end: tuple[int, str], caplog: pytest.LogCaptureFixture
) -> None:
    log: list[str] = []
    app = Remembering(Failing(failing))
    app.ws_middlewares.append(SocketHook("a", log))
    assert read_close(call_socket(app, path, headers=COOKIE)) == end
    assert log == ([] if failing == "load" else ["before a", "after a"])
    assert len(error_records(caplog)) == (path != "/user" or failing == "load")


class Stalled(Failing):
    async def load(self, session_id: str) -> dict[str, Any]:
        if self.failing == "load":
            await asyncio.Event().wait()
        return {"user": "ann"}

    async def save(self, session_id: str, data: dict[str, Any], timeout: int) -> None:
        if self.failing == "save":
            await asyncio.Event().wait()


@pytest.mark.parametrize(
    ("stalled", "path", "end", "failures"),
    [
        ("load", "/user", (1011, "503 Service Unavailable: The session store does not answer"), 1),
        ("save", "/visit", (1011, "Internal Server Error"), 2),  # in the handshake, and again at the end
        ("save", "/late", (1000, ""), 1),
    ],
)
def test_store_that_stalls_ends_the_connection(
    stalled: str, path: str, end: tuple[int, str], failures: int, caplog: pytest.LogCaptureFixture
) -> None:
    app = Remembering(Stalled(stalled), sessions=SessionConfig(store_timeout=0.01))
    assert read_close(call_socket(app, path, headers=COOKIE)) == end
    assert len(error_records(caplog)) == failures


def test_websockets_and_http_share_a_session() -> None:
    class Both(Remembering):
        async def index(self) -> dict[str, Any]:
            return dict(self.request.session)

    app = Both()
    sent, _ = connect(app, "/visit")
    cookie = read_handshake_headers(sent)["set-cookie"].partition(";")[0].encode()
    sent = call_socket(app, "/late", headers=[(b"cookie", cookie)])
    assert read_close(sent) == (1000, "")
    stored = asyncio.run(app.session_backend.load(cookie.decode().partition("=")[2]))
    assert stored == {"visits": 1, "late": True}
