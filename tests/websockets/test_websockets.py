"""A scripted server on the other side, tables of what may happen when, and the law that what is sent is received."""

import asyncio
import gc
import weakref
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from dataclasses import dataclass
from datetime import date
from enum import Enum, IntEnum, StrEnum
from typing import Annotated, Any, Literal, NewType, TypedDict, TypeVar, assert_type, get_args
from uuid import UUID

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from micropie.config import Limits
from micropie.conversion.unwrap_annotated import UnsupportedTypeError
from micropie.types import Message
from micropie.websockets.connection import MAX_MESSAGE, WebSocket
from micropie.websockets.messages import (
    InvalidMessage,
    make_message_decoder,
    make_message_encoder,
    read_bytes,
    read_text,
)
from micropie.websockets.protocol import ConnectionClosed

T = TypeVar("T")

# --- the other side ---------------------------------------------------------------------------------------------------

CONNECT: Message = {"type": "websocket.connect"}
LEAVE: Message = {"type": "websocket.disconnect", "code": 4001, "reason": "done"}


def text(data: str) -> Message:
    return {"type": "websocket.receive", "text": data}


def binary(data: bytes) -> Message:
    return {"type": "websocket.receive", "bytes": data}


class Server:
    """A server that has `script` to tell, and keeps what it was told. Once the script is over it waits for ever."""

    def __init__(self, *script: Message) -> None:
        self.script = list(script)
        self.sent: list[Message] = []
        self.fails: dict[str, Exception] = {}
        """What `send` raises, by the type of the message."""
        self.waiting = asyncio.Event()
        """Set when the app waits for a message that does not come."""
        self.cancelled = False

    async def receive(self) -> Message:
        if self.script:
            return self.script.pop(0)
        self.waiting.set()
        try:
            return await asyncio.Future()
        except asyncio.CancelledError:
            self.cancelled = True
            raise

    async def send(self, message: Message) -> None:
        if message["type"] in self.fails:
            raise self.fails[message["type"]]
        self.sent.append(message)

    @property
    def closes(self) -> list[tuple[int, str]]:
        return [(sent["code"], sent["reason"]) for sent in self.sent if sent["type"] == "websocket.close"]


def run(steps: Coroutine[Any, Any, T]) -> T:
    """Run `steps`; what waits for ever fails instead."""

    async def bounded() -> T:
        async with asyncio.timeout(20):
            return await steps

    return asyncio.run(bounded())


async def opened(server: Server, **options: Any) -> WebSocket[Any, Any]:
    server.script.insert(0, CONNECT)
    ws: WebSocket[Any, Any] = WebSocket(server.receive, server.send, **options)
    await ws.accept()
    server.sent.clear()
    return ws


async def collect(ws: WebSocket[Any, Any]) -> list[Any]:
    return [message async for message in ws]


# --- types that travel ------------------------------------------------------------------------------------------------


class Move(msgspec.Struct, tag="move"):
    x: int
    y: int = 0


class Say(msgspec.Struct, tag="say"):
    words: str
    to: list[str] = []


class Quit(msgspec.Struct, tag="quit", forbid_unknown_fields=True):
    pass


class One(msgspec.Struct, tag=1):
    n: int = 0


class Two(msgspec.Struct, tag=2):
    n: int = 0


@dataclass
class Point:
    x: float


class Options(TypedDict):
    loud: bool


class Colour(Enum):
    RED = "red"


class Code(IntEnum):
    ABNORMAL = 1006


class Mood(StrEnum):
    FINE = "fine"


class StrictPoint(msgspec.Struct):
    x: int

    def __post_init__(self) -> None:
        if self.x < 0:
            raise ValueError("must not be negative")


Room = NewType("Room", str)
Short = Annotated[str, msgspec.Meta(max_length=3)]
Key = Annotated[bytes, msgspec.Meta(max_length=3)]
Noted = Annotated[Move, {"a note": "that has no hash"}]
Command = Move | Say | Quit


# --- every state, every call ------------------------------------------------------------------------------------------

Call = Callable[[WebSocket[Any, Any]], Awaitable[object]]

CALLS: dict[str, Call] = {
    "accept": lambda ws: ws.accept(),
    "receive": lambda ws: ws.receive(),
    "receive_text": lambda ws: ws.receive_text(),
    "receive_bytes": lambda ws: ws.receive_bytes(),
    "receive_json": lambda ws: ws.receive_json(),
    "next": lambda ws: anext(ws),
    "send": lambda ws: ws.send("out"),
    "send_text": lambda ws: ws.send_text("out"),
    "send_bytes": lambda ws: ws.send_bytes(b"out"),
    "send_json": lambda ws: ws.send_json("out"),
    "close": lambda ws: ws.close(),
}


async def never_begun(server: Server) -> WebSocket[Any, Any]:
    server.script.insert(0, CONNECT)
    return WebSocket(server.receive, server.send)


async def not_accepted(server: Server) -> WebSocket[Any, Any]:
    ws = await never_begun(server)
    with pytest.raises(ValueError, match="name"):
        await ws.accept(headers=[("no name", "")])
    return ws


async def refused(server: Server) -> WebSocket[Any, Any]:
    ws = await never_begun(server)
    await ws.close(1008)
    return ws


async def closed_by_us(server: Server) -> WebSocket[Any, Any]:
    ws = await opened(server)
    await ws.close(1000)
    return ws


async def closed_by_client(server: Server) -> WebSocket[Any, Any]:
    ws = await opened(server)
    server.script.insert(0, LEAVE)
    with pytest.raises(ConnectionClosed):
        await ws.receive_text()
    return ws


RECEIVES = ("receive", "receive_text", "receive_bytes", "receive_json")
SENDS = ("send", "send_text", "send_bytes", "send_json")
UNANSWERED: dict[str, type[Exception] | None] = {
    "accept": None, "next": None, "close": None, **dict.fromkeys((*RECEIVES, *SENDS), RuntimeError)
}  # fmt: skip
OPEN: dict[str, type[Exception] | None] = {
    "accept": RuntimeError, "next": None, "close": None, **dict.fromkeys((*RECEIVES, *SENDS), None)
}  # fmt: skip
CLOSED: dict[str, type[Exception] | None] = {
    "accept": ConnectionClosed, "next": StopAsyncIteration, "close": None,
    **dict.fromkeys((*RECEIVES, *SENDS), ConnectionClosed),
}  # fmt: skip
STATES = {
    never_begun: UNANSWERED,
    not_accepted: UNANSWERED,
    opened: OPEN,
    refused: CLOSED,
    closed_by_us: CLOSED,
    closed_by_client: CLOSED,
}


@pytest.mark.parametrize(
    ("state", "call", "raised"),
    [(state, call, raised) for state, row in STATES.items() for call, raised in row.items()],
)
def test_a_call_is_answered_as_the_state_allows(
    state: Callable[[Server], Coroutine[Any, Any, WebSocket[Any, Any]]], call: str, raised: type[Exception] | None
) -> None:
    async def steps() -> None:
        server = Server(binary(b'"in"') if call == "receive_bytes" else text('"in"'))
        ws = await state(server)
        server.sent.clear()
        if raised is None:
            await CALLS[call](ws)
        else:
            with pytest.raises(raised):
                await CALLS[call](ws)
            assert server.sent == []

    run(steps())


