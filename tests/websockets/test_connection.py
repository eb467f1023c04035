"""A connection allows each call in the right states, and evens out the differences between servers."""

import asyncio
import gc
import weakref
from collections.abc import Callable, Coroutine
from typing import Any, assert_type, get_args

import pytest

from micropie.config import Limits
from micropie.types import Message
from micropie.websockets.connection import MAX_MESSAGE, WebSocket
from micropie.websockets.messages import (
    InvalidMessage,
)
from micropie.websockets.protocol import ConnectionClosed
from tests.support.event_loop import run

from .message_types import Code, Move, Noted, Point, Quit, Say
from .scripted_server import (
    CALLS,
    CONNECT,
    LEAVE,
    Server,
    T,
    binary,
    closed_by_client,
    closed_by_us,
    collect,
    create_connection,
    not_accepted,
    open_connection,
    refused,
    text,
)

# --- States ----------------------------------------------------------------------------------------------------------

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
    create_connection: UNANSWERED,
    not_accepted: UNANSWERED,
    open_connection: OPEN,
    refused: CLOSED,
    closed_by_us: CLOSED,
    closed_by_client: CLOSED,
}


@pytest.mark.parametrize(
    ("state", "call", "raised"),
    [(state, call, raised) for state, row in STATES.items() for call, raised in row.items()],
)
def test_call_succeeds_or_raises_as_the_state_allows(
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
        (create_connection, False, False, None, ""),
        (not_accepted, False, False, None, ""),
        (open_connection, True, False, None, ""),
        (refused, False, True, 1008, ""),
        (closed_by_us, False, True, 1000, ""),
        (closed_by_client, False, True, 4001, "done"),
    ],
)
def test_state_is_readable_as_attributes(
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
        (create_connection, "send_text", "The WebSocket is still connecting: call `await ws.accept()` first"),
        (not_accepted, "receive", "The WebSocket is not accepted: call `await ws.accept()` first"),
        (open_connection, "accept", "The WebSocket is open: accept it once, before anything else"),
        (closed_by_us, "send", "The WebSocket is closed (1000)"),
        (closed_by_client, "send", "The WebSocket is closed (4001: done)"),
    ],
)
def test_refused_call_names_the_state_and_the_remedy(
    state: Callable[[Server], Coroutine[Any, Any, WebSocket[Any, Any]]], call: str, message: str
) -> None:
    async def steps() -> str:
        ws = await state(Server())
        with pytest.raises((RuntimeError, ConnectionClosed)) as raised:
            await CALLS[call](ws)
        return str(raised.value)

    assert run(steps()) == message


@pytest.mark.parametrize("first", [text("too early"), {"type": "websocket.unheard-of"}])
def test_server_message_out_of_order_raises_runtime_error(first: Message) -> None:
    async def steps() -> None:
        server = Server(first)
        with pytest.raises(RuntimeError, match="still connecting"):
            await WebSocket(server.receive, server.send).accept()

    run(steps())


def test_second_connect_raises_runtime_error() -> None:
    async def steps() -> None:
        ws = await open_connection(Server(CONNECT))
        with pytest.raises(RuntimeError, match=r"open: 'websocket\.connect' from the server is out of order"):
            await ws.receive()

    run(steps())


def test_second_close_sends_nothing() -> None:
    async def steps() -> tuple[Server, WebSocket[Any, Any]]:
        server = Server()
        ws = await open_connection(server)
        await ws.close()
        await ws.close(4000, "again")
        return server, ws

    server, ws = run(steps())
    assert server.sent == [{"type": "websocket.close", "code": 1000, "reason": ""}]
    assert ws.close_code == 1000


