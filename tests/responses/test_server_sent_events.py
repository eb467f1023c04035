"""These tests encode server-sent events, and read them as a browser does."""

import json
import re
from enum import StrEnum
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from micropie.errors import ResponseError
from micropie.responses.server_sent_events import ServerSentEvent


class Tick(msgspec.Struct):
    n: int


class Level(StrEnum):
    LOW = "low"


EVENT_BYTES: list[tuple[ServerSentEvent[Any], bytes]] = [
    (ServerSentEvent(data="x"), b"data: x\n\n"),
    (ServerSentEvent(data=""), b"data: \n\n"),
    (ServerSentEvent(data=" x "), b"data:  x \n\n"),
    (ServerSentEvent(data="a\nb\r\nc\rd"), b"data: a\ndata: b\ndata: c\ndata: d\n\n"),
    (ServerSentEvent(data="a\n"), b"data: a\ndata: \n\n"),
    (ServerSentEvent(data="a\x0b\x0c\x1c\u2028b"), "data: a\x0b\x0c\x1c\u2028b\n\n".encode()),
    (ServerSentEvent(data="é"), "data: é\n\n".encode()),
    (ServerSentEvent(data=Tick(1)), b'data: {"n":1}\n\n'),
    (ServerSentEvent(data=Level.LOW), b'data: "low"\n\n'),
    (ServerSentEvent(data={"a": "x\ny"}), b'data: {"a":"x\\ny"}\n\n'),
    (ServerSentEvent(data=None), b"data: null\n\n"),
    (ServerSentEvent(data=0), b"data: 0\n\n"),
    (ServerSentEvent(data=b"x"), b'data: "eA=="\n\n'),
    (ServerSentEvent(event="tick", id="7", retry=1500, comment="hi"), b": hi\nevent: tick\nid: 7\nretry: 1500\n\n"),
    (ServerSentEvent(data="x", id=""), b"id: \ndata: x\n\n"),
    (ServerSentEvent(comment="a\r\nb"), b": a\n: b\n\n"),
    (ServerSentEvent(retry=0), b"retry: 0\n\n"),
    (ServerSentEvent(), b"\n"),
]


@pytest.mark.parametrize(("event", "sent"), EVENT_BYTES)
def test_event_is_encoded_as_in_the_html_standard(event: ServerSentEvent[Any], sent: bytes) -> None:
    assert event.encode() == sent


@pytest.mark.parametrize(
    "fields",
    [{"event": "a\nb"}, {"event": "a\rb"}, {"id": "a\nb"}, {"id": "a\r"}, {"id": "a\0"}, {"retry": -1}],
    ids=repr,
)
def test_invalid_event_field_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"ServerSentEvent {next(iter(fields))} must be "):
        ServerSentEvent(data="x", **fields)


@pytest.mark.parametrize(("data", "named"), [(object(), "builtins.object"), ("\ud800", "UTF-8")])
def test_data_that_cannot_be_sent_is_named(data: object, named: str) -> None:
    with pytest.raises(ResponseError, match=named):
        ServerSentEvent(data=data).encode()


def test_event_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        ServerSentEvent(data="x").data = "y"  # type: ignore[misc]  # the error is the test


def read_as_browser(stream: str) -> tuple[str | None, str, str | None]:
    """Return (data, event, id) of a stream with one event, by the rules of HTML §9.2.6. `data` is None without data."""
    data, event, last_id = "", "", None
    for line in re.split("\r\n|\r|\n", stream):
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match name:
            case "data":
                data += value + "\n"
            case "event":
                event = value
            case "id":
                last_id = value
            case _:
                pass
    return (data.removesuffix("\n") if data else None), event or "message", last_id


LINE = st.text(alphabet=st.characters(blacklist_categories=["Cs"], blacklist_characters="\r\n\0"))
TEXT = st.text(alphabet=st.one_of(st.sampled_from("\r\n: \u2028"), st.characters(blacklist_categories=["Cs"])))


@given(st.one_of(st.none(), TEXT), LINE, st.one_of(st.none(), LINE), st.one_of(st.none(), TEXT))
def test_browser_reads_the_text_that_was_sent(
    text: str | None, name: str, last_id: str | None, comment: str | None
) -> None:
    given_fields: dict[str, Any] = {} if text is None else {"data": text}
    event = ServerSentEvent(event=name, id=last_id, comment=comment, **given_fields)
    expected = None if text is None else re.sub("\r\n|\r", "\n", text)
    assert read_as_browser(event.encode().decode()) == (expected, name or "message", last_id)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**53), 2**53), lambda x: st.lists(x) | st.dictionaries(LINE, x)
    )
)
def test_browser_reads_the_json_that_was_sent(value: object) -> None:
    text, _, _ = read_as_browser(ServerSentEvent(data=value).encode().decode())
    assert text is not None
    assert json.loads(text) == value