@pytest.mark.parametrize(
    ("state", "accepted", "closed", "code", "reason"),
    [
        (never_begun, False, False, None, ""),
        (not_accepted, False, False, None, ""),
        (opened, True, False, None, ""),
        (refused, False, True, 1008, ""),
        (closed_by_us, False, True, 1000, ""),
        (closed_by_client, False, True, 4001, "done"),
    ],
)
def test_the_state_can_be_read(
    state: Callable[[Server], Coroutine[Any, Any, WebSocket[Any, Any]]],
    accepted: bool,
    closed: bool,
    code: int | None,
    reason: str,
) -> None:
    ws = run(state(Server()))
    assert (ws.accepted, ws.closed, ws.close_code, ws.close_reason) == (accepted, closed, code, reason)


@pytest.mark.parametrize(
    ("state", "call", "message"),
    [
        (never_begun, "send_text", "The WebSocket is still connecting: call `await ws.accept()` first"),
        (not_accepted, "receive", "The WebSocket is not accepted: call `await ws.accept()` first"),
        (opened, "accept", "The WebSocket is open: accept it once, before anything else"),
        (closed_by_us, "send", "The WebSocket is closed (1000)"),
        (closed_by_client, "send", "The WebSocket is closed (4001: done)"),
    ],
)
def test_a_refusal_names_the_state_and_the_remedy(
    state: Callable[[Server], Coroutine[Any, Any, WebSocket[Any, Any]]], call: str, message: str
) -> None:
    async def steps() -> str:
        ws = await state(Server())
        with pytest.raises((RuntimeError, ConnectionClosed)) as raised:
            await CALLS[call](ws)
        return str(raised.value)

    assert run(steps()) == message


@pytest.mark.parametrize("first", [text("too early"), {"type": "websocket.unheard-of"}])
def test_a_server_that_breaks_the_order_is_told(first: Message) -> None:
    async def steps() -> None:
        server = Server(first)
        with pytest.raises(RuntimeError, match="still connecting"):
            await WebSocket(server.receive, server.send).accept()

    run(steps())


def test_a_second_connect_is_out_of_order() -> None:
    async def steps() -> None:
        ws = await opened(Server(CONNECT))
        with pytest.raises(RuntimeError, match=r"open: 'websocket\.connect' from the server is out of order"):
            await ws.receive()

    run(steps())


# --- the handshake ----------------------------------------------------------------------------------------------------


async def handshake(ws: WebSocket[Any, Any], server: Server, **given: Any) -> Message:
    await ws.accept(**given)
    [sent] = server.sent
    return sent


COOKIE = (b"set-cookie", b"session_id=abc123; Path=/; HttpOnly; SameSite=Lax")


@pytest.mark.parametrize(
    ("arguments", "subprotocol", "headers"),
    [
        ({}, None, []),
        ({"subprotocol": "chat"}, "chat", []),
        ({"session_id": "abc123"}, None, [COOKIE]),
        ({"headers": [("X-Room", "lobby"), ("x-b", "\xe9")]}, None, [(b"x-room", b"lobby"), (b"x-b", b"\xe9")]),
        ({"headers": iter([("X-A", "1")]), "session_id": "abc123"}, None, [(b"x-a", b"1"), COOKIE]),
    ],
)  # fmt: skip
def test_accept_answers_the_handshake(
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
        await ws.accept("chat", "abc123")
        return ws

    ws = run(steps())
    assert (ws.subprotocol, ws.session_id) == ("chat", "abc123")


@pytest.mark.parametrize("session_id", [None, "abc123"])
def test_the_apps_hook_sets_the_session_cookie_in_its_own_way(session_id: str | None) -> None:
    asked: list[str | None] = []

    async def on_accept(session_id: str | None) -> list[tuple[str, str]]:
        asked.append(session_id)
        return [("Set-Cookie", "other=1; Secure")]

    server = Server(CONNECT)
    ws: WebSocket = WebSocket(server.receive, server.send, on_accept=on_accept)
    sent = run(handshake(ws, server, session_id=session_id, headers=[("x-a", "1")]))
    assert sent["headers"] == [(b"x-a", b"1"), (b"set-cookie", b"other=1; Secure")]
    assert asked == [session_id]


def test_the_apps_hook_is_not_asked_again_by_a_second_accept() -> None:
    async def steps() -> int:
        asked: list[str | None] = []

        async def on_accept(session_id: str | None) -> list[tuple[str, str]]:
            asked.append(session_id)
            return []

        ws = await opened(Server(), on_accept=on_accept)
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
        ({"headers": [("Upgrade", "websocket")]}, "server's own"),
        ({"session_id": "one; Domain=example.com"}, "session identifier"),
        ({"session_id": "one\r\n"}, "session identifier"),
        ({"session_id": ""}, "session identifier"),
        ({"subprotocol": "other"}, r"'other', only \['chat', 'superchat'\]"),
        ({"subprotocol": ""}, "subprotocol"),
    ],
)
def test_what_cannot_be_in_a_handshake_is_refused_and_nothing_is_sent(arguments: dict[str, Any], message: str) -> None:
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


def test_a_hooks_bad_header_is_refused_and_nothing_is_sent() -> None:
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
def test_the_clients_subprotocols_are_listed_in_its_order(
    scope: dict[str, Any] | None, offered: tuple[str, ...]
) -> None:
    server = Server()
    ws: WebSocket = WebSocket(server.receive, server.send, scope=scope)
    assert ws.subprotocols == offered


def test_a_scope_without_subprotocols_offers_none() -> None:
    async def steps() -> None:
        server = Server(CONNECT)
        with pytest.raises(ValueError, match="only \\[\\]"):
            await WebSocket(server.receive, server.send, scope={}).accept("chat")

    run(steps())


def test_a_client_that_leaves_before_the_answer_is_gone() -> None:
    async def steps() -> None:
        server = Server({"type": "websocket.disconnect", "code": 1006})
        ws: WebSocket = WebSocket(server.receive, server.send)
        with pytest.raises(ConnectionClosed) as raised:
            await ws.accept()
        assert (raised.value.code, ws.closed, server.sent) == (1006, True, [])

    run(steps())


def test_closing_before_accept_refuses_the_handshake() -> None:
    async def steps() -> list[Message]:
        server = Server(CONNECT)
        await WebSocket(server.receive, server.send).close(1008, "No such room")
        return server.sent

    assert run(steps()) == [{"type": "websocket.close", "code": 1008, "reason": "No such room"}]


# --- closing ----------------------------------------------------------------------------------------------------------


def test_closing_twice_sends_one_close() -> None:
    async def steps() -> tuple[Server, WebSocket[Any, Any]]:
        server = Server()
        ws = await opened(server)
        await ws.close()
        await ws.close(4000, "again")
        return server, ws

    server, ws = run(steps())
    assert server.sent == [{"type": "websocket.close", "code": 1000, "reason": ""}]
    assert ws.close_code == 1000


VALID_CODES = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999]
INVALID_CODES = [-1, 0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65536]