# --- Differences between servers -------------------------------------------------------------------------------------


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
def test_disconnect_raises_with_the_servers_code_and_reason(message: Message, code: int, reason: str) -> None:
    async def steps() -> ConnectionClosed:
        ws = await open_connection(Server(message))
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
def test_text_and_bytes_are_distinguished_for_every_server(message: Message, received: str | bytes) -> None:
    async def steps() -> Any:
        return await (await open_connection(Server(message), incoming=str | bytes)).receive()

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
def test_send_after_the_client_left_raises_connection_closed(fails: Exception, call: str) -> None:
    async def steps() -> None:
        server = Server()
        ws = await open_connection(server)
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
@pytest.mark.parametrize("state", [create_connection, open_connection])
def test_close_of_a_broken_connection_raises_nothing(
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
    """A server that accepts no close codes but 1000 and 3000 to 4999, as daphne."""

    async def send(self, message: Message) -> None:
        if message["type"] == "websocket.close" and message["code"] != 1000 and message["code"] < 3000:
            raise Exception("invalid close code")
        await super().send(message)


@pytest.mark.parametrize(
    ("code", "sent"), [(1000, 1000), (1001, 4001), (1008, 4008), (1014, 4014), (3000, 3000), (4999, 4999)]
)
def test_server_that_refuses_the_code_gets_a_private_code(code: int, sent: int) -> None:
    async def steps() -> int | None:
        server = FussyServer()
        ws = await open_connection(server)
        await ws.close(code, "why")
        assert server.closes == [(sent, "why")]
        return ws.close_code

    assert run(steps()) == code


@pytest.mark.parametrize(("code", "tried"), [(1000, [1000]), (1008, [1008, 4008]), (3000, [3000])])
def test_error_of_a_server_that_cannot_close_is_raised(code: int, tried: list[int]) -> None:
    async def steps() -> list[int]:
        codes: list[int] = []
        ws = await open_connection(Server())

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
def test_accept_distinguishes_a_client_that_left_from_a_server_error(
    fails: Exception, raised: type[Exception], closed: bool
) -> None:
    async def steps() -> WebSocket:
        server = Server(CONNECT)
        server.fails["websocket.accept"] = fails
        ws: WebSocket = WebSocket(server.receive, server.send)
        with pytest.raises(raised):
            await ws.accept()
        return ws

    assert run(steps()).closed is closed


def test_send_that_fails_after_our_close_keeps_our_code() -> None:
    async def steps() -> int:
        server = Server()
        ws = await open_connection(server)
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


# --- Receiving -------------------------------------------------------------------------------------------------------


def test_iteration_yields_messages_until_the_client_leaves() -> None:
    async def steps() -> list[Any]:
        return await collect(await open_connection(Server(text("one"), text("two"), LEAVE)))

    assert run(steps()) == ["one", "two"]


def test_iteration_accepts_the_connection() -> None:
    async def steps() -> tuple[list[Any], list[Message]]:
        server = Server(CONNECT, text("one"), LEAVE)
        return await collect(WebSocket(server.receive, server.send)), server.sent

    received, sent = run(steps())
    assert received == ["one"]
    assert [message["type"] for message in sent] == ["websocket.accept"]


def test_iteration_ends_if_the_client_left_during_the_handshake() -> None:
    async def steps() -> list[Any]:
        server = Server(LEAVE)
        return await collect(WebSocket(server.receive, server.send))

    assert run(steps()) == []


def test_iteration_ends_after_our_own_close() -> None:
    async def steps() -> list[Any]:
        ws = await open_connection(Server(text("one"), text("two"), text("three")))
        received = []
        async for message in ws:
            received.append(message)
            if message == "two":
                await ws.close()
        return received

    assert run(steps()) == ["one", "two"]


@pytest.mark.parametrize(
    ("call", "message", "remedy"),
    [
        ("receive_text", binary(b"\0"), "Call receive_bytes() for binary messages"),
        ("receive_bytes", text("x"), "Call receive_text() for text messages"),
    ],
)
def test_other_kind_of_message_raises_value_error_and_the_connection_stays_open(
    call: str, message: Message, remedy: str
) -> None:
    async def steps() -> None:
        ws = await open_connection(Server(message, text("next")))
        with pytest.raises(ValueError, match=r"^Expected a (text|binary) message, got") as caught:
            await CALLS[call](ws)
        assert caught.value.__notes__ == [remedy]
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
def test_receive_json_returns_the_type_that_it_is_given(message: Message, annotation: Any, value: object) -> None:
    async def steps() -> object:
        return await (await open_connection(Server(message))).receive_json(annotation)

    assert run(steps()) == value


def test_receive_json_without_a_type_returns_any_value() -> None:
    async def steps() -> object:
        return await (await open_connection(Server(text('{"a": [1, "b"]}')))).receive_json()

    assert run(steps()) == {"a": [1, "b"]}


def test_receive_json_closes_the_connection_for_a_value_that_does_not_fit() -> None:
    async def steps() -> list[tuple[int, str]]:
        server = Server(text('{"x": "secret"}'))
        ws = await open_connection(server)
        with pytest.raises(ConnectionClosed) as raised:
            await ws.receive_json(type=Point)
        assert isinstance(raised.value.__cause__, InvalidMessage)
        return server.closes

    assert run(steps()) == [(1008, "/x: Expected a number, got a string")]


# --- The size of a message -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "size"),
    [(text("a" * 8), 8), (text("é" * 4), 8), (text("😀" * 2), 8), (text("\ud800ab"), 5), (binary(b"\0" * 8), 8)],
)
@pytest.mark.parametrize("call", ["receive", "receive_json", "receive_text", "receive_bytes"])
def test_message_over_the_limit_closes_with_1009(message: Message, size: int, call: str) -> None:
    async def steps() -> None:
        server = Server(message)
        ws = await open_connection(server, max_message=size - 1, incoming=str | bytes)
        with pytest.raises(ConnectionClosed) as raised:
            await CALLS[call](ws)
        assert raised.value.code == 1009
        assert server.closes == [(1009, f"Message larger than {size - 1} bytes")]

    run(steps())


