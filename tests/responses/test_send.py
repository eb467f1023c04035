"""These tests send bodies of every kind, and check the ASGI messages."""

import asyncio
import dataclasses
import re
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from micropie.errors import ResponseError
from micropie.responses.encoding import encode_body
from micropie.responses.send import NO_CONTENT, send_response
from micropie.types import Message
from tests.responses.bodies import BODIES, UNSENDABLE


def send_and_record(
    body: object,
    status: int = 200,
    headers: Any = (),
    *,
    method: str = "GET",
    fail_on: str | None = None,
    failure: Exception | None = None,
    sent: list[Message] | None = None,
) -> list[Message]:
    """Return the messages that `send_response` sends, and append them to `sent`.

    The server raises `failure` on the message of type `fail_on`.
    """
    messages: list[Message] = [] if sent is None else sent

    async def send(message: Message) -> None:
        if message["type"] == fail_on and failure is not None:
            raise failure
        messages.append(message)

    async def receive() -> Message:
        raise AssertionError("only the handler may read the request's body")

    scope = {"type": "http", "method": method, "headers": []}
    asyncio.run(send_response(scope, receive, send, status, body, headers))
    return messages


def head(message: Message) -> set[tuple[bytes, bytes]]:
    """Return the headers of a start message, which must not hold one twice."""
    headers = list(message["headers"])
    assert len(set(headers)) == len(headers)
    return set(headers)


HTML = (b"content-type", b"text/html; charset=utf-8")
JSON = (b"content-type", b"application/json")


def length(count: int) -> tuple[bytes, bytes]:
    return (b"content-length", str(count).encode())


@pytest.mark.parametrize(("body", "named"), UNSENDABLE)
@pytest.mark.parametrize("headers", [(), [("A", "b")]], ids=["alone", "with headers"])
def test_body_that_is_not_data_is_named_and_nothing_is_sent(body: object, named: str, headers: object) -> None:
    sent: list[Message] = []
    with pytest.raises(ResponseError, match=re.escape(named)):
        encode_body(body)
    with pytest.raises(ResponseError, match=re.escape(named)):
        send_and_record(body, headers=headers, sent=sent)
    assert sent == []


def test_headers_may_be_an_iterator() -> None:
    names = [f"x-{number}" for number in range(4)]
    for _ in range(2):  # the first time none of them is cached, and then all are
        start = send_and_record("x", 200, ((name, "1") for name in names))[0]
        assert [name.decode() for name, _ in start["headers"]][-4:] == names


def test_headers_stay_correct_when_their_cache_is_full() -> None:
    for number in range(3000):
        headers = [("X-Id", str(number)), ("X-Same", "same"), ("Content-Type", "text/plain")]
        sent = send_and_record("x", 200, headers)[0]["headers"]
        assert {(b"x-id", b"%d" % number), (b"x-same", b"same"), (b"content-type", b"text/plain")} < set(sent)


@pytest.mark.parametrize(("body", "payload", "content_type"), BODIES)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize("headers", [[], [("X-A", "b")]], ids=["alone", "with a header"])
def test_buffered_body_is_sent_with_its_length_and_type(
    body: object, payload: bytes, content_type: bytes | None, method: str, headers: list[tuple[str, str]]
) -> None:
    start, end = send_and_record(body, 201, headers, method=method)
    assert (start["type"], start["status"]) == ("http.response.start", 201)
    expected = {length(len(payload)), *([(b"x-a", b"b")] if headers else [])}
    assert head(start) == expected | ({(b"content-type", content_type)} if content_type else set())
    assert end == {"type": "http.response.body", "body": b"" if method == "HEAD" else payload}