@pytest.mark.parametrize("code", VALID_CODES)
def test_a_close_code_that_may_be_sent_is_sent(code: int) -> None:
    async def steps() -> list[tuple[int, str]]:
        server = Server()
        await (await opened(server)).close(code)
        return server.closes

    assert run(steps()) == [(code, "")]


@pytest.mark.parametrize("code", INVALID_CODES)
@pytest.mark.parametrize("state", [opened, closed_by_us])
def test_a_close_code_that_must_not_be_sent_is_refused(
    code: int, state: Callable[[Server], Coroutine[Any, Any, WebSocket[Any, Any]]]
) -> None:
    async def steps() -> None:
        server = Server()
        ws = await state(server)
        server.sent.clear()
        with pytest.raises(ValueError, match=str(code)):
            await ws.close(code)
        assert server.sent == []

    run(steps())


@given(st.text(max_size=200))
@example("a" * 124)
@example("a" * 123)
@example("é" * 62)
@example("a" + "é" * 62)
@example("😀" * 31)
@example("aa" + "😀" * 31)
def test_a_reason_is_cut_to_the_most_whole_characters_that_fit(reason: str) -> None:
    async def steps() -> list[tuple[int, str]]:
        server = Server()
        await (await opened(server)).close(1000, reason)
        return server.closes

    [(_, sent)] = run(steps())
    assert reason.startswith(sent)
    assert len(sent.encode()) <= 123
    following = reason[len(sent) : len(sent) + 1]
    assert not following or len((sent + following).encode()) > 123


def test_a_reason_that_is_not_unicode_is_sent_as_far_as_it_is() -> None:
    async def steps() -> list[tuple[int, str]]:
        server = Server()
        await (await opened(server)).close(1000, "bad \ud800 text")
        return server.closes

    assert run(steps()) == [(1000, "bad ? text")]


def test_a_connection_closed_says_how() -> None:
    assert str(ConnectionClosed(1001, "going away")) == "The WebSocket is closed (1001: going away)"
    assert (ConnectionClosed().code, ConnectionClosed().reason) == (1005, "")


# --- what servers say -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "code", "reason"),
    [
        ({"type": "websocket.disconnect"}, 1005, ""),
        ({"type": "websocket.disconnect", "code": None, "reason": None}, 1005, ""),
        ({"type": "websocket.disconnect", "code": 1001}, 1001, ""),
        ({"type": "websocket.disconnect", "code": Code.ABNORMAL}, 1006, ""),
        ({"type": "websocket.disconnect", "code": 4001, "reason": "why"}, 4001, "why"),
    ],
)
def test_a_disconnect_carries_what_the_server_knows(message: Message, code: int, reason: str) -> None:
    async def steps() -> ConnectionClosed:
        ws = await opened(Server(message))
        with pytest.raises(ConnectionClosed) as raised:
            await ws.receive()
        return raised.value

    closed = run(steps())
    assert (closed.code, closed.reason) == (code, reason)
    assert type(closed.code) is int


@pytest.mark.parametrize(
    ("message", "received"),
    [
        ({"type": "websocket.receive", "text": "hello"}, "hello"),
        ({"type": "websocket.receive", "text": "hello", "bytes": None}, "hello"),
        ({"type": "websocket.receive", "text": ""}, ""),
        ({"type": "websocket.receive", "bytes": b"hello"}, b"hello"),
        ({"type": "websocket.receive", "bytes": b"hello", "text": None}, b"hello"),
        ({"type": "websocket.receive", "bytes": b""}, b""),
        ({"type": "websocket.receive", "bytes": bytearray(b"hello")}, b"hello"),
        ({"type": "websocket.receive", "bytes": memoryview(b"hello")}, b"hello"),
    ],
)
def test_text_and_bytes_are_told_apart_however_the_server_says_it(message: Message, received: str | bytes) -> None:
    async def steps() -> Any:
        return await (await opened(Server(message), incoming=str | bytes)).receive()

    value = run(steps())
    assert value == received
    assert type(value) is type(received)


@pytest.mark.parametrize(
    ("fails", "call"),
    [
        *((OSError("gone"), call) for call in ("send", "send_text", "send_bytes", "send_json")),
        (BrokenPipeError(), "send_text"),
        (RuntimeError("Unexpected ASGI message 'websocket.send', after sending 'websocket.close'."), "send_text"),
    ],
)
def test_sending_to_a_client_that_is_gone_raises_connection_closed(fails: Exception, call: str) -> None:
    async def steps() -> None:
        server = Server()
        ws = await opened(server)
        server.fails["websocket.send"] = fails
        with pytest.raises(ConnectionClosed) as raised:
            await CALLS[call](ws)
        assert (raised.value.code, raised.value.__cause__) == (1006, fails)
        assert ws.closed
        server.fails.clear()
        await ws.close()
        assert server.sent == []

    run(steps())


@pytest.mark.parametrize("fails", [OSError("gone"), RuntimeError("after sending 'websocket.close'")])
@pytest.mark.parametrize("state", [never_begun, opened])
def test_closing_a_connection_that_broke_is_no_error(
    fails: Exception, state: Callable[[Server], Coroutine[Any, Any, WebSocket[Any, Any]]]
) -> None:
    async def steps() -> WebSocket[Any, Any]:
        server = Server()
        ws = await state(server)
        server.fails["websocket.close"] = fails
        await ws.close(1001)
        return ws

    ws = run(steps())
    assert (ws.closed, ws.close_code) == (True, 1001)


class FussyServer(Server):
    """A server that closes with 1000 and 3000 to 4999 only, as daphne does."""

    async def send(self, message: Message) -> None:
        if message["type"] == "websocket.close" and message["code"] != 1000 and message["code"] < 3000:
            raise Exception("invalid close code")
        await super().send(message)


@pytest.mark.parametrize(
    ("code", "sent"), [(1000, 1000), (1001, 4001), (1008, 4008), (1014, 4014), (3000, 3000), (4999, 4999)]
)
def test_a_server_that_refuses_the_code_is_given_a_private_one(code: int, sent: int) -> None:
    async def steps() -> int | None:
        server = FussyServer()
        ws = await opened(server)
        await ws.close(code, "why")
        assert server.closes == [(sent, "why")]
        return ws.close_code

    assert run(steps()) == code


@pytest.mark.parametrize(("code", "tried"), [(1000, [1000]), (1008, [1008, 4008]), (3000, [3000])])
def test_a_server_that_cannot_close_at_all_is_heard(code: int, tried: list[int]) -> None:
    async def steps() -> list[int]:
        codes: list[int] = []
        ws = await opened(Server())

        async def send(message: Message) -> None:
            codes.append(message["code"])
            raise Exception("broken")

        ws._send = send
        with pytest.raises(Exception, match="broken"):
            await ws.close(code)
        return codes

    assert run(steps()) == tried


