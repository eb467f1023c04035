"""These tests connect WebSockets to an App (SPEC 2, 7, 8): binding, messages, middleware, the end of a connection."""

import asyncio
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
    SetupError,
    WebSocket,
    WebSocketRequest,
)
from micropie.types import Message
from tests.support.asgi import JSON, call, call_socket
from tests.support.hooks import Hook, SocketHook
from tests.support.read_results import error_records, read_close


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

    async def ws_documented(self, ws):  # type: ignore[no-untyped-def]  # as the documentation writes it
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


def read_texts(sent: list[Message]) -> list[str]:
    return [message["text"] for message in sent if message["type"] == "websocket.send"]


# --- messages, binding and the end of a connection ---


@pytest.mark.parametrize("path", ["/echo", "/documented"])
def test_text_goes_back_and_forth_until_the_client_leaves(path: str, caplog: pytest.LogCaptureFixture) -> None:
    sent = call_socket(Socket(), path, ["a", "b"])
    assert read_texts(sent) == ["Echo: a", "Echo: b"]
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
def test_connection_is_closed_with_a_reason_however_the_handler_ends(
    path: str, end: tuple[int, str], caplog: pytest.LogCaptureFixture
) -> None:
    assert read_close(call_socket(Socket(), path)) == end
    assert caplog.records == []


