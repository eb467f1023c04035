"""`on_invalid` decides what happens to a message that does not fit."""

import asyncio
from typing import Any

import msgspec
import pytest

from micropie.types import Message
from micropie.websockets.connection import WebSocket
from micropie.websockets.messages import (
    InvalidMessage,
)
from tests.support.event_loop import run

from .message_types import Command, Move
from .scripted_server import CALLS, CONNECT, LEAVE, Server, binary, collect, open_connection, text


def test_function_gets_invalid_messages_and_reading_goes_on() -> None:
    async def steps() -> None:
        server = Server(text("x"), text("1"), text('"2"'), text("3"), LEAVE)
        ws = await open_connection(server, incoming=int)
        bad: list[InvalidMessage] = []
        ws.on_invalid = bad.append
        assert await collect(ws) == [1, 3]
        assert [(error.code, error.detail) for error in bad] == [
            (1007, "JSON is malformed: invalid character (byte 0)"),
            (1008, "Expected an integer, got a string"),
        ]
        assert server.sent == []

    run(steps())


def test_function_may_be_async_and_send() -> None:
    async def steps() -> list[Message]:
        server = Server(text("x"), text("1"), LEAVE)
        ws = await open_connection(server, incoming=int)

        async def reply(error: InvalidMessage) -> None:
            await ws.send_json({"error": error.detail})

        ws.on_invalid = reply
        assert await ws.receive_json(int) == 1
        return server.sent

    [sent] = run(steps())
    assert sent["text"] == '{"error":"JSON is malformed: invalid character (byte 0)"}'


def test_function_may_close_the_connection() -> None:
    async def steps() -> list[tuple[int, str]]:
        server = Server(text("x"), text("1"))
        ws = await open_connection(server, incoming=int)
        ws.on_invalid = lambda error: ws.close(4000, "enough")
        assert await collect(ws) == []
        return server.closes

    assert run(steps()) == [(4000, "enough")]


def test_error_of_a_function_reaches_the_reader() -> None:
    def strict(error: InvalidMessage) -> None:
        raise error

    async def steps() -> None:
        ws = await open_connection(Server(text("x"), text("1")), incoming=int)
        ws.on_invalid = strict
        with pytest.raises(InvalidMessage):
            await collect(ws)
        assert await ws.receive() == 1

    run(steps())


class Refused(msgspec.Struct, tag="refused"):
    where: list[str]


def list_places(invalid: InvalidMessage) -> Refused:
    return Refused([str(error.pointer) for error in invalid.errors])


async def list_places_later(invalid: InvalidMessage) -> Refused:
    await asyncio.sleep(0)
    return list_places(invalid)


WRONG_SAY = {"detail": "Expected text, got a number", "pointer": "/words"}
WRONG_TO = {"detail": "Expected text, got null", "pointer": "/to/1"}
REPLY = {"type": "invalid", "errors": [WRONG_SAY, WRONG_TO]}
CLOSE = (1008, "/words: Expected text, got a number")
POLICIES: list[tuple[Any, list[Any], list[tuple[int, str]]]] = [
    # the policy, the replies, the close
    (None, [], [CLOSE]),
    ("close", [], [CLOSE]),
    ("skip", [], []),
    ("reply", [REPLY], []),
    (list_places, [{"type": "refused", "where": ["/words", "/to/1"]}], []),
    (list_places_later, [{"type": "refused", "where": ["/words", "/to/1"]}], []),
    (lambda _: None, [], []),
    ([].append, [], []),
]


@pytest.mark.parametrize("declared", ["accept", "attribute"])
@pytest.mark.parametrize(("policy", "replies", "closes"), POLICIES)
def test_policy_decides_on_reply_and_close(
    policy: Any, replies: list[Any], closes: list[tuple[int, str]], declared: str
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
        assert (sent, server.closes) == (replies, closes)

    run(steps())


@pytest.mark.parametrize("call", ["receive", "receive_json"])
def test_policy_applies_to_every_receiving_method(call: str) -> None:
    async def steps() -> list[Message]:
        server = Server(text("x"), text("1"))
        ws = await open_connection(server, incoming=int)
        ws.on_invalid = "reply"
        assert await CALLS[call](ws) == 1
        return server.sent

    [sent] = run(steps())
    malformed = {"detail": "JSON is malformed: invalid character (byte 0)", "pointer": ""}
    assert msgspec.json.decode(sent["text"]) == {"type": "invalid", "errors": [malformed]}


def test_wrong_kind_of_message_raises_under_any_policy() -> None:
    async def steps() -> list[Message]:
        server = Server(binary(b""))
        ws = await open_connection(server)
        ws.on_invalid = "skip"
        with pytest.raises(InvalidMessage) as raised:
            await ws.receive_text()
        assert raised.value.code == 1003
        return server.sent

    assert run(steps()) == []


@pytest.mark.parametrize("policy", ["", "clsoe", "Close", 5, None])
def test_unknown_policy_is_refused_when_it_is_set(policy: Any) -> None:
    server = Server()
    ws: WebSocket = WebSocket(server.receive, server.send)
    with pytest.raises(ValueError, match=f"'close', 'reply', 'skip' or a function, not {policy!r}"):
        ws.on_invalid = policy
    assert ws.on_invalid == "close"


def test_accept_can_be_retried_after_an_unknown_policy() -> None:
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


def test_client_that_left_before_the_reply_ends_the_iteration() -> None:
    async def steps() -> list[Any]:
        server = Server(text("x"), text("1"))
        ws = await open_connection(server, incoming=int)
        ws.on_invalid = "reply"
        server.fails["websocket.send"] = OSError("gone")
        return await collect(ws)

    assert run(steps()) == []