@pytest.mark.parametrize(
    ("fails", "raised", "closed"),
    [(OSError("gone"), ConnectionClosed, True), (RuntimeError("a bug"), RuntimeError, False)],
)
def test_accept_tells_a_client_that_is_gone_from_a_bug(fails: Exception, raised: type[Exception], closed: bool) -> None:
    async def steps() -> WebSocket:
        server = Server(CONNECT)
        server.fails["websocket.accept"] = fails
        ws: WebSocket = WebSocket(server.receive, server.send)
        with pytest.raises(raised):
            await ws.accept()
        return ws

    assert run(steps()).closed is closed


def test_a_send_that_fails_after_our_close_keeps_our_code() -> None:
    async def steps() -> int:
        server = Server()
        ws = await opened(server)
        held = asyncio.Event()

        async def slow_send(message: Message) -> None:
            if message["type"] == "websocket.send":
                await held.wait()
                raise OSError("closed meanwhile")

        ws._send = slow_send
        sending = asyncio.create_task(ws.send_text("slow"))
        await asyncio.sleep(0)
        await ws.close(4000)
        held.set()
        with pytest.raises(ConnectionClosed) as raised:
            await sending
        return raised.value.code

    assert run(steps()) == 4000


# --- receiving --------------------------------------------------------------------------------------------------------


def test_messages_are_iterated_until_the_client_leaves() -> None:
    async def steps() -> list[Any]:
        return await collect(await opened(Server(text("one"), text("two"), LEAVE)))

    assert run(steps()) == ["one", "two"]


def test_iterating_accepts_a_connection_that_was_not_accepted() -> None:
    async def steps() -> tuple[list[Any], list[Message]]:
        server = Server(CONNECT, text("one"), LEAVE)
        return await collect(WebSocket(server.receive, server.send)), server.sent

    received, sent = run(steps())
    assert received == ["one"]
    assert [message["type"] for message in sent] == ["websocket.accept"]


def test_iterating_a_connection_whose_client_never_stayed_ends() -> None:
    async def steps() -> list[Any]:
        server = Server(LEAVE)
        return await collect(WebSocket(server.receive, server.send))

    assert run(steps()) == []


def test_iteration_ends_after_our_own_close() -> None:
    async def steps() -> list[Any]:
        ws = await opened(Server(text("one"), text("two"), text("three")))
        received = []
        async for message in ws:
            received.append(message)
            if message == "two":
                await ws.close()
        return received

    assert run(steps()) == ["one", "two"]


@pytest.mark.parametrize(
    ("call", "message", "remedy"),
    [("receive_text", binary(b"\0"), "receive_bytes"), ("receive_bytes", text("x"), "receive_text")],
)
def test_the_other_kind_of_message_is_a_value_error_and_the_connection_goes_on(
    call: str, message: Message, remedy: str
) -> None:
    async def steps() -> None:
        ws = await opened(Server(message, text("next")))
        with pytest.raises(ValueError, match=r"^Expected a (text|binary) message, got") as caught:
            await CALLS[call](ws)
        assert caught.value.__notes__ == [f"{remedy}() takes those"]
        assert await ws.receive_text() == "next"

    run(steps())


@pytest.mark.parametrize(
    ("message", "annotation", "value"),
    [
        (text('{"x": 1.5}'), Point, Point(1.5)),
        (binary(b'{"x": 1.5}'), Point, Point(1.5)),
        (text('{"type": "quit"}'), Move | Quit, Quit()),
        (text('"text"'), str, "text"),
        (text('"aGVsbG8="'), bytes, b"hello"),
        (text("[1, null]"), Any, [1, None]),
        (text('{"type": "move", "x": 1}'), Noted, Move(1)),
    ],
)
def test_json_is_received_as_the_type_asked_for(message: Message, annotation: Any, value: object) -> None:
    async def steps() -> object:
        return await (await opened(Server(message))).receive_json(annotation)

    assert run(steps()) == value


@pytest.mark.parametrize(("read", "right", "wrong"), [(read_text, "a", b"a"), (read_bytes, b"a", "a")])
def test_a_kind_of_message_is_read_as_it_is(read: Callable[[Any], Any], right: Any, wrong: Any) -> None:
    assert read(right) is right
    with pytest.raises(InvalidMessage):
        read(wrong)


def test_json_is_any_value_unless_a_type_is_asked_for() -> None:
    async def steps() -> object:
        return await (await opened(Server(text('{"a": [1, "b"]}')))).receive_json()

    assert run(steps()) == {"a": [1, "b"]}


def test_json_that_does_not_fit_closes_the_connection() -> None:
    async def steps() -> list[tuple[int, str]]:
        server = Server(text('{"x": "secret"}'))
        ws = await opened(server)
        with pytest.raises(ConnectionClosed) as raised:
            await ws.receive_json(type=Point)
        assert isinstance(raised.value.__cause__, InvalidMessage)
        return server.closes

    assert run(steps()) == [(1008, "/x: Expected a number, got a string")]


# --- how types travel -------------------------------------------------------------------------------------------------

MESSAGES = [
    # In or Out, the value, how it travels
    (str, "hello", "hello"),
    (str, '{"not": "json"', '{"not": "json"'),
    (Room, Room("lobby"), "lobby"),
    (Short, "abc", "abc"),
    (Literal["ping", "pong"], "ping", "ping"),
    (Mood, Mood.FINE, "fine"),
    (bytes, b"\0\xff", b"\0\xff"),
    (Key, b"abc", b"abc"),
    (bytearray, bytearray(b"abc"), b"abc"),
    (str | bytes, "hello", "hello"),
    (str | bytes, b"hello", b"hello"),
    (bytes | Move, b"{}", b"{}"),
    (bytes | Move, Move(1), '{"type":"move","x":1,"y":0}'),
    (bytes | Move | Say, Say("hi"), '{"type":"say","words":"hi","to":[]}'),
    (Command, Move(1, 2), '{"type":"move","x":1,"y":2}'),
    (Point, Point(1.5), '{"x":1.5}'),
    (Options, {"loud": True}, '{"loud":true}'),
    (Colour, Colour.RED, '"red"'),
    (str | None, "null", '"null"'),
    (str | None, None, "null"),
    (str | Move, "hello", '"hello"'),
    (Literal["on", 1], "on", '"on"'),
    (int, 5, "5"),
    (date, date(2024, 2, 29), '"2024-02-29"'),
    (list[int], [1, 2], "[1,2]"),
    (dict[str, Move | Say], {"a": Move(1)}, '{"a":{"type":"move","x":1,"y":0}}'),
    (Any, "hello", '"hello"'),
    (Noted, Move(1), '{"type":"move","x":1,"y":0}'),
    (Annotated[str | None, msgspec.Meta(max_length=3)], None, "null"),
    (Annotated[str | bytes, msgspec.Meta(max_length=3)], "abc", "abc"),
    (Annotated[str | bytes, msgspec.Meta(max_length=3)], b"abc", b"abc"),
]  # fmt: skip


@pytest.mark.parametrize(("annotation", "value", "wire"), MESSAGES)
def test_a_type_travels_the_same_both_ways(annotation: Any, value: object, wire: str | bytes) -> None:
    async def steps() -> tuple[Message, object]:
        server = Server(text(wire) if isinstance(wire, str) else binary(wire))
        ws = await opened(server, incoming=annotation, outgoing=annotation)
        await ws.send(value)
        return server.sent[0], await ws.receive()

    sent, received = run(steps())
    assert sent == {"type": "websocket.send", "text" if isinstance(wire, str) else "bytes": wire}
    assert type(sent["text" if isinstance(wire, str) else "bytes"]) is type(wire)
    assert received == value
    assert type(received) is type(value)


