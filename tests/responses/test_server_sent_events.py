"""Server-sent events: what is sent, and what a browser reads."""

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
def test_an_event_is_sent_as_the_html_standard_has_it(event: ServerSentEvent[Any], sent: bytes) -> None:
    assert event.encode() == sent


@pytest.mark.parametrize(
    "fields",
    [{"event": "a\nb"}, {"event": "a\rb"}, {"id": "a\nb"}, {"id": "a\r"}, {"id": "a\0"}, {"retry": -1}],
    ids=repr,
)
def test_a_field_that_would_end_its_line_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"ServerSentEvent {next(iter(fields))} must be "):
        ServerSentEvent(data="x", **fields)


@pytest.mark.parametrize(("data", "named"), [(object(), "builtins.object"), ("\ud800", "UTF-8")])
def test_an_event_that_is_no_data_is_named(data: object, named: str) -> None:
    with pytest.raises(ResponseError, match=named):
        ServerSentEvent(data=data).encode()


def test_an_event_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        ServerSentEvent(data="x").data = "y"  # type: ignore[misc]  # that is what is tested


def as_a_browser_reads(stream: str) -> tuple[str | None, str, str | None]:
    """(data, event, id) of a stream of one event, by the rules of HTML §9.2.6. No data: nothing is dispatched."""
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
def test_a_browser_reads_what_was_meant(text: str | None, name: str, last_id: str | None, comment: str | None) -> None:
    given_fields: dict[str, Any] = {} if text is None else {"data": text}
    event = ServerSentEvent(event=name, id=last_id, comment=comment, **given_fields)
    meant = None if text is None else re.sub("\r\n|\r", "\n", text)
    assert as_a_browser_reads(event.encode().decode()) == (meant, name or "message", last_id)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**53), 2**53), lambda x: st.lists(x) | st.dictionaries(LINE, x)
    )
)
def test_a_browser_reads_the_data_that_was_meant(value: object) -> None:
    text, _, _ = as_a_browser_reads(ServerSentEvent(data=value).encode().decode())
    assert text is not None
    assert json.loads(text) == value
