"""These tests send and receive messages of every type, and report what is wrong with a message."""

from collections.abc import Callable
from datetime import date
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from micropie.conversion.unwrap_annotated import UnsupportedTypeError
from micropie.errors import ResponseError
from micropie.types import Message
from micropie.websockets.connection import WebSocket
from micropie.websockets.messages import (
    InvalidMessage,
    make_message_decoder,
    make_message_encoder,
    read_bytes,
    read_text,
)
from micropie.websockets.protocol import ConnectionClosed
from tests.support.event_loop import run

from .message_types import (
    Colour,
    Command,
    Key,
    Mood,
    Move,
    Noted,
    One,
    Options,
    Point,
    Quit,
    Room,
    Say,
    Short,
    StrictPoint,
    Two,
)
from .scripted_server import LEAVE, Server, binary, collect, open_connection, text

# --- Kinds of messages -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("read", "right", "wrong"), [(read_text, "a", b"a"), (read_bytes, b"a", "a")])
def test_content_of_the_expected_kind_is_returned_unchanged(read: Callable[[Any], Any], right: Any, wrong: Any) -> None:
    assert read(right) is right
    with pytest.raises(InvalidMessage):
        read(wrong)


# --- How types travel ------------------------------------------------------------------------------------------------

MESSAGES = [
    # In or Out, the value, the content of its message
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
def test_type_is_encoded_and_decoded_the_same_way(annotation: Any, value: object, wire: str | bytes) -> None:
    async def steps() -> tuple[Message, object]:
        server = Server(text(wire) if isinstance(wire, str) else binary(wire))
        ws = await open_connection(server, incoming=annotation, outgoing=annotation)
        await ws.send(value)
        return server.sent[0], await ws.receive()

    sent, received = run(steps())
    assert sent == {"type": "websocket.send", "text" if isinstance(wire, str) else "bytes": wire}
    assert type(sent["text" if isinstance(wire, str) else "bytes"]) is type(wire)
    assert received == value
    assert type(received) is type(value)


@pytest.mark.parametrize("value", [b"abc", bytearray(b"abc"), memoryview(b"abc")])
@pytest.mark.parametrize("outgoing", [bytes, bytes | Move])
def test_bytes_like_value_is_sent_as_a_binary_message(value: object, outgoing: Any) -> None:
    sent = make_message_encoder(outgoing)(value)
    assert sent == b"abc"
    assert type(sent) is bytes


class Insider(Move):
    secret: str = "s"


@pytest.mark.parametrize("value", [Insider(1), {"x": 1, "secret": "s"}])
def test_message_holds_only_the_declared_fields(value: object) -> None:
    assert make_message_encoder(Move)(value) == '{"type":"move","x":1,"y":0}'
    assert make_message_encoder(list[Move])([Move(2), value]) == (
        '[{"type":"move","x":2,"y":0},{"type":"move","x":1,"y":0}]'
    )


@pytest.mark.parametrize(
    ("outgoing", "value"), [(str, Move(1)), (str, {"a": 1}), (bytes, "a"), (Move, b"a"), (Move, {"y": 1}), (Move, 5)]
)
def test_message_that_does_not_fit_is_refused(outgoing: Any, value: object) -> None:
    with pytest.raises(ResponseError, match="does not fit the type that is sent"):
        make_message_encoder(outgoing)(value)


commands = st.one_of(
    st.builds(Move, st.integers(-(2**63), 2**64 - 1), st.integers(-(2**63), 2**64 - 1)),
    st.builds(Say, st.text(), st.lists(st.text())),
    st.builds(Quit),
)


@given(st.lists(commands, min_size=1))
def test_sent_values_are_received_as_equal_values(values: list[Command]) -> None:
    async def steps() -> list[Any]:
        there = Server()
        sender = await open_connection(there, outgoing=Command)
        for value in values:
            await sender.send(value)
        frames = [{**message, "type": "websocket.receive"} for message in there.sent]
        return await collect(await open_connection(Server(*frames, LEAVE), incoming=Command))

    assert run(steps()) == values


@given(st.text() | st.binary() | commands)
def test_bytes_and_json_of_one_union_are_distinguished(value: object) -> None:
    annotation = bytes | str | Command
    assert make_message_decoder(annotation)(make_message_encoder(annotation)(value)) == value


@pytest.mark.parametrize(
    "annotation",
    [Move | Point, 5, complex, dict[str, complex], Literal["a"] | Mood, bytes | bytearray, bytes | complex],
)
def test_unsupported_incoming_type_is_refused_before_any_message(annotation: Any) -> None:
    server = Server()
    with pytest.raises(UnsupportedTypeError):
        WebSocket(server.receive, server.send, incoming=annotation)


def test_outgoing_type_need_not_be_decodable() -> None:
    assert make_message_encoder(Move | Point)(Point(1.5)) == '{"x":1.5}'


@pytest.mark.parametrize("make", [make_message_decoder, make_message_encoder])
def test_decoder_and_encoder_are_made_once_per_type(make: Callable[[Any], object]) -> None:
    assert make(Command) is make(Move | Say | Quit)


# --- Messages that are not valid -------------------------------------------------------------------------------------

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
    (Any, text("9" * 5000), 1008, "A number is out of range"),
    (Any, text("1e999"), 1008, "A number is out of range"),
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
def test_invalid_message_closes_with_code_and_reason(annotation: Any, message: Message, code: int, reason: str) -> None:
    async def steps() -> None:
        server = Server(message, text("never read"))
        ws = await open_connection(server, incoming=annotation)
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
def test_reason_never_contains_what_the_client_sent(
    annotation: Any, message: Callable[[str], object], secret: str
) -> None:
    async def steps() -> str:
        server = Server(text(msgspec.json.encode(message(secret)).decode()))
        await collect(await open_connection(server, incoming=annotation))
        [(code, reason)] = server.closes
        assert code == 1008
        return reason

    assert not set(secret) & set(run(steps()))


def test_invalid_message_ends_the_iteration() -> None:
    async def steps() -> tuple[list[Any], int]:
        server = Server(text("1"), text("x"), text("2"))
        received = await collect(await open_connection(server, incoming=int))
        return received, server.closes[0][0]

    assert run(steps()) == ([1], 1007)


def test_long_reason_is_cut_but_keeps_the_place() -> None:
    class Form(msgspec.Struct):
        field: Annotated[str, msgspec.Meta(pattern="^" + "é" * 200)]

    async def steps() -> str:
        server = Server(text('{"field": "secret"}'))
        await collect(await open_connection(server, incoming=Form))
        return server.closes[0][1]

    reason = run(steps())
    assert reason.startswith("/field: Expected text matching '^é")
    assert 122 <= len(reason.encode()) <= 123


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
    (Any, text("9" * 5000), [("A number is out of range", "")]),
    (Colour, text('"blue"'), [("Expected one of 'red'", "")]),
    (Short, text("long"), [("Expected text of length <= 3", "")]),
    (str, binary(b""), [("Expected a text message, got a binary message", "")]),
    (Noted, text('{"type": "move"}'), [("Missing required field", "/x")]),
]  # fmt: skip


@pytest.mark.parametrize(("annotation", "message", "errors"), ERRORS)
def test_invalid_message_lists_every_error_with_its_pointer(
    annotation: Any, message: Message, errors: list[tuple[str, str]]
) -> None:
    with pytest.raises(InvalidMessage) as raised:
        make_message_decoder(annotation)(message.get("text", message.get("bytes")))
    assert [(error.detail, error.pointer) for error in raised.value.errors] == errors
    assert raised.value.errors is raised.value.errors


@pytest.mark.parametrize(("annotation", "message", "code", "reason"), INVALID)
def test_invalid_message_has_detail_code_and_problem(annotation: Any, message: Message, code: int, reason: str) -> None:
    with pytest.raises(InvalidMessage) as raised:
        make_message_decoder(annotation)(message.get("text", message.get("bytes")))
    assert (raised.value.code, raised.value.detail) == (code, reason)
    assert all(error.detail and error.pointer is not None for error in raised.value.errors)
    assert raised.value.problem()["errors"]