@pytest.mark.parametrize("value", [b"abc", bytearray(b"abc"), memoryview(b"abc")])
@pytest.mark.parametrize("outgoing", [str, bytes, Move])
def test_anything_that_is_bytes_is_a_binary_message(value: object, outgoing: Any) -> None:
    sent = make_message_encoder(outgoing)(value)
    assert sent == b"abc"
    assert type(sent) is bytes


def test_what_is_no_text_is_sent_as_json_where_text_was_announced() -> None:
    assert make_message_encoder(str)(Move(1)) == '{"type":"move","x":1,"y":0}'


commands = st.one_of(
    st.builds(Move, st.integers(-(2**63), 2**64 - 1), st.integers(-(2**63), 2**64 - 1)),
    st.builds(Say, st.text(), st.lists(st.text())),
    st.builds(Quit),
)


@given(st.lists(commands, min_size=1))
def test_what_is_sent_is_what_is_received(values: list[Command]) -> None:
    async def steps() -> list[Any]:
        there = Server()
        sender = await opened(there, outgoing=Command)
        for value in values:
            await sender.send(value)
        frames = [{**message, "type": "websocket.receive"} for message in there.sent]
        return await collect(await opened(Server(*frames, LEAVE), incoming=Command))

    assert run(steps()) == values


@given(st.text() | st.binary() | commands)
def test_bytes_beside_json_are_told_apart(value: object) -> None:
    annotation = bytes | str | Command
    assert make_message_decoder(annotation)(make_message_encoder(annotation)(value)) == value


@pytest.mark.parametrize(
    "annotation",
    [Move | Point, 5, complex, dict[str, complex], Literal["a"] | Mood, bytes | bytearray, bytes | complex],
)
def test_a_type_that_cannot_be_received_is_refused_before_any_message(annotation: Any) -> None:
    server = Server()
    with pytest.raises(UnsupportedTypeError):
        WebSocket(server.receive, server.send, incoming=annotation)


@pytest.mark.parametrize("annotation", [Move | Point, complex])
def test_a_type_that_is_only_sent_need_not_be_readable(annotation: Any) -> None:
    assert make_message_encoder(annotation)(Point(1.5)) == '{"x":1.5}'


@pytest.mark.parametrize("make", [make_message_decoder, make_message_encoder])
def test_what_a_type_needs_is_made_once(make: Callable[[Any], object]) -> None:
    assert make(Command) is make(Move | Say | Quit)


# --- messages that are not valid --------------------------------------------------------------------------------------

INVALID = [
    # In, the message, the close code, the reason
    (Command, text("secret"), 1007, "JSON is malformed: invalid character (byte 0)"),
    (Command, text(""), 1007, "Input data was truncated"),
    (Command, text('{"type": "move", "x": 1'), 1007, "Input data was truncated"),
    (Command, text("\ufeff{}"), 1007, "JSON is malformed: invalid character (byte 0)"),
    (Command, text("NaN"), 1007, "JSON is malformed: invalid character (byte 0)"),
    (Command, text('{"type":"quit"} {}'), 1007, "JSON is malformed: trailing characters (byte 17)"),
    (Any, text("[" * 100_000), 1007, "JSON is nested too deeply"),
    (Any, text("[" * 100_000 + "]" * 100_000), 1007, "JSON is nested too deeply"),
    (Any, binary(b'"\xff"'), 1007, "Text is not valid UTF-8"),
    (Any, text('"\ud800"'), 1007, "Text is not valid UTF-8"),
    (Any, text("9" * 5000), 1008, "Bad JSON"),
    (Any, text("1e999"), 1008, "Bad JSON"),
    (Command, text("[]"), 1008, "Expected an object"),
    (Command, text('{"x": 1}'), 1008, "/type: Expected one of 'move', 'say', 'quit'"),
    (Command, text('{"type": "secret"}'), 1008, "/type: Expected one of 'move', 'say', 'quit'"),
    (One | Two, text('{"type": 99}'), 1008, "/type: Expected one of 1, 2"),
    (Command, text('{"type": "move", "x": "secret"}'), 1008, "/x: Expected an integer, got a string"),
    (Command, text('{"type": "say", "words": "", "to": ["a", 5]}'), 1008, "/to/1: Expected text, got a number"),
    (Command, text('{"type": "quit", "secret": 1}'), 1008, "/*: Unknown field"),
    (Colour, text('"secret"'), 1008, "Expected one of 'red'"),
    (list[Literal[1, 2]], text("[99]"), 1008, "/0: Expected one of 1, 2"),
    (dict[str, int], text('{"secret": "secret"}'), 1008, "/*: Expected an integer, got a string"),
    (dict[str, dict[int, int]], text('{"secret": {"secret": 1}}'), 1008, "/*/*: Expected the key to be an integer"),
    (list[StrictPoint], text('[{"x": -1}]'), 1008, "/0: must not be negative"),
    (dict[str, list[Move]], text('{"99": [{"type": "move", "x": "secret"}]}'), 1008,
     "/*/0/x: Expected an integer, got a string"),
    (UUID, text('"secret"'), 1008, "Expected a UUID"),
    (str, binary(b"secret"), 1008, "Expected a text message, got a binary message"),
    (bytes, text("secret"), 1008, "Expected a binary message, got a text message"),
    (Short, text("secret"), 1008, "Expected text of length <= 3"),
    (Key, binary(b"secret"), 1008, "Expected bytes of length <= 3"),
    (Literal["ping"], text("secret"), 1008, "Expected one of 'ping'"),
    (Mood, text("secret"), 1008, "Expected one of 'fine'"),
    (bytes | Move, text("secret"), 1007, "JSON is malformed: invalid character (byte 0)"),
]  # fmt: skip


@pytest.mark.parametrize(("annotation", "message", "code", "reason"), INVALID)
def test_a_message_that_does_not_fit_closes_with_the_reason(
    annotation: Any, message: Message, code: int, reason: str
) -> None:
    async def steps() -> None:
        server = Server(message, text("never read"))
        ws = await opened(server, incoming=annotation)
        with pytest.raises(ConnectionClosed) as raised:
            await ws.receive()
        assert server.closes == [(code, reason)]
        assert (raised.value.code, raised.value.reason) == (code, reason)
        cause = raised.value.__cause__
        assert isinstance(cause, InvalidMessage)
        assert (str(cause), cause.code) == (reason, code)

    run(steps())


ECHOES: list[tuple[Any, Callable[[str], object]]] = [
    (Command, lambda secret: secret),
    (Command, lambda secret: {"type": secret}),
    (Command, lambda secret: {"type": "move", "x": secret}),
    (Command, lambda secret: {"type": "quit", secret: secret}),
    (list[Quit], lambda secret: [{"type": "quit", secret: secret}]),
    (Colour, lambda secret: secret),
    (dict[str, Literal["a"]], lambda secret: {secret: secret}),
    (dict[Colour, Colour], lambda secret: {secret: secret}),
    (dict[str, dict[UUID, int]], lambda secret: {secret: {secret: 1}}),
    (tuple[int, str], lambda secret: [secret, secret]),
    (Annotated[str | None, msgspec.Meta(max_length=0)], lambda secret: secret),
    (date, lambda secret: secret),
]


