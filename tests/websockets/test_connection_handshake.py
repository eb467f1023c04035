"""`accept` replies to the handshake with a subprotocol, headers and the session cookie."""

from collections.abc import Iterable
from typing import Any

import pytest

from micropie.types import Message
from micropie.websockets.connection import WebSocket
from micropie.websockets.protocol import ConnectionClosed
from tests.support.event_loop import run

from .scripted_server import CONNECT, Server, open_connection


async def handshake(ws: WebSocket[Any, Any], server: Server, **given: Any) -> Message:
    await ws.accept(**given)
    [sent] = server.sent
    return sent


ID = "abc" * 14
COOKIE = (b"set-cookie", b"session_id=" + ID.encode() + b"; Path=/; HttpOnly; SameSite=Lax")


@pytest.mark.parametrize(
    ("arguments", "subprotocol", "headers"),
    [
        ({}, None, []),
        ({"subprotocol": "chat"}, "chat", []),
        ({"session_id": ID}, None, [COOKIE]),
        ({"headers": [("X-Room", "lobby"), ("x-b", "\xe9")]}, None, [(b"x-room", b"lobby"), (b"x-b", b"\xe9")]),
        ({"headers": iter([("X-A", "1")]), "session_id": ID}, None, [(b"x-a", b"1"), COOKIE]),
    ],
)  # fmt: skip
def test_accept_sends_the_subprotocol_and_the_headers(
    arguments: dict[str, Any], subprotocol: str | None, headers: list[tuple[bytes, bytes]]
) -> None:
    server = Server(CONNECT)
    ws: WebSocket = WebSocket(server.receive, server.send)
    assert run(handshake(ws, server, **arguments)) == {
        "type": "websocket.accept",
        "subprotocol": subprotocol,
        "headers": headers,
    }
    assert ws.subprotocol == subprotocol
    assert ws.session_id == arguments.get("session_id")


def test_accept_takes_the_documented_positional_arguments() -> None:
    async def steps() -> WebSocket:
        server = Server(CONNECT)
        ws: WebSocket = WebSocket(server.receive, server.send)
        await ws.accept("chat", ID)
        return ws

    ws = run(steps())
    assert (ws.subprotocol, ws.session_id) == ("chat", ID)


@pytest.mark.parametrize("session_id", [None, ID])
def test_on_accept_hook_replaces_the_session_cookie(session_id: str | None) -> None:
    asked: list[str | None] = []

    async def on_accept(session_id: str | None) -> list[tuple[str, str]]:
        asked.append(session_id)
        return [("Set-Cookie", "other=1; Secure")]

    server = Server(CONNECT)
    ws: WebSocket = WebSocket(server.receive, server.send, on_accept=on_accept)
    sent = run(handshake(ws, server, session_id=session_id, headers=[("x-a", "1")]))
    assert sent["headers"] == [(b"x-a", b"1"), (b"set-cookie", b"other=1; Secure")]
    assert asked == [session_id]


def test_on_accept_hook_runs_once() -> None:
    async def steps() -> int:
        asked: list[str | None] = []

        async def on_accept(session_id: str | None) -> list[tuple[str, str]]:
            asked.append(session_id)
            return []

        ws = await open_connection(Server(), on_accept=on_accept)
        with pytest.raises(RuntimeError):
            await ws.accept()
        return len(asked)

    assert run(steps()) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"headers": [("x-a", "one\r\nset-cookie: two")]}, "'x-a'"),
        ({"headers": [("x-a", "one\ntwo")]}, "'x-a'"),
        ({"headers": [("x-a", "one\0two")]}, "'x-a'"),
        ({"headers": [("x-a", "\u0142")]}, "'x-a'"),
        ({"headers": [("x a", "1")]}, "'x a'"),
        ({"headers": [("x-a\r\n", "1")]}, "name"),
        ({"headers": [("", "1")]}, "name"),
        ({"headers": [("Sec-WebSocket-Protocol", "chat")]}, r"accept\(subprotocol="),
        ({"headers": [("Upgrade", "websocket")]}, "Only the server sets"),
        ({"session_id": "one; Domain=example.com"}, "session identifier"),
        ({"session_id": "one\r\n"}, "session identifier"),
        ({"session_id": ""}, "session identifier"),
        ({"session_id": "x" * 21}, "session identifier"),
        ({"session_id": "x" * 129}, "session identifier"),
        ({"session_id": "x" * 21 + "+"}, "session identifier"),
        ({"session_id": "x" * 21 + "é"}, "session identifier"),
        ({"subprotocol": "other"}, r"'other', only \['chat', 'superchat'\]"),
        ({"subprotocol": ""}, "subprotocol"),
    ],
)
def test_invalid_handshake_argument_is_refused_and_nothing_is_sent(arguments: dict[str, Any], message: str) -> None:
    async def steps() -> None:
        server = Server(CONNECT)
        scope = {"subprotocols": ["chat", "superchat"]}
        ws: WebSocket = WebSocket(server.receive, server.send, scope=scope)
        with pytest.raises(ValueError, match=message):
            await ws.accept(**arguments)
        assert server.sent == []
        await ws.accept("superchat")
        assert ws.accepted

    run(steps())


def test_invalid_header_of_the_hook_is_refused_and_nothing_is_sent() -> None:
    async def on_accept(_: str | None) -> Iterable[tuple[str, str]]:
        return [("x-a", "secret\r\n")]

    async def steps() -> None:
        server = Server(CONNECT)
        ws: WebSocket = WebSocket(server.receive, server.send, on_accept=on_accept)
        with pytest.raises(ValueError, match="'x-a'") as raised:
            await ws.accept()
        assert "secret" not in str(raised.value)
        assert server.sent == []

    run(steps())


@pytest.mark.parametrize(
    ("scope", "offered"),
    [
        (None, ()),
        ({}, ()),
        ({"subprotocols": None}, ()),
        ({"subprotocols": ["b", "a"]}, ("b", "a")),
        ({"subprotocols": ["b, a", "c"]}, ("b", "a", "c")),
    ],
)
def test_subprotocols_are_listed_in_the_clients_order(scope: dict[str, Any] | None, offered: tuple[str, ...]) -> None:
    server = Server()
    ws: WebSocket = WebSocket(server.receive, server.send, scope=scope)
    assert ws.subprotocols == offered


def test_scope_without_subprotocols_refuses_any() -> None:
    async def steps() -> None:
        server = Server(CONNECT)
        with pytest.raises(ValueError, match="only \\[\\]"):
            await WebSocket(server.receive, server.send, scope={}).accept("chat")

    run(steps())


def test_client_that_left_before_accept_raises_connection_closed() -> None:
    async def steps() -> None:
        server = Server({"type": "websocket.disconnect", "code": 1006})
        ws: WebSocket = WebSocket(server.receive, server.send)
        with pytest.raises(ConnectionClosed) as raised:
            await ws.accept()
        assert (raised.value.code, ws.closed, server.sent) == (1006, True, [])

    run(steps())


def test_close_before_accept_refuses_the_handshake() -> None:
    async def steps() -> list[Message]:
        server = Server(CONNECT)
        await WebSocket(server.receive, server.send).close(1008, "No such room")
        return server.sent

    assert run(steps()) == [{"type": "websocket.close", "code": 1008, "reason": "No such room"}]