@pytest.mark.parametrize("path", ["/boom", "/boom?accept=1"])
def test_exception_is_logged_once_and_closes_with_1011_without_its_text(
    path: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert read_close(call_socket(Socket(), path)) == (1011, "Internal Server Error")
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
def test_path_and_query_are_bound_as_for_http(path: str, bound: str) -> None:
    app = Socket()
    call_socket(app, path)
    assert app.log == [bound]


def test_header_is_bound_and_the_handler_sees_its_request() -> None:
    app = Socket()
    call_socket(app, "/bound/a", headers=[(b"user-agent", b"me")])
    assert app.log == ["['a', 1, (), [], 'me', {}]"]
    assert read_close(call_socket(app, "/request?q=1")) == (4000, "True True 1")
    with pytest.raises(RuntimeError, match="No request is being handled here"):
        _ = app.request


@pytest.mark.parametrize(
    ("messages", "echoes", "end"),
    [
        (['{"type":"say","text":"hi"}', '{"type":"leave"}'], ['{"text":"hi"}'], (1000, "")),
        (['{"type":"say","text":"too long"}'], [], (1008, "/text: Expected text of length <= 5")),
        (['{"type":"shout"}'], [], (1008, "/type: Expected one of 'say', 'leave'")),
        (["{"], [], (1007, "Input data was truncated")),
    ],
)
def test_typed_messages_are_decoded_checked_and_encoded(
    messages: list[str], echoes: list[str], end: tuple[int, str]
) -> None:
    sent = call_socket(Socket(), "/typed", messages)
    assert read_texts(sent) == echoes
    code, reason = read_close(sent)
    assert code == end[0]
    assert end[1] in reason


@pytest.mark.parametrize(
    "wrong", ['{"type":"say","text":"too long"}', '{"type":"shout"}', "{}", "[1]", '{"type":"say"}']
)
def test_errors_of_a_message_are_worded_as_for_http(wrong: str) -> None:
    app = Socket()
    errors = call(app, "POST", "/said", wrong.encode(), JSON).json["errors"]
    sent = call_socket(app, "/forgiving", [wrong, '{"type":"say","text":"hi"}', '{"type":"leave"}'])
    reply, echo = read_texts(sent)
    assert msgspec.json.decode(reply) == {"type": "invalid", "errors": errors}
    assert echo == '{"text":"hi"}'
    assert read_close(sent) == (1000, "")


class Untagged(Struct):
    x: int


class UntaggedToo(Struct):
    y: int


@pytest.mark.parametrize(
    ("incoming", "refused"),
    [(complex, True), (Untagged | UntaggedToo, True), (Say | Leave, False), (bytes | Say, False), (Any, False)],
)
def test_message_types_that_cannot_be_distinguished_are_refused_when_the_app_is_built(
    incoming: Any, refused: bool
) -> None:
    async def ws_index(self: App, ws: Any) -> None: ...

    ws_index.__annotations__["ws"] = WebSocket[incoming, str]
    app_class = type("Built", (App,), {"ws_index": ws_index})
    if not refused:
        app_class()
        return
    with pytest.raises(SetupError) as raised:
        app_class()
    [problem] = raised.value.problems
    assert problem.where.startswith("Built.ws_index (ws: ")
    assert problem.remedy


def test_message_over_the_limit_of_the_app_closes_with_1009() -> None:
    sent = call_socket(Socket(limits=Limits(websocket_message=5)), "/limited", ["12345", "123456"])
    assert read_texts(sent) == ["5"]
    assert read_close(sent) == (1009, "Message larger than 5 bytes")


def test_client_that_leaves_before_accept_is_not_an_error(caplog: pytest.LogCaptureFixture) -> None:
    app = Socket()
    messages: list[Message] = [{"type": "websocket.disconnect", "code": 1006}]

    async def main() -> None:
        async def receive() -> Message:
            return messages.pop()

        async def send(_: Message) -> None:
            raise AssertionError("the client has left")

        scope = {"type": "websocket", "path": "/echo", "headers": [], "scheme": "ws"}
        await app(scope, receive, send)

    asyncio.run(main())
    assert caplog.records == []


def test_cancelled_connection_runs_finally_blocks_and_hooks_and_closes_with_1012() -> None:
    class Waiting(App):
        async def ws_index(self, ws: WebSocket) -> None:
            try:
                await asyncio.Event().wait()
            finally:
                log.append("finally")

    async def main() -> None:
        async def receive() -> Message:
            raise AssertionError("the handler receives no message")

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
    assert read_close(sent) == (1012, "The server stops")


# --- middleware ---


def create_app_behind_hooks(log: list[str], **results: Any) -> Socket:
    """Create an app behind the hooks a, b and c.

    `results["b_before"]` is what `before_websocket` of b returns or raises.
    """
    hooks = [SocketHook(name, log) for name in "abc"]
    for key, result in results.items():
        name, _, when = key.partition("_")
        setattr(hooks["abc".index(name)], when, result)
    app = Socket()
    app.ws_middlewares += hooks
    app.middlewares.append(Hook("http", log))  # HTTP middleware must not run
    return app


IN = ["before a", "before b", "before c"]
OUT = ["after c", "after b", "after a"]


@pytest.mark.parametrize(
    ("results", "path", "ran", "end"),
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
def test_middleware_runs_before_and_after_a_connection_however_it_ends(
    results: dict[str, Any], path: str, ran: list[str], end: tuple[int, str], caplog: pytest.LogCaptureFixture
) -> None:
    log: list[str] = []
    assert read_close(call_socket(create_app_behind_hooks(log, **results), path)) == end
    assert log == ran
    assert len(error_records(caplog)) == ("ValueError" in str(results) or end[0] == 1011)


class Rooms(Resource):
    async def ws_index(self, ws: WebSocket, name: str = "hall") -> None:
        await ws.close(4000, name)


class Inner(App):
    rooms = Rooms()


def test_middleware_of_a_nested_app_runs_inside_that_of_the_outer_app() -> None:
    log: list[str] = []
    outer, inner = create_app_behind_hooks(log), Inner()
    outer.inner = inner  # type: ignore[attr-defined]
    inner.ws_middlewares.append(SocketHook("inner", log))
    assert read_close(call_socket(outer, "/inner/rooms/den")) == (4000, "den")
    assert log == [*IN, "before inner", "after inner", *OUT]
    log.clear()
    inner.ws_middlewares[0] = SocketHook("inner", log, before={"code": 4001})
    assert read_close(call_socket(outer, "/inner/rooms/den")) == (4001, "")
    assert read_close(call_socket(outer, "/inner/nothing")) == (4001, "")
    assert read_close(call_socket(outer, "/")) == (1000, "")


# --- exceptions that end a connection ---


def test_connection_closed_that_a_handler_raises_ends_the_connection() -> None:
    class Ending(App):
        async def ws_index(self, ws: WebSocket) -> None:
            await ws.accept()
            raise ConnectionClosed(1001)

    assert [message["type"] for message in call_socket(Ending(), "/")] == ["websocket.accept"]


def test_invalid_message_that_a_handler_raises_closes_with_its_code(caplog: pytest.LogCaptureFixture) -> None:
    class Strict(App):
        async def ws_index(self, ws: WebSocket) -> None:
            await ws.accept()
            raise InvalidMessage("not like this", 1007)

    assert read_close(call_socket(Strict(), "/")) == (1007, "not like this")
    assert caplog.records == []


def test_client_that_does_not_read_cannot_delay_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
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