@pytest.mark.parametrize(("annotation", "message"), ECHOES)
@given(st.text(st.characters(min_codepoint=0x4E00, max_codepoint=0x9FFF), min_size=1))
def test_a_reason_never_repeats_what_was_sent(annotation: Any, message: Callable[[str], object], secret: str) -> None:
    async def steps() -> str:
        server = Server(text(msgspec.json.encode(message(secret)).decode()))
        await collect(await opened(server, incoming=annotation))
        [(code, reason)] = server.closes
        assert code == 1008
        return reason

    assert not set(secret) & set(run(steps()))


def test_a_message_that_does_not_fit_ends_the_iteration() -> None:
    async def steps() -> tuple[list[Any], int]:
        server = Server(text("1"), text("x"), text("2"))
        received = await collect(await opened(server, incoming=int))
        return received, server.closes[0][0]

    assert run(steps()) == ([1], 1007)


def test_a_long_reason_is_cut_and_keeps_the_place() -> None:
    class Form(msgspec.Struct):
        field: Annotated[str, msgspec.Meta(pattern="^" + "é" * 200)]

    async def steps() -> str:
        server = Server(text('{"field": "secret"}'))
        await collect(await opened(server, incoming=Form))
        return server.closes[0][1]

    reason = run(steps())
    assert reason.startswith("/field: Expected text matching '^é")
    assert 122 <= len(reason.encode()) <= 123


def test_a_handler_of_ones_own_gets_bad_messages_and_reading_goes_on() -> None:
    async def steps() -> None:
        server = Server(text("x"), text("1"), text('"2"'), text("3"), LEAVE)
        ws = await opened(server, incoming=int)
        bad: list[InvalidMessage] = []
        ws.on_invalid = bad.append
        assert await collect(ws) == [1, 3]
        assert [(error.code, error.detail) for error in bad] == [
            (1007, "JSON is malformed: invalid character (byte 0)"),
            (1008, "Expected an integer, got a string"),
        ]
        assert server.sent == []

    run(steps())


def test_a_handler_of_ones_own_may_be_async_and_answer() -> None:
    async def steps() -> list[Message]:
        server = Server(text("x"), text("1"), LEAVE)
        ws = await opened(server, incoming=int)

        async def answer(error: InvalidMessage) -> None:
            await ws.send_json({"error": error.detail})

        ws.on_invalid = answer
        assert await ws.receive_json(int) == 1
        return server.sent

    [sent] = run(steps())
    assert sent["text"] == '{"error":"JSON is malformed: invalid character (byte 0)"}'


def test_a_handler_of_ones_own_may_close() -> None:
    async def steps() -> list[tuple[int, str]]:
        server = Server(text("x"), text("1"))
        ws = await opened(server, incoming=int)
        ws.on_invalid = lambda error: ws.close(4000, "enough")
        assert await collect(ws) == []
        return server.closes

    assert run(steps()) == [(4000, "enough")]


def test_what_a_handler_of_ones_own_raises_reaches_the_reader() -> None:
    def strict(error: InvalidMessage) -> None:
        raise error

    async def steps() -> None:
        ws = await opened(Server(text("x"), text("1")), incoming=int)
        ws.on_invalid = strict
        with pytest.raises(InvalidMessage):
            await collect(ws)
        assert await ws.receive() == 1

    run(steps())


# --- what is done about them ------------------------------------------------------------------------------------------


class Refused(msgspec.Struct, tag="refused"):
    where: list[str]


def places(invalid: InvalidMessage) -> Refused:
    return Refused([str(error.pointer) for error in invalid.errors])


async def places_later(invalid: InvalidMessage) -> Refused:
    await asyncio.sleep(0)
    return places(invalid)


WRONG_SAY = {"detail": "Expected text, got a number", "pointer": "/words"}
WRONG_TO = {"detail": "Expected text, got null", "pointer": "/to/1"}
REPLY = {"type": "invalid", "errors": [WRONG_SAY, WRONG_TO]}
CLOSE = (1008, "/words: Expected text, got a number")

POLICIES: list[tuple[Any, list[Any], list[tuple[int, str]]]] = [
    # the policy, what is answered, how it is closed
    (None, [], [CLOSE]),
    ("close", [], [CLOSE]),
    ("skip", [], []),
    ("reply", [REPLY], []),
    (places, [{"type": "refused", "where": ["/words", "/to/1"]}], []),
    (places_later, [{"type": "refused", "where": ["/words", "/to/1"]}], []),
    (lambda _: None, [], []),
    ([].append, [], []),
]


@pytest.mark.parametrize("declared", ["accept", "attribute"])
@pytest.mark.parametrize(("policy", "answers", "closes"), POLICIES)
def test_a_policy_says_what_becomes_of_a_message_that_does_not_fit(
    policy: Any, answers: list[Any], closes: list[tuple[int, str]], declared: str
) -> None:
    async def steps() -> None:
        bad, good = text('{"type": "say", "words": 5, "to": ["a", null]}'), text('{"type": "move", "x": 1}')
        server = Server(CONNECT, bad, good, LEAVE)
        ws: WebSocket[Any, Any] = WebSocket(server.receive, server.send, incoming=Command, outgoing=Refused)
        if declared == "accept":
            await ws.accept(on_invalid=policy)
        elif policy is not None:
            ws.on_invalid = policy
        assert await collect(ws) == ([] if closes else [Move(1)])
        sent = [msgspec.json.decode(message["text"]) for message in server.sent if "text" in message]
        assert (sent, server.closes) == (answers, closes)

    run(steps())


@pytest.mark.parametrize("call", ["receive", "receive_json"])
def test_a_policy_holds_for_every_way_to_receive_a_type(call: str) -> None:
    async def steps() -> list[Message]:
        server = Server(text("x"), text("1"))
        ws = await opened(server, incoming=int)
        ws.on_invalid = "reply"
        assert await CALLS[call](ws) == 1
        return server.sent

    [sent] = run(steps())
    malformed = {"detail": "JSON is malformed: invalid character (byte 0)", "pointer": ""}
    assert msgspec.json.decode(sent["text"]) == {"type": "invalid", "errors": [malformed]}


def test_whoever_asks_for_the_other_kind_of_message_is_told_whatever_the_policy_is() -> None:
    async def steps() -> list[Message]:
        server = Server(binary(b""))
        ws = await opened(server)
        ws.on_invalid = "skip"
        with pytest.raises(InvalidMessage) as raised:
            await ws.receive_text()
        assert raised.value.code == 1003
        return server.sent

    assert run(steps()) == []


@pytest.mark.parametrize("policy", ["", "clsoe", "Close", 5, None])
def test_what_is_no_policy_is_refused_where_it_is_declared(policy: Any) -> None:
    server = Server()
    ws: WebSocket = WebSocket(server.receive, server.send)
    with pytest.raises(ValueError, match=f"'close', 'reply', 'skip' or a function, not {policy!r}"):
        ws.on_invalid = policy
    assert ws.on_invalid == "close"


