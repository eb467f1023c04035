"""WebSockets through an App (SPEC 2, 7, 8): binding, middleware, sessions, and how a connection ends."""

import asyncio
import logging
from typing import Annotated, Any

import msgspec
import pytest
from msgspec import Meta, Struct

from micropie import (
    App,
    ConnectionClosed,
    Header,
    HTTPError,
    InvalidMessage,
    Limits,
    Resource,
    Session,
    SessionBackend,
    SessionConfig,
    SetupError,
    WebSocket,
    WebSocketRequest,
)
from micropie.types import Message
from tests.support.asgi import JSON, call, call_socket
from tests.support.hooks import Hook, SocketHook

ID = "x" * 43
COOKIE = [(b"cookie", b"session_id=" + ID.encode())]


class Say(Struct, tag="say"):
    text: Annotated[str, Meta(max_length=5)]


class Leave(Struct, tag="leave"):
    pass


class Told(Struct):
    text: str


class Socket(App):
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.log: list[str] = []

    async def ws_index(self, ws: WebSocket) -> None:
        await ws.accept()

    async def ws_echo(self, ws: WebSocket) -> None:
        async for text in ws:
            await ws.send(f"Echo: {text}")

    async def ws_documented(self, ws):  # type: ignore[no-untyped-def]  # as it is documented
        await ws.accept()
        while True:
            msg = await ws.receive_text()
            await ws.send_text(f"Echo: {msg}")

    async def ws_typed(self, ws: WebSocket[Say | Leave, Told]) -> None:
        async for message in ws:
            if isinstance(message, Leave):
                return
            await ws.send(Told(message.text))

    async def ws_forgiving(self, ws: WebSocket[Say | Leave, Told]) -> None:
        await ws.accept(on_invalid="reply")
        async for message in ws:
            match message:
                case Say(text):
                    await ws.send(Told(text))
                case Leave():
                    await ws.close()

    async def said(self, message: Say | Leave) -> None: ...

    async def ws_unaccepted(self, ws: WebSocket) -> None: ...

    async def ws_closing(self, ws: WebSocket, code: int = 4000) -> None:
        await ws.accept()
        await ws.close(code, "by hand")

    async def ws_boom(self, ws: WebSocket, *, accept: bool = False) -> None:
        if accept:
            await ws.accept()
        raise ValueError("secret")

    async def ws_refuse(self, ws: WebSocket, status: int, *, accept: bool = False) -> None:
        if accept:
            await ws.accept()
        raise HTTPError(status, "not you")

    async def ws_bound(
        self,
        ws: WebSocket,
        room: str,
        number: Annotated[int, Meta(ge=1)] = 1,
        *rest: str,
        tags: list[str] = [],  # noqa: B006  # never changed
        agent: Annotated[str, Header("user-agent")] = "none",
        **more: str,
    ) -> None:
        self.log.append(repr([room, number, rest, tags, agent, more]))
        assert self.request is not None
        assert list(self.request.path_params)[:1] == [room]

    async def ws_request(self, ws: WebSocket, request: WebSocketRequest) -> None:
        await ws.close(4000, f"{request is self.request} {request.websocket is ws} {request.query('q')}")

    async def ws_limited(self, ws: WebSocket) -> None:
        async for text in ws:
            await ws.send(str(len(text)))


def closed(sent: list[Message]) -> tuple[int, str]:
    """The code and the reason of the close that ends `sent`, which is the only one."""
    assert [message["type"] for message in sent].index("websocket.close") == len(sent) - 1
    return sent[-1]["code"], sent[-1]["reason"]


def texts(sent: list[Message]) -> list[str]:
    return [message["text"] for message in sent if message["type"] == "websocket.send"]


def errors(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.levelno >= logging.ERROR]


# --- how it goes and how it ends ---


@pytest.mark.parametrize("path", ["/echo", "/documented"])
def test_text_goes_back_and_forth_until_the_client_leaves(path: str, caplog: pytest.LogCaptureFixture) -> None:
    sent = call_socket(Socket(), path, ["a", "b"])
    assert texts(sent) == ["Echo: a", "Echo: b"]
    assert [message["type"] for message in sent] == ["websocket.accept", "websocket.send", "websocket.send"]
    assert caplog.records == []