# headers of the handler, headers that are sent beside the length of "hello"
OVERRIDES = [
    ([("Content-Type", "text/css")], {(b"content-type", b"text/css")}),
    ([("CONTENT-TYPE", "text/css")], {(b"content-type", b"text/css")}),
    ([("Content-Length", "999")], {HTML}),
    ([("Transfer-Encoding", "chunked")], {HTML}),
    ([("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")], {HTML, (b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")}),
    ([("Location", "/x")], {HTML, (b"location", b"/x")}),
]


@pytest.mark.parametrize(("headers", "expected"), OVERRIDES)
def test_handlers_headers_win_except_over_the_length(
    headers: list[tuple[str, str]], expected: set[tuple[bytes, bytes]]
) -> None:
    before = list(headers)
    start, _ = send_and_record("hello", headers=headers)
    assert head(start) == expected | {length(5)}
    assert headers == before


@pytest.mark.parametrize("body", ["text", {"a": 1}, b"x"])
@pytest.mark.parametrize("header", [("X\n", "v"), ("X", "v\r\nSet-Cookie: a=b"), ("X", "日本"), ("X", "\0")])
def test_invalid_header_stops_the_whole_response(body: object, header: tuple[str, str]) -> None:
    sent: list[Message] = []
    with pytest.raises(ResponseError):
        send_and_record(body, headers=[("Ok", "1"), header], sent=sent)
    assert sent == []


def test_header_lists_are_not_shared_between_messages() -> None:
    first, second = (send_and_record({"a": 1})[0]["headers"] for _ in range(2))
    first.append((b"set-cookie", b"session_id=mine"))
    assert second == [JSON, length(7)]


def unwanted() -> str:
    raise AssertionError("a stream that is not sent must not begin")


async def stream() -> AsyncIterator[str]:
    yield unwanted()


def sync_stream() -> Iterator[str]:
    yield unwanted()


@pytest.mark.parametrize("status", [100, 101, 199, 204, 304])
@pytest.mark.parametrize(
    "body",
    [lambda: None, lambda: "text", lambda: {"a": 1}, lambda: Path(__file__), stream, sync_stream],
    ids=["None", "text", "data", "file", "stream", "sync stream"],
)
def test_status_without_content_has_no_body_and_no_content_headers(status: int, body: Callable[[], object]) -> None:
    headers = [("Content-Length", "4"), ("Content-Type", "text/css"), ("ETag", '"1"')]
    start, end = send_and_record(body(), status, headers)
    assert start == {"type": "http.response.start", "status": status, "headers": [(b"etag", b'"1"')]}
    assert end == {"type": "http.response.body", "body": b""}


def test_no_content_statuses_are_those_of_rfc_9110() -> None:
    assert {100, 101, 103, 199, 204, 304} <= NO_CONTENT
    assert not {200, 201, 205, 206, 301, 400} & NO_CONTENT


@pytest.mark.parametrize("make", [stream, sync_stream])
@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([], {HTML}),
        ([("Content-Type", "application/jsonl")], {(b"content-type", b"application/jsonl")}),
        ([("Content-Length", "12")], {HTML, (b"content-length", b"12")}),
        ([("Transfer-Encoding", "chunked")], {HTML}),
    ],
)
def test_head_does_not_begin_a_stream(
    make: Callable[[], object], headers: list[tuple[str, str]], expected: set[tuple[bytes, bytes]]
) -> None:
    start, end = send_and_record(make(), headers=headers, method="HEAD")
    assert head(start) == expected
    assert end == {"type": "http.response.body", "body": b""}


def test_streams_and_files_are_sent_too() -> None:
    async def letters() -> AsyncIterator[str]:
        yield "a"
        yield "b"

    start, *chunks, end = send_and_record(
        letters(), headers=[("Transfer-Encoding", "chunked"), ("Content-Length", "2")]
    )
    assert head(start) == {HTML, length(2)}
    assert [chunk["body"] for chunk in chunks] == [b"a", b"b"]
    assert end == {"type": "http.response.body", "body": b"", "more_body": False}
    start, end = send_and_record(Path(__file__))
    assert end["body"] == Path(__file__).read_bytes()


@pytest.mark.parametrize("listen", [False, True])
@pytest.mark.parametrize("headers", [[], [("A", "b")]])
@pytest.mark.parametrize("body", ["stream", "file"])
def test_receive_is_awaited_only_with_listen(
    listen: bool, headers: list[tuple[str, str]], body: str, tmp_path: Path
) -> None:
    asked = 0

    async def receive() -> Message:
        nonlocal asked
        asked += 1
        await asyncio.Event().wait()
        return {}

    async def send(message: Message) -> None:
        await asyncio.sleep(0)  # a turn in which a listener begins to listen

    async def letters() -> AsyncIterator[str]:
        yield "a"

    (tmp_path / "large").write_bytes(bytes(10**6))
    scope = {"type": "http", "method": "GET", "headers": []}
    sent = letters() if body == "stream" else tmp_path / "large"
    asyncio.run(send_response(scope, receive, send, 200, sent, headers, listen=listen))
    assert asked == listen


@dataclasses.dataclass
class Countdown:
    """A class that is data as a dataclass, and a stream as an iterator."""

    left: int

    def __iter__(self) -> "Countdown":
        return self

    def __next__(self) -> str:
        if not self.left:
            raise StopIteration
        self.left -= 1
        return str(self.left)


def test_dataclass_that_is_an_iterator_is_a_stream() -> None:
    _, *chunks, _ = send_and_record(Countdown(2))
    assert b"".join(chunk["body"] for chunk in chunks) == b"10"


@pytest.mark.parametrize("body", ["text", b"x", {"a": 1}])
@pytest.mark.parametrize("headers", [[], [("A", "b")]])
@pytest.mark.parametrize("fail_on", ["http.response.start", "http.response.body"])
def test_client_that_left_is_not_an_error(body: object, headers: list[tuple[str, str]], fail_on: str) -> None:
    sent = send_and_record(body, headers=headers, fail_on=fail_on, failure=ConnectionResetError())
    assert [message["type"] for message in sent] == ["http.response.start"][: fail_on.endswith("body")]


@pytest.mark.parametrize("headers", [[], [("A", "b")]])
def test_failing_server_is_an_error(headers: list[tuple[str, str]]) -> None:
    with pytest.raises(RuntimeError, match="sent twice"):
        send_and_record("x", headers=headers, fail_on="http.response.start", failure=RuntimeError("sent twice"))