def test_a_policy_that_is_none_leaves_the_handshake_for_another_try() -> None:
    async def steps() -> None:
        server = Server(CONNECT)
        ws: WebSocket = WebSocket(server.receive, server.send)
        typo: Any = "clsoe"
        with pytest.raises(ValueError, match="clsoe"):
            await ws.accept(on_invalid=typo)
        assert server.sent == []
        await ws.accept(on_invalid="skip")
        assert ws.on_invalid == "skip"

    run(steps())


def test_a_client_that_leaves_before_it_is_answered_ends_the_iteration() -> None:
    async def steps() -> list[Any]:
        server = Server(text("x"), text("1"))
        ws = await opened(server, incoming=int)
        ws.on_invalid = "reply"
        server.fails["websocket.send"] = OSError("gone")
        return await collect(ws)

    assert run(steps()) == []


ERRORS = [
    # In, the message, every error
    (Command, text("x"), [("JSON is malformed: invalid character (byte 0)", "")]),
    (Command, text('{"type": "shout"}'), [("Expected one of 'move', 'say', 'quit'", "/type")]),
    (Command, text("{}"), [("Expected one of 'move', 'say', 'quit'", "/type")]),
    (Command, text('{"type": "move"}'), [("Missing required field", "/x")]),
    (Command, binary(b'{"type": "move", "x": "1", "y": []}'), [
        ("Expected an integer, got a string", "/x"), ("Expected an integer, got an array", "/y"),
    ]),
    (Command, text('{"type": "quit", "a/b": 1}'), [("Unknown field", "/a~1b")]),
    (bytes | Command, text('{"type": "move"}'), [("Missing required field", "/x")]),
    (list[StrictPoint], text('[{"x": 1}, {"x": -1}]'), [("must not be negative", "/1")]),
    (Any, text("9" * 5000), [("Bad JSON", "")]),
    (Colour, text('"blue"'), [("Expected one of 'red'", "")]),
    (Short, text("long"), [("Expected text of length <= 3", "")]),
    (str, binary(b""), [("Expected a text message, got a binary message", "")]),
    (Noted, text('{"type": "move"}'), [("Missing required field", "/x")]),
]  # fmt: skip


@pytest.mark.parametrize(("annotation", "message", "errors"), ERRORS)
def test_every_error_of_a_message_has_its_pointer(
    annotation: Any, message: Message, errors: list[tuple[str, str]]
) -> None:
    with pytest.raises(InvalidMessage) as raised:
        make_message_decoder(annotation)(message.get("text", message.get("bytes")))
    assert [(error.detail, error.pointer) for error in raised.value.errors] == errors
    assert raised.value.errors is raised.value.errors


@pytest.mark.parametrize(("annotation", "message", "code", "reason"), INVALID)
def test_whatever_is_wrong_can_be_told(annotation: Any, message: Message, code: int, reason: str) -> None:
    with pytest.raises(InvalidMessage) as raised:
        make_message_decoder(annotation)(message.get("text", message.get("bytes")))
    assert (raised.value.code, raised.value.detail) == (code, reason)
    assert all(error.detail and error.pointer is not None for error in raised.value.errors)
    assert raised.value.problem()["errors"]


# --- how large a message may be ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "size"),
    [(text("a" * 8), 8), (text("é" * 4), 8), (text("😀" * 2), 8), (text("\ud800ab"), 5), (binary(b"\0" * 8), 8)],
)
@pytest.mark.parametrize("call", ["receive", "receive_json", "receive_text", "receive_bytes"])
def test_a_message_over_the_limit_closes_1009(message: Message, size: int, call: str) -> None:
    async def steps() -> None:
        server = Server(message)
        ws = await opened(server, max_message=size - 1, incoming=str | bytes)
        with pytest.raises(ConnectionClosed) as raised:
            await CALLS[call](ws)
        assert raised.value.code == 1009
        assert server.closes == [(1009, f"Message larger than {size - 1} bytes")]

    run(steps())


@pytest.mark.parametrize("message", [text("a" * 8), text("é" * 4), text("😀" * 2), binary(b"\0" * 8)])
def test_a_message_at_the_limit_is_received(message: Message) -> None:
    async def steps() -> list[Any]:
        return await collect(await opened(Server(message, LEAVE), max_message=8, incoming=str | bytes))

    assert len(run(steps())) == 1


def test_the_limit_is_the_configured_default() -> None:
    async def steps() -> list[int]:
        server = Server(text("a" * MAX_MESSAGE), text("a" * (MAX_MESSAGE + 1)))
        received = await collect(await opened(server))
        return [len(message) for message in received] + [code for code, _ in server.closes]

    assert run(steps()) == [MAX_MESSAGE, 1009]
    assert Limits().websocket_message == MAX_MESSAGE


# --- several tasks ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("call", ["receive", "receive_text", "receive_bytes", "receive_json"])
def test_a_close_reaches_the_task_that_is_waiting_for_a_message(call: str) -> None:
    async def steps() -> None:
        server = Server()
        ws = await opened(server)
        reading = asyncio.ensure_future(CALLS[call](ws))
        await server.waiting.wait()
        await ws.close(4000, "kicked")
        with pytest.raises(ConnectionClosed) as raised:
            await reading
        assert (raised.value.code, raised.value.reason) == (4000, "kicked")
        assert server.cancelled
        assert server.closes == [(4000, "kicked")]

    run(steps())


def test_a_close_ends_the_iteration_of_another_task_and_its_cleanup_runs() -> None:
    async def steps() -> list[str]:
        server = Server(text("one"))
        ws = await opened(server)
        log: list[str] = []

        async def reader() -> None:
            try:
                async for message in ws:
                    log.append(message)
                log.append("ended")
            finally:
                await asyncio.sleep(0)
                log.append("cleaned up")

        reading = asyncio.create_task(reader())
        await server.waiting.wait()
        await ws.close()
        await reading
        assert reading.cancelling() == 0
        return log

    assert run(steps()) == ["one", "ended", "cleaned up"]


def test_a_close_reaches_a_task_that_waits_for_the_handshake() -> None:
    async def steps() -> None:
        server = Server()
        ws: WebSocket = WebSocket(server.receive, server.send)
        accepting = asyncio.create_task(ws.accept())
        await server.waiting.wait()
        await ws.close(1012)
        with pytest.raises(ConnectionClosed):
            await accepting
        assert server.closes == [(1012, "")]

    run(steps())


def test_a_close_while_the_apps_hook_runs_wins() -> None:
    async def steps() -> list[Message]:
        server = Server(CONNECT)

        async def on_accept(_: str | None) -> list[tuple[str, str]]:
            await ws.close(1008)
            return []

        ws: WebSocket = WebSocket(server.receive, server.send, on_accept=on_accept)
        with pytest.raises(ConnectionClosed):
            await ws.accept()
        return server.sent

    assert [message["type"] for message in run(steps())] == ["websocket.close"]


