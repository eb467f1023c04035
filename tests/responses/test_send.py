"""What handlers may return, and the ASGI messages that it becomes."""

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


def answer(
    body: object,
    status: int = 200,
    headers: Any = (),
    *,
    method: str = "GET",
    fail_on: str | None = None,
    failure: Exception | None = None,
    sent: list[Message] | None = None,
) -> list[Message]:
    """The messages that `send_response` sends, also put into `sent`.

    `failure` is raised by the server on the message of type `fail_on`.
    """
    messages: list[Message] = [] if sent is None else sent

    async def send(message: Message) -> None:
        if message["type"] == fail_on and failure is not None:
            raise failure
        messages.append(message)

    async def receive() -> Message:
        raise AssertionError("nobody may read the request's body but the handler")

    scope = {"type": "http", "method": method, "headers": []}
    asyncio.run(send_response(scope, receive, send, status, body, headers))
    return messages


def head(message: Message) -> set[tuple[bytes, bytes]]:
    """The headers of a start message, which must not be said twice."""
    headers = list(message["headers"])
    assert len(set(headers)) == len(headers)
    return set(headers)


HTML = (b"content-type", b"text/html; charset=utf-8")
JSON = (b"content-type", b"application/json")


def length(count: int) -> tuple[bytes, bytes]:
    return (b"content-length", str(count).encode())


@pytest.mark.parametrize(("body", "named"), UNSENDABLE)
@pytest.mark.parametrize("headers", [(), [("A", "b")]], ids=["alone", "with headers"])
def test_what_is_not_data_is_named_and_nothing_is_sent(body: object, named: str, headers: object) -> None:
    sent: list[Message] = []
    with pytest.raises(ResponseError, match=re.escape(named)):
        encode_body(body)
    with pytest.raises(ResponseError, match=re.escape(named)):
        answer(body, headers=headers, sent=sent)
    assert sent == []


def test_headers_may_be_an_iterator() -> None:
    names = [f"x-{number}" for number in range(4)]
    for _ in range(2):  # none of them, then all of them have been met before
        start = answer("x", 200, ((name, "1") for name in names))[0]
        assert [name.decode() for name, _ in start["headers"]][-4:] == names


def test_a_header_is_what_it_is_however_many_came_before() -> None:
    for number in range(3000):
        headers = [("X-Id", str(number)), ("X-Same", "same"), ("Content-Type", "text/plain")]
        sent = answer("x", 200, headers)[0]["headers"]
        assert {(b"x-id", b"%d" % number), (b"x-same", b"same"), (b"content-type", b"text/plain")} < set(sent)


@pytest.mark.parametrize(("body", "payload", "content_type"), BODIES)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize("headers", [[], [("X-A", "b")]], ids=["alone", "with a header"])
def test_a_buffered_body_says_its_length_and_type(
    body: object, payload: bytes, content_type: bytes | None, method: str, headers: list[tuple[str, str]]
) -> None:
    start, end = answer(body, 201, headers, method=method)
    assert (start["type"], start["status"]) == ("http.response.start", 201)
    expected = {length(len(payload)), *([(b"x-a", b"b")] if headers else [])}
    assert head(start) == expected | ({(b"content-type", content_type)} if content_type else set())
    assert end == {"type": "http.response.body", "body": b"" if method == "HEAD" else payload}