@pytest.mark.parametrize("message", [text("a" * 8), text("é" * 4), text("😀" * 2), binary(b"\0" * 8)])
def test_message_at_the_limit_is_received(message: Message) -> None:
    async def steps() -> list[Any]:
        return await collect(await open_connection(Server(message, LEAVE), max_message=8, incoming=str | bytes))

    assert len(run(steps())) == 1


def test_default_limit_is_that_of_limits() -> None:
    async def steps() -> list[int]:
        server = Server(text("a" * MAX_MESSAGE), text("a" * (MAX_MESSAGE + 1)))
        received = await collect(await open_connection(server))
        return [len(message) for message in received] + [code for code, _ in server.closes]

    assert run(steps()) == [MAX_MESSAGE, 1009]
    assert Limits().websocket_message == MAX_MESSAGE


# --- The class -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("annotation", "arguments"),
    [
        (WebSocket[Move], (Move, str)),
        (WebSocket[Move, Say], (Move, Say)),
        (WebSocket[Move | Quit, Move | Say], (Move | Quit, Move | Say)),
        (WebSocket[str, str], (str, str)),
    ],
)
def test_type_arguments_are_readable_at_run_time(annotation: Any, arguments: tuple[Any, ...]) -> None:
    assert get_args(annotation) == arguments


def test_third_type_argument_is_refused() -> None:
    generic: Any = WebSocket
    with pytest.raises(TypeError, match="Too many"):
        generic[str, str, str]


def test_subclass_may_have_other_type_parameters() -> None:
    class Same(WebSocket[T, T]):
        pass

    assert get_args(Same[int]) == (int,)
    assert get_args(Same.__orig_bases__[0]) == (T, T)  # type: ignore[attr-defined]  # typing puts it there


def test_connection_has_no_dict_and_can_be_referenced_weakly() -> None:
    server = Server()
    ws: WebSocket = WebSocket(server.receive, server.send)
    assert not hasattr(ws, "__dict__")
    sockets = weakref.WeakSet([ws])
    del ws
    gc.collect()
    assert not list(sockets)


async def check_static_types(
    plain: WebSocket, one: WebSocket[Move], both: WebSocket[Move | Quit, Say], server: Server
) -> None:
    """Never runs. mypy and pyright check it."""
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
