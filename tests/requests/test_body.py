"""A body in memory is joined from its pieces, and its JSON is decoded strictly."""

import asyncio

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from micropie.errors import BadRequest
from micropie.requests.body import decode_json, parse_json_keys, read_whole_body
from micropie.requests.body_stream import BodyStream
from micropie.types import Message


@pytest.mark.parametrize("pieces", [[b""], [b"all"], [b"one", b"two", b"three"], [b"", b"one", b""]])
def test_body_in_several_pieces_is_read_whole(pieces: list[bytes]) -> None:
    messages = iter({"type": "http.request", "body": piece, "more_body": True} for piece in pieces)

    async def receive() -> Message:
        return next(messages, {"type": "http.request"})

    stream = BodyStream(receive, size=100, read_timeout=1.0, total_timeout=1.0)
    assert asyncio.run(read_whole_body(stream)) == b"".join(pieces)


MALFORMED = [
    b"", b"{", b"nope", b'{"a":1,}', b"\xff", b'"\xff"', b'"\\ud800"', b"\xef\xbb\xbf{}", b"[" * 20_000 + b"]" * 20_000,
    b"NaN", b"1e999", b"9" * 5000,
]  # fmt: skip


@pytest.mark.parametrize("body", MALFORMED)
def test_malformed_json_is_described(body: bytes) -> None:
    for read in (decode_json, parse_json_keys):
        with pytest.raises(BadRequest) as caught:
            read(body)
        detail = "A number is out of range" if body in (b"1e999", b"9" * 5000) else "Bad JSON"
        assert [(error.detail, error.pointer) for error in caught.value.errors] == [(detail, "")]


@pytest.mark.parametrize("body", [b"[1]", b"1", b'"x"', b"null"])
def test_json_that_is_not_an_object_has_no_keys(body: bytes) -> None:
    assert parse_json_keys(body) == {}


@given(st.dictionaries(st.text(), st.integers() | st.lists(st.text())))
def test_keys_of_an_object_keep_their_values_as_sent(value: dict[str, object]) -> None:
    keys = parse_json_keys(msgspec.json.encode(value))
    assert {name: msgspec.json.decode(raw) for name, raw in keys.items()} == value
    assert decode_json(msgspec.json.encode(value)) == value


def test_last_of_repeated_keys_wins() -> None:
    assert {name: bytes(raw) for name, raw in parse_json_keys(b'{"a":1,"b":2,"a":3}').items()} == {"a": b"3", "b": b"2"}