@pytest.mark.parametrize(
    ("path", "end"),
    [
        ("/", (1000, "")),
        ("/closing", (4000, "by hand")),
        ("/closing/4001", (4001, "by hand")),
        ("/unaccepted", (1000, "")),
        ("/refuse/403", (1008, "403 Forbidden: not you")),
        ("/refuse/403?accept=1", (1008, "403 Forbidden: not you")),
        ("/refuse/503", (1011, "503 Service Unavailable: not you")),
        ("/nothing", (1008, "404 Not Found")),
        ("/index/x", (1008, "404 Not Found")),
        ("/%FF", (1008, "400 Bad Request: The path is not valid UTF-8 text")),
        ("/bound", (1008, "Missing required parameter 'room'")),
        ("/bound/a/x", (1008, "Invalid path parameter 'number': Expected an integer >= 1")),
        ("/bound/a?number=0", (1008, "Invalid query parameter 'number': Expected an integer >= 1")),
    ],
)
def test_whatever_the_handler_does_the_connection_is_closed_with_a_reason(
    path: str, end: tuple[int, str], caplog: pytest.LogCaptureFixture
) -> None:
    assert closed(call_socket(Socket(), path)) == end
    assert caplog.records == []


@pytest.mark.parametrize("path", ["/boom", "/boom?accept=1"])
def test_an_exception_closes_1011_is_logged_once_and_shown_to_nobody(
    path: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert closed(call_socket(Socket(), path)) == (1011, "Internal Server Error")
    [record] = caplog.records
    assert (record.getMessage(), record.exc_info is not None) == ("Failed: WEBSOCKET '/boom'", True)


@pytest.mark.parametrize(
    ("path", "bound"),
    [
        ("/bound/a", "['a', 1, (), [], 'none', {}]"),
        ("/bound/a/2/b/c", "['a', 2, ('b', 'c'), [], 'none', {}]"),
        ("/bound?room=a&number=3", "['a', 3, (), [], 'none', {}]"),
        ("/bound/a?tags=x&tags=y&other=z", "['a', 1, (), ['x', 'y'], 'none', {'other': 'z'}]"),
    ],
)
def test_path_and_query_bind_as_they_do_for_http(path: str, bound: str) -> None:
    app = Socket()
    call_socket(app, path)
    assert app.log == [bound]


def test_headers_bind_too_and_the_request_is_at_hand() -> None:
    app = Socket()
    call_socket(app, "/bound/a", headers=[(b"user-agent", b"me")])
    assert app.log == ["['a', 1, (), [], 'me', {}]"]
    assert closed(call_socket(app, "/request?q=1")) == (4000, "True True 1")
    with pytest.raises(RuntimeError, match="No request is being handled here"):
        _ = app.request


@pytest.mark.parametrize(
    ("messages", "said", "end"),
    [
        (['{"type":"say","text":"hi"}', '{"type":"leave"}'], ['{"text":"hi"}'], (1000, "")),
        (['{"type":"say","text":"too long"}'], [], (1008, "/text: Expected text of length <= 5")),
        (['{"type":"shout"}'], [], (1008, "/type: Expected one of 'say', 'leave'")),
        (["{"], [], (1007, "Input data was truncated")),
    ],
)
def test_typed_messages_are_decoded_checked_and_encoded(
    messages: list[str], said: list[str], end: tuple[int, str]
) -> None:
    sent = call_socket(Socket(), "/typed", messages)
    assert texts(sent) == said
    code, reason = closed(sent)
    assert code == end[0]
    assert end[1] in reason


@pytest.mark.parametrize(
    "wrong", ['{"type":"say","text":"too long"}', '{"type":"shout"}', "{}", "[1]", '{"type":"say"}']
)
def test_what_is_wrong_with_a_message_is_told_in_the_words_of_http(wrong: str) -> None:
    app = Socket()
    errors = call(app, "POST", "/said", wrong.encode(), JSON).json["errors"]
    sent = call_socket(app, "/forgiving", [wrong, '{"type":"say","text":"hi"}', '{"type":"leave"}'])
    answer, echo = texts(sent)
    assert msgspec.json.decode(answer) == {"type": "invalid", "errors": errors}
    assert echo == '{"text":"hi"}'
    assert closed(sent) == (1000, "")


class Untagged(Struct):
    x: int


class UntaggedToo(Struct):
    y: int


@pytest.mark.parametrize(
    ("incoming", "refused"),
    [(complex, True), (Untagged | UntaggedToo, True), (Say | Leave, False), (bytes | Say, False), (Any, False)],
)
def test_a_protocol_that_cannot_be_told_apart_is_refused_when_the_app_is_made(incoming: Any, refused: bool) -> None:
    async def ws_index(self: App, ws: Any) -> None: ...

    ws_index.__annotations__["ws"] = WebSocket[incoming, str]
    made = type("Made", (App,), {"ws_index": ws_index})
    if not refused:
        made()
        return
    with pytest.raises(SetupError) as raised:
        made()
    [problem] = raised.value.problems
    assert problem.where.startswith("Made.ws_index (ws: ")
    assert problem.remedy


def test_a_message_over_the_apps_limit_closes_1009() -> None:
    sent = call_socket(Socket(limits=Limits(websocket_message=5)), "/limited", ["12345", "123456"])
    assert texts(sent) == ["5"]
    assert closed(sent) == (1009, "Message larger than 5 bytes")


def test_a_client_that_leaves_before_it_is_accepted_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    app = Socket()
    messages: list[Message] = [{"type": "websocket.disconnect", "code": 1006}]

    async def main() -> None:
        async def receive() -> Message:
            return messages.pop()

        async def send(_: Message) -> None:
            raise AssertionError("there is nobody to answer")

        scope = {"type": "websocket", "path": "/echo", "headers": [], "scheme": "ws"}
        await app(scope, receive, send)

    asyncio.run(main())
    assert caplog.records == []


def test_a_cancelled_connection_runs_its_finally_blocks_and_hooks_and_is_closed_1012() -> None:
    class Waiting(App):
        async def ws_index(self, ws: WebSocket) -> None:
            try:
                await asyncio.Event().wait()
            finally:
                log.append("finally")

    async def main() -> None:
        async def receive() -> Message:
            raise AssertionError("nobody asks for a message")

        async def send(message: Message) -> None:
            sent.append(message)

        scope = {"type": "websocket", "path": "/", "headers": [], "scheme": "ws"}
        task = asyncio.ensure_future(app(scope, receive, send))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert asyncio.all_tasks() == {asyncio.current_task()}

    log: list[str] = []
    sent: list[Message] = []
    app = Waiting()
    app.ws_middlewares.append(SocketHook("a", log))
    asyncio.run(main())
    assert log == ["before a", "finally", "after a"]
    assert closed(sent) == (1012, "The server stops")


# --- middleware ---


def behind(log: list[str], **told: Any) -> Socket:
    """An app behind three hooks a, b, c; `told["b_before"]` is what b's before_websocket returns or raises."""
    hooks = [SocketHook(name, log) for name in "abc"]
    for key, what in told.items():
        name, _, when = key.partition("_")
        setattr(hooks["abc".index(name)], when, what)
    app = Socket()
    app.ws_middlewares += hooks
    app.middlewares.append(Hook("http", log))  # which has no business here
    return app


IN = ["before a", "before b", "before c"]
OUT = ["after c", "after b", "after a"]


@pytest.mark.parametrize(
    ("told", "path", "ran", "end"),
    [
        ({}, "/", [*IN, *OUT], (1000, "")),
        ({"b_before": {}}, "/", [*IN, *OUT], (1000, "")),
        ({}, "/boom", [*IN, *OUT], (1011, "Internal Server Error")),
        ({}, "/refuse/403", [*IN, *OUT], (1008, "403 Forbidden: not you")),
        ({}, "/nothing", [*IN, *OUT], (1008, "404 Not Found")),
        ({"a_before": {"code": 4001, "reason": "no"}}, "/", ["before a"], (4001, "no")),
        ({"b_before": {"reason": "no"}}, "/", ["before a", "before b", "after a"], (1008, "no")),
        ({"c_before": {"code": 4001}}, "/", [*IN, "after b", "after a"], (4001, "")),
        ({"b_before": HTTPError(403, "no")}, "/", ["before a", "before b", "after a"], (1008, "403 Forbidden: no")),
        ({"b_before": ValueError()}, "/", ["before a", "before b", "after a"], (1011, "Internal Server Error")),
        ({"b_before": (4001, "no")}, "/", ["before a", "before b", "after a"], (1011, "Internal Server Error")),
        ({"c_after": ValueError()}, "/", [*IN, *OUT], (1000, "")),
        ({"c_after": ValueError(), "b_after": KeyError()}, "/boom", [*IN, *OUT], (1011, "Internal Server Error")),
    ],
)
def test_middleware_surrounds_a_connection_and_hears_of_its_end_however_it_ended(
    told: dict[str, Any], path: str, ran: list[str], end: tuple[int, str], caplog: pytest.LogCaptureFixture
) -> None:
    log: list[str] = []
    assert closed(call_socket(behind(log, **told), path)) == end
    assert log == ran
    assert len(errors(caplog)) == ("ValueError" in str(told) or end[0] == 1011)


class Rooms(Resource):
    async def ws_index(self, ws: WebSocket, name: str = "hall") -> None:
        await ws.close(4000, name)


class Inner(App):
    rooms = Rooms()


def test_nested_apps_have_middleware_of_their_own_inside_the_outer_one() -> None:
    log: list[str] = []
    outer, inner = behind(log), Inner()
    outer.inner = inner  # type: ignore[attr-defined]
    inner.ws_middlewares.append(SocketHook("inner", log))
    assert closed(call_socket(outer, "/inner/rooms/den")) == (4000, "den")
    assert log == [*IN, "before inner", "after inner", *OUT]
    log.clear()
    inner.ws_middlewares[0] = SocketHook("inner", log, before={"code": 4001})
    assert closed(call_socket(outer, "/inner/rooms/den")) == (4001, "")
    assert closed(call_socket(outer, "/inner/nothing")) == (4001, "")
    assert closed(call_socket(outer, "/")) == (1000, "")


# --- sessions ---


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

    async def ws_given(self, ws: WebSocket) -> None:
        await ws.accept(session_id="y" * 43, headers=[("X-A", "1")])
        assert ws.session_id == "y" * 43

    async def ws_user(self, ws: WebSocket, user: Annotated[str, Session()]) -> None:
        await ws.close(4000, user)


def handshake(app: App, path: str, headers: Any = (), stored: Any = None, **scope: Any) -> tuple[list[Message], Any]:
    """What was sent, the headers of the handshake as one text, and what is stored afterwards under `ID`."""

    async def store() -> None:
        if stored is not None:
            await app.session_backend.save(ID, stored, 60)

    asyncio.run(store())
    sent = call_socket(app, path, headers=headers, **scope)
    return sent, asyncio.run(app.session_backend.load(ID))


def accepted(sent: list[Message]) -> dict[str, str]:
    [message] = [message for message in sent if message["type"] == "websocket.accept"]
    return {name.decode(): value.decode() for name, value in message["headers"]}


def test_a_session_that_is_begun_before_accept_sets_its_cookie_with_the_handshake() -> None:
    app = Remembering()
    sent, _ = handshake(app, "/visit")
    headers = accepted(sent)
    identifier, _, attributes = headers["set-cookie"].removeprefix("session_id=").partition("; ")
    assert attributes == "Path=/; HttpOnly; SameSite=Lax; Secure"
    assert (headers["vary"], headers["cache-control"]) == ("Cookie", "no-store")
    assert asyncio.run(app.session_backend.load(identifier)) == {"visits": 1}


@pytest.mark.parametrize(("scheme", "secure"), [("ws", False), ("wss", True)])
def test_the_cookie_is_secure_except_on_plain_ws_to_a_loopback_host(scheme: str, secure: bool) -> None:
    sent, _ = handshake(Remembering(), "/visit", [(b"host", b"localhost:8000")], scheme=scheme)
    assert accepted(sent)["set-cookie"].endswith("; Secure") == secure


@pytest.mark.parametrize(
    ("path", "after", "end"),
    [
        ("/visit", {"visits": 2}, (1000, "")),
        ("/late", {"visits": 1, "late": True}, (1000, "")),
        ("/boom", {"visits": 1, "half": True, "whole": True}, (1011, "Internal Server Error")),
    ],
)
def test_a_stored_session_is_loaded_and_what_changed_is_saved_however_it_ends(
    path: str, after: dict[str, Any], end: tuple[int, str]
) -> None:
    sent, stored = handshake(Remembering(), path, COOKIE, {"visits": 1})
    assert "set-cookie" not in accepted(sent)
    assert stored == after
    assert closed(sent) == end


def test_one_that_only_began_after_accept_is_not_kept_and_that_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    sent, _ = handshake(Remembering(), "/late")
    assert accepted(sent) == {}
    assert ["its cookie can no longer be set" in record.getMessage() for record in caplog.records] == [True]


def test_a_handler_may_give_an_identifier_of_its_own() -> None:
    app = Remembering(sessions=SessionConfig(cookie="sid"))
    sent, _ = handshake(app, "/given")
    cookie = f"sid={'y' * 43}; Path=/; HttpOnly; SameSite=Lax; Secure"
    assert accepted(sent) == {"x-a": "1", "set-cookie": cookie}


@pytest.mark.parametrize(
    ("stored", "end"),
    [
        ({"user": "ann"}, (4000, "ann")),
        (None, (1008, "Missing required parameter 'user'")),
        ({"user": 5}, (1008, "Invalid session parameter 'user'")),
    ],
)
def test_a_parameter_may_come_from_the_session(stored: Any, end: tuple[int, str]) -> None:
    sent, _ = handshake(Remembering(), "/user?user=eve", COOKIE, stored)
    code, reason = closed(sent)
    assert code == end[0]
    assert reason.startswith(end[1])


def test_two_session_cookies_are_none() -> None:
    sent, _ = handshake(Remembering(), "/user", [*COOKIE, *COOKIE], {"user": "ann"})
    assert closed(sent) == (1008, "Missing required parameter 'user'")


def test_middleware_sees_the_session_and_may_change_it_after_the_end() -> None:
    class Auth(SocketHook):
        async def before_websocket(self, request: WebSocketRequest) -> dict[str, Any] | None:
            return None if request.session.get("user") else {"code": 4003}

        async def after_websocket(self, request: WebSocketRequest) -> None:
            request.session["left"] = True

    app = Remembering()
    app.ws_middlewares.append(Auth())
    sent, stored = handshake(app, "/visit", COOKIE, {"user": "ann"})
    assert (closed(sent), stored) == ((1000, ""), {"user": "ann", "visits": 1, "left": True})
    sent, _ = handshake(app, "/visit")
    assert closed(sent) == (4003, "")


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
def test_a_store_that_fails_is_logged_once(
    failing: str, path: str, end: tuple[int, str], caplog: pytest.LogCaptureFixture
) -> None:
    log: list[str] = []
    app = Remembering(Failing(failing))
    app.ws_middlewares.append(SocketHook("a", log))
    assert closed(call_socket(app, path, headers=COOKIE)) == end
    assert log == ([] if failing == "load" else ["before a", "after a"])
    assert len(errors(caplog)) == (path != "/user" or failing == "load")


def test_a_session_of_websockets_is_that_of_http() -> None:
    class Both(Remembering):
        async def index(self) -> dict[str, Any]:
            return dict(self.request.session)

    app = Both()
    sent, _ = handshake(app, "/visit")
    cookie = accepted(sent)["set-cookie"].partition(";")[0].encode()
    sent = call_socket(app, "/late", headers=[(b"cookie", cookie)])
    assert closed(sent) == (1000, "")
    stored = asyncio.run(app.session_backend.load(cookie.decode().partition("=")[2]))
    assert stored == {"visits": 1, "late": True}


# --- the older way: messages of the user's own making ---


def test_connection_closed_that_a_handler_raises_is_an_end() -> None:
    class Ending(App):
        async def ws_index(self, ws: WebSocket) -> None:
            await ws.accept()
            raise ConnectionClosed(1001)

    assert [message["type"] for message in call_socket(Ending(), "/")] == ["websocket.accept"]


def test_a_message_that_a_handler_declares_invalid_closes_with_its_code(caplog: pytest.LogCaptureFixture) -> None:
    class Strict(App):
        async def ws_index(self, ws: WebSocket) -> None:
            await ws.accept()
            raise InvalidMessage("not like this", 1007)

    assert closed(call_socket(Strict(), "/")) == (1007, "not like this")
    assert caplog.records == []


def test_a_client_that_does_not_read_cannot_hold_up_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    class Waiting(App):
        async def ws_index(self, ws: WebSocket) -> None:
            await asyncio.Event().wait()

    async def main() -> None:
        async def never(*_: Any) -> Any:
            await asyncio.Event().wait()

        scope = {"type": "websocket", "path": "/", "headers": [], "scheme": "ws"}
        task = asyncio.ensure_future(Waiting()(scope, never, never))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    monkeypatch.setattr("micropie.app.websocket.FAREWELL", 0.01)
    asyncio.run(main())