# given, beside the length of "hello"
OVERRIDES = [
    ([("Content-Type", "text/css")], {(b"content-type", b"text/css")}),
    ([("CONTENT-TYPE", "text/css")], {(b"content-type", b"text/css")}),
    ([("Content-Length", "999")], {HTML}),
    ([("Transfer-Encoding", "chunked")], {HTML}),
    ([("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")], {HTML, (b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")}),
    ([("Location", "/x")], {HTML, (b"location", b"/x")}),
]


@pytest.mark.parametrize(("headers", "expected"), OVERRIDES)
def test_a_handlers_headers_win_except_over_the_length(
    headers: list[tuple[str, str]], expected: set[tuple[bytes, bytes]]
) -> None:
    before = list(headers)
    start, _ = answer("hello", headers=headers)
    assert head(start) == expected | {length(5)}
    assert headers == before


@pytest.mark.parametrize("body", ["text", {"a": 1}, b"x"])
@pytest.mark.parametrize("header", [("X\n", "v"), ("X", "v\r\nSet-Cookie: a=b"), ("X", "日本"), ("X", "\0")])
def test_a_header_that_cannot_be_sent_stops_the_whole_response(body: object, header: tuple[str, str]) -> None:
    sent: list[Message] = []
    with pytest.raises(ResponseError):
        answer(body, headers=[("Ok", "1"), header], sent=sent)
    assert sent == []


def test_no_message_shares_its_header_list_with_another() -> None:
    first, second = (answer({"a": 1})[0]["headers"] for _ in range(2))
    first.append((b"set-cookie", b"session_id=mine"))
    assert second == [JSON, length(7)]


def unwanted() -> str:
    raise AssertionError("a body that is not wanted must not begin")


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
def test_a_status_without_content_has_neither_content_nor_a_word_of_it(status: int, body: Callable[[], object]) -> None:
    headers = [("Content-Length", "4"), ("Content-Type", "text/css"), ("ETag", '"1"')]
    start, end = answer(body(), status, headers)
    assert start == {"type": "http.response.start", "status": status, "headers": [(b"etag", b'"1"')]}
    assert end == {"type": "http.response.body", "body": b""}


def test_no_content_is_every_status_of_which_rfc_9110_says_so() -> None:
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
def test_head_of_a_stream_does_not_begin_it(
    make: Callable[[], object], headers: list[tuple[str, str]], expected: set[tuple[bytes, bytes]]
) -> None:
    start, end = answer(make(), headers=headers, method="HEAD")
    assert head(start) == expected
    assert end == {"type": "http.response.body", "body": b""}


def test_streams_and_files_are_sent_too() -> None:
    async def letters() -> AsyncIterator[str]:
        yield "a"
        yield "b"

    start, *chunks, end = answer(letters(), headers=[("Transfer-Encoding", "chunked"), ("Content-Length", "2")])
    assert head(start) == {HTML, length(2)}
    assert [chunk["body"] for chunk in chunks] == [b"a", b"b"]
    assert end == {"type": "http.response.body", "body": b"", "more_body": False}
    start, end = answer(Path(__file__))
    assert end["body"] == Path(__file__).read_bytes()


@pytest.mark.parametrize("listen", [False, True])
@pytest.mark.parametrize("headers", [[], [("A", "b")]])
@pytest.mark.parametrize("body", ["stream", "file"])
def test_receive_is_waited_on_only_when_it_may_be(
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
    """Data by its decorator, and a stream by what it does."""

    left: int

    def __iter__(self) -> "Countdown":
        return self

    def __next__(self) -> str:
        if not self.left:
            raise StopIteration
        self.left -= 1
        return str(self.left)


def test_what_can_be_iterated_but_once_is_a_stream_even_when_it_is_a_dataclass() -> None:
    _, *chunks, _ = answer(Countdown(2))
    assert b"".join(chunk["body"] for chunk in chunks) == b"10"


@pytest.mark.parametrize("body", ["text", b"x", {"a": 1}])
@pytest.mark.parametrize("headers", [[], [("A", "b")]])
@pytest.mark.parametrize("fail_on", ["http.response.start", "http.response.body"])
def test_a_client_that_left_is_no_error(body: object, headers: list[tuple[str, str]], fail_on: str) -> None:
    sent = answer(body, headers=headers, fail_on=fail_on, failure=ConnectionResetError())
    assert [message["type"] for message in sent] == ["http.response.start"][: fail_on.endswith("body")]


@pytest.mark.parametrize("headers", [[], [("A", "b")]])
def test_a_server_that_fails_is_an_error(headers: list[tuple[str, str]]) -> None:
    with pytest.raises(RuntimeError, match="sent twice"):
        answer("x", headers=headers, fail_on="http.response.start", failure=RuntimeError("sent twice"))
