"""WebSocket sessions carry messages both ways and report how they ended."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing, closing

import httpx2
import msgspec
import pytest

from micropie.testing import (
    AsyncTestClient,
    TestClient,
    WebSocketClosed,
    WebSocketRefused,
    WebSocketSession,
)
from micropie.types import ASGIApp, Message, Receive, Scope, Send

from .apps import ACCEPT, SOON, Broken, Echo, run, sends, sleeps, sleeps_after, ws


def test_session_sends_and_receives_all_kinds_of_messages() -> None:
    app = Echo()
    with (
        closing(TestClient(app)) as client,
        client.websocket_connect("/chat?a=1", subprotocols=["one", "two"], params={"b": "2"}) as session,
    ):
        assert (session.accepted_subprotocol, session.headers["x-echo"]) == ("two", "yes")
        session.send_text("text")
        assert session.receive_text() == "text"
        session.send_bytes(b"bytes")
        assert session.receive_bytes() == b"bytes"
        session.send_json({"a": 1})
        assert session.receive_json() == {"a": 1}
        session.send_bytes(b"[1]")
        assert session.receive_json(type=tuple[int]) == (1,)
        session.send({"type": "websocket.receive", "bytes": None, "text": ""})
        assert session.receive() == {"type": "websocket.send", "bytes": None, "text": "", "headers": []}
    assert app.received[-1] == {"type": "websocket.disconnect", "code": 1000, "reason": ""}


def test_async_session_sends_and_receives_all_kinds_of_messages() -> None:
    async def test() -> None:
        app = Echo()
        async with (
            aclosing(AsyncTestClient(app)) as client,
            client.websocket_connect("/chat") as session,
        ):
            assert (session.accepted_subprotocol, session.headers["x-echo"]) == (None, "yes")
            await session.send_text("text")
            assert await session.receive_text() == "text"
            await session.send_bytes(b"bytes")
            assert await session.receive_bytes() == b"bytes"
            await session.send_json([1])
            assert await session.receive_json(type=list[int]) == [1]
            await session.send_json({"a": 1})
            assert await session.receive_json() == {"a": 1}

    run(test)


def test_scope_of_a_session_has_the_url_headers_and_subprotocols() -> None:
    app = Echo()
    with (
        closing(TestClient(app, "https://example.org", cookies={"a": "b"}, headers={"X-One": "1"})) as client,
        client.websocket_connect("wss://example.org/a%20b?q", subprotocols=["x", "y"], cookies={"c": "d"}),
        client.websocket_connect("/", headers={"Origin": "null"}),
    ):
        pass
    first, second = app.scopes
    headers = dict(first["headers"])
    assert (first["type"], first["scheme"], first["server"]) == ("websocket", "wss", ("example.org", 443))
    assert (first["path"], first["raw_path"], first["query_string"]) == ("/a b", b"/a%20b", b"q")
    assert (first["subprotocols"], second["subprotocols"]) == (["x", "y"], [])
    assert first["extensions"] == {"websocket.http.response": {}}
    assert "method" not in first
    assert headers[b"upgrade"] == b"websocket"
    assert headers[b"sec-websocket-protocol"] == b"x, y"
    assert headers[b"cookie"] in {b"a=b; c=d", b"c=d; a=b"}
    assert headers[b"x-one"] == b"1"
    assert (b"origin", b"null") in second["headers"]


def test_message_of_the_other_kind_is_a_value_error() -> None:
    app = ws(ACCEPT, {"type": "websocket.send", "text": "a"}, {"type": "websocket.send", "bytes": b"a"})
    with closing(TestClient(app)) as client, client.websocket_connect("/") as session:
        with pytest.raises(ValueError, match="sent a text message"):
            session.receive_bytes()
        with pytest.raises(ValueError, match="sent a binary message"):
            session.receive_text()


def test_json_that_does_not_fit_the_type_is_a_validation_error() -> None:
    app = ws(ACCEPT, {"type": "websocket.send", "text": "[]"})
    with (
        closing(TestClient(app)) as client,
        client.websocket_connect("/") as session,
        pytest.raises(msgspec.ValidationError),
    ):
        session.receive_json(type=dict[str, int])


CLOSES: list[tuple[list[Message], int, str]] = [
    ([ACCEPT, {"type": "websocket.close"}], 1000, ""),
    ([ACCEPT, {"type": "websocket.close", "code": 1001, "reason": None}], 1001, ""),
    ([ACCEPT, {"type": "websocket.close", "code": 4000, "reason": "enough"}], 4000, "enough"),
    ([ACCEPT], 1006, ""),
]


@pytest.mark.parametrize(("messages", "code", "reason"), CLOSES)
def test_close_by_the_app_is_raised_by_receive_and_send(messages: list[Message], code: int, reason: str) -> None:
    with closing(TestClient(ws(*messages))) as client, client.websocket_connect("/") as session:
        actions: list[Callable[[], object]] = [
            session.receive_text,
            session.receive,
            lambda: session.send_text("late"),
        ]
        for action in actions:
            with pytest.raises(WebSocketClosed) as raised:
                action()
            assert (raised.value.code, raised.value.reason) == (code, reason)


@pytest.mark.parametrize(("messages", "code", "reason"), CLOSES)
def test_iteration_ends_at_a_normal_close_and_raises_any_other(messages: list[Message], code: int, reason: str) -> None:
    app = ws(ACCEPT, {"type": "websocket.send", "text": "a"}, {"type": "websocket.send", "bytes": b"b"}, *messages[1:])
    received: list[str | bytes] = []

    def iterate() -> None:
        with closing(TestClient(app)) as client, client.websocket_connect("/") as session:
            received.extend(session)

    async def iterate_async() -> None:
        async with aclosing(AsyncTestClient(app)) as client, client.websocket_connect("/") as session:
            received.extend([message async for message in session])

    if code in {1000, 1001}:
        iterate()
        run(iterate_async)
        assert received == ["a", b"b"] * 2
    else:
        with pytest.raises(WebSocketClosed):
            iterate()
        with pytest.raises(WebSocketClosed):
            run(iterate_async)


DENIAL: list[Message] = [
    {"type": "websocket.http.response.start", "status": 401, "headers": [(b"x-why", b"who?")]},
    {"type": "websocket.http.response.body", "body": b"log ", "more_body": True},
    {"type": "websocket.http.response.body", "body": b"in"},
]


REFUSALS: list[tuple[ASGIApp, type[Exception], tuple[object, ...]]] = [
    (ws({"type": "websocket.close"}), WebSocketRefused, (1000, "", 403)),
    (ws({"type": "websocket.close", "code": 1008, "reason": "no"}), WebSocketRefused, (1008, "no", 403)),
    (ws(*DENIAL), WebSocketRefused, (1006, "log in", 401)),
    (ws(), WebSocketRefused, (1006, "The app ended without accepting or refusing the handshake", 500)),
    (ws(error=Broken("early")), Broken, ("early",)),
    (ws({"type": "websocket.close"}, error=Broken("late")), Broken, ("late",)),
    (ws(*DENIAL[:1], error=Broken("amid")), Broken, ("amid",)),
    (ws(*DENIAL, error=Broken("late")), Broken, ("late",)),
    (
        ws({"type": "websocket.send", "text": "a"}),
        RuntimeError,
        (
            "The app sent 'websocket.send' in the state 'connecting'; "
            "expected 'websocket.accept' or 'websocket.close' or 'websocket.http.response.start'",
        ),
    ),
    (
        ws(ACCEPT, {"type": "websocket.send"}),
        ValueError,
        ("websocket.send: exactly one of 'text' and 'bytes' must be given",),
    ),
]


@pytest.mark.parametrize(("app", "error", "arguments"), REFUSALS)
def test_failed_handshake_raises_the_refusal_or_the_apps_error(
    app: ASGIApp, error: type[Exception], arguments: tuple[object, ...]
) -> None:
    with closing(TestClient(app)) as client, pytest.raises(error) as raised, client.websocket_connect("/") as session:
        session.receive()
    assert raised.value.args == arguments
    if isinstance(raised.value, WebSocketRefused):
        assert (raised.value.code, raised.value.reason, raised.value.status) == arguments
        assert raised.value.headers.get("x-why") == ("who?" if raised.value.status == 401 else None)


def test_failed_session_is_only_closed_without_raise_server_exceptions() -> None:
    with (
        closing(TestClient(ws(error=Broken()), raise_server_exceptions=False)) as client,
        pytest.raises(WebSocketRefused, match="500"),
        client.websocket_connect("/"),
    ):
        pass
    with (
        closing(TestClient(ws(ACCEPT, error=Broken()), raise_server_exceptions=False)) as client,
        pytest.raises(WebSocketClosed, match="1006"),
        client.websocket_connect("/") as session,
    ):
        session.receive()


def test_exception_in_a_session_is_raised_once_in_the_test() -> None:
    app = ws(ACCEPT, error=Broken("in the app"))
    with closing(TestClient(app)) as client:
        with client.websocket_connect("/") as session:
            with pytest.raises(Broken):
                session.receive()
            with pytest.raises(WebSocketClosed):
                session.receive()
        with client.websocket_connect("/") as session, pytest.raises(Broken):
            session.send_text("")
        with pytest.raises(Broken), client.websocket_connect("/"):
            pass


@pytest.mark.parametrize(
    ("leave", "code", "reason"),
    [
        (lambda session: None, 1000, ""),
        (lambda session: session.close(), 1000, ""),
        (lambda session: session.close(4001, "bye"), 4001, "bye"),
        (
            lambda session: session.send({"type": "websocket.disconnect", "code": 1006, "reason": "cable"}),
            1006,
            "cable",
        ),
    ],
)
def test_disconnect_is_received_after_all_messages(
    leave: Callable[[WebSocketSession], None], code: int, reason: str
) -> None:
    received: list[Message] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await sends(ACCEPT)(scope, receive, send)
        await asyncio.sleep(SOON)
        while not received or received[-1]["type"] != "websocket.disconnect":
            if received:
                await send({"type": "websocket.send", "text": "unread"})
            received.append(await receive())
        with pytest.raises(OSError, match="The client has left"):
            await send({"type": "websocket.send", "text": "too late"})
        received.append({"type": "the app ended"})

    with closing(TestClient(app)) as client:
        with client.websocket_connect("/") as session:
            session.send_text("1")
            session.send_text("2")
            leave(session)
        assert [message["type"] for message in received] == [
            "websocket.connect",
            "websocket.receive",
            "websocket.receive",
            "websocket.disconnect",
            "the app ended",
        ]
        assert received[3] == {"type": "websocket.disconnect", "code": code, "reason": reason}


def test_session_is_closed_after_leaving() -> None:
    with closing(TestClient(Echo())) as client, client.websocket_connect("/") as session:
        session.close(4001, "bye")
        with pytest.raises(WebSocketClosed, match="4001"):
            session.receive()
        with pytest.raises(WebSocketClosed, match="4001"):
            session.send_text("")


def test_app_that_closed_receives_its_own_code() -> None:
    received: list[Message] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await sends(ACCEPT, {"type": "websocket.close", "code": 4000, "reason": "r"})(scope, receive, send)
        received.append(await receive())

    with closing(TestClient(app)) as client, client.websocket_connect("/"):
        pass
    assert received == [{"type": "websocket.disconnect", "code": 4000, "reason": "r"}]


def test_session_can_be_used_after_a_read_timeout() -> None:
    with closing(TestClient(Echo(), timeout=SOON)) as client, client.websocket_connect("/x") as session:
        with pytest.raises(httpx2.ReadTimeout, match=r"WebSocket /x: the app sent nothing for 0\.05 s"):
            session.receive()
        session.send_text("still there")
        assert session.receive_text() == "still there"


def test_handshake_without_a_reply_times_out() -> None:
    with (
        closing(TestClient(sleeps, timeout=SOON)) as client,
        pytest.raises(httpx2.ReadTimeout),
        client.websocket_connect("/"),
    ):
        pass


def test_app_that_does_not_read_makes_the_sender_wait() -> None:
    with (
        closing(TestClient(sleeps_after(ACCEPT), timeout=SOON)) as client,
        client.websocket_connect("/") as session,
    ):
        for _ in range(1024 - 1):  # the handshake is the first that waits
            session.send_text("")
        with pytest.raises(httpx2.WriteTimeout, match="1024 messages wait"):
            session.send_text("")


def test_app_that_does_not_receive_cannot_send_for_ever_after_the_client_left() -> None:
    sent: list[int] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(ACCEPT)
        while True:
            await send({"type": "websocket.send", "text": "hello?"})
            sent.append(1)

    with closing(TestClient(app)) as client:
        with client.websocket_connect("/") as session:
            assert session.receive_text() == "hello?"
        assert 1024 <= len(sent) <= 3 * 1024