def test_a_cancelled_task_is_cancelled_and_the_connection_goes_on() -> None:
    async def steps() -> None:
        server = Server()
        ws = await opened(server)
        reading = asyncio.create_task(ws.receive())
        await server.waiting.wait()
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        server.script.append(text("later"))
        assert await ws.receive() == "later"

    run(steps())


@pytest.mark.parametrize("close_first", [True, False])
def test_a_task_that_is_cancelled_while_the_connection_is_closed_is_cancelled(close_first: bool) -> None:
    async def steps() -> None:
        server = Server()
        ws = await opened(server)
        reading = asyncio.create_task(ws.receive())
        await server.waiting.wait()
        if close_first:
            await ws.close()
            reading.cancel()
        else:
            reading.cancel()
            await ws.close()
        with pytest.raises(asyncio.CancelledError):
            await reading

    run(steps())


def test_a_close_reaches_a_task_that_reads_while_it_cleans_up_after_its_cancellation() -> None:
    async def steps() -> list[int]:
        server = Server()
        ws = await opened(server)
        codes: list[int] = []

        async def reader() -> str:
            try:
                return await asyncio.Future()
            finally:
                try:
                    await ws.receive()
                except ConnectionClosed as closed:
                    codes.append(closed.code)

        reading = asyncio.create_task(reader())
        await asyncio.sleep(0)
        reading.cancel()
        await server.waiting.wait()
        await ws.close(4000)
        with pytest.raises(asyncio.CancelledError):
            await reading
        return codes

    assert run(steps()) == [4000]


def test_a_message_that_arrives_as_the_connection_is_closed_is_dropped() -> None:
    async def steps() -> None:
        arriving: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        server = Server()
        ws = await opened(server)

        async def receive() -> Message:
            server.waiting.set()
            return await arriving

        ws._receive = receive
        reading = asyncio.create_task(ws.receive())
        await server.waiting.wait()
        arriving.set_result(text("too late"))
        await ws.close()
        with pytest.raises(ConnectionClosed):
            await reading

    run(steps())


def test_a_server_that_tells_of_our_own_close_does_not_change_it() -> None:
    async def steps() -> ConnectionClosed:
        told: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        ws = await opened(Server())

        async def receive() -> Message:
            # A receive that cannot be cancelled, and delivers the end after our close.
            with pytest.raises(asyncio.CancelledError):
                await told
            return {"type": "websocket.disconnect", "code": 1006}

        ws._receive = receive
        reading = asyncio.create_task(ws.receive())
        await asyncio.sleep(0)
        await ws.close(4000)
        with pytest.raises(ConnectionClosed) as raised:
            await reading
        return raised.value

    assert run(steps()).code == 4000


@pytest.mark.parametrize("call", ["accept", "next"])
def test_a_second_task_that_waits_for_the_handshake_is_refused(call: str) -> None:
    async def steps() -> None:
        server = Server()
        ws: WebSocket = WebSocket(server.receive, server.send)
        accepting = asyncio.create_task(ws.accept())
        await server.waiting.wait()
        with pytest.raises(RuntimeError, match="Another task"):
            await CALLS[call](ws)
        await ws.close()
        with pytest.raises(ConnectionClosed):
            await accepting

    run(steps())


def test_a_task_that_is_cancelled_in_the_handshake_may_try_again() -> None:
    async def steps() -> bool:
        server = Server()
        ws: WebSocket = WebSocket(server.receive, server.send)
        accepting = asyncio.create_task(ws.accept())
        await server.waiting.wait()
        accepting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await accepting
        server.script.append(CONNECT)
        await ws.accept()
        return ws.accepted

    assert run(steps())


@pytest.mark.parametrize("outer", [False, True])
def test_each_message_may_be_awaited_in_a_task_of_its_own(outer: bool) -> None:
    """As asyncio.wait_for does before Python 3.12: a close must reach the task that waits now, and no other."""

    async def steps() -> None:
        server = Server(text("one"))
        ws = await opened(server)
        messages = aiter(ws)
        if outer:
            assert await anext(messages) == "one"
        else:
            assert await asyncio.create_task(ws.receive()) == "one"
        waiting = asyncio.ensure_future(anext(messages))
        await server.waiting.wait()
        await ws.close()
        with pytest.raises(StopAsyncIteration):
            await waiting
        own = asyncio.current_task()
        assert own is not None
        assert own.cancelling() == 0

    run(steps())


def test_a_second_reader_is_refused() -> None:
    async def steps() -> None:
        server = Server()
        ws = await opened(server)
        reading = asyncio.create_task(ws.receive())
        await server.waiting.wait()
        with pytest.raises(RuntimeError, match="Another task"):
            await ws.receive()
        await ws.close()
        with pytest.raises(ConnectionClosed):
            await reading

    run(steps())


def test_a_timeout_around_a_receive_is_a_timeout() -> None:
    async def steps() -> None:
        server = Server()
        ws = await opened(server)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(ws.receive(), 0.01)
        server.script.append(text("later"))
        assert await ws.receive() == "later"

    run(steps())


# --- the class --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("annotation", "arguments"),
    [
        (WebSocket[Move], (Move, str)),
        (WebSocket[Move, Say], (Move, Say)),
        (WebSocket[Move | Quit, Move | Say], (Move | Quit, Move | Say)),
        (WebSocket[str, str], (str, str)),
    ],
)
def test_the_types_can_be_read_at_run_time(annotation: Any, arguments: tuple[Any, ...]) -> None:
    assert get_args(annotation) == arguments


def test_too_many_types_are_refused() -> None:
    generic: Any = WebSocket
    with pytest.raises(TypeError, match="Too many"):
        generic[str, str, str]


def test_a_subclass_may_have_parameters_of_its_own() -> None:
    class Same(WebSocket[T, T]):
        pass

    assert get_args(Same[int]) == (int,)
    assert get_args(Same.__orig_bases__[0]) == (T, T)  # type: ignore[attr-defined]  # typing puts it there


def test_an_idle_connection_has_no_dict_and_can_be_held_weakly() -> None:
    server = Server()
    ws: WebSocket = WebSocket(server.receive, server.send)
    assert not hasattr(ws, "__dict__")
    sockets = weakref.WeakSet([ws])
    del ws
    gc.collect()
    assert not list(sockets)


async def what_type_checkers_see(
    plain: WebSocket, one: WebSocket[Move], both: WebSocket[Move | Quit, Say], server: Server
) -> None:
    """Never run: mypy and pyright check it."""
    assert_type(plain, WebSocket[str, str])
    assert_type(one, WebSocket[Move, str])
    assert_type(WebSocket(server.receive, server.send), WebSocket[str, str])
    assert_type(await plain.receive(), str)
    assert_type(await both.receive(), Move | Quit)
    assert_type(await both.receive_json(Point), Point)
    assert_type(await both.receive_json(type=list[int]), list[int])
    assert_type(await both.receive_json(), Any)
    assert_type([message async for message in both], list[Move | Quit])
    await both.send(Say("hi"))
    await both.send("no Say")  # type: ignore[arg-type]  # Out is Say  # pyright: ignore[reportArgumentType]
    await plain.send("text")
