"""What handlers may return, and the ASGI messages that it becomes."""

import asyncio
import dataclasses
import re
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum, StrEnum
from http import HTTPStatus
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import Any, NamedTuple, TypedDict
from urllib.parse import unquote, urlsplit
from uuid import UUID

import attrs
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from micropie.errors import ResponseError
from micropie.responses.encoding import encode
from micropie.responses.handler_results import split_result
from micropie.responses.redirects import build_redirect
from micropie.responses.send import NO_CONTENT, send_response
from micropie.types import Message


class Point(NamedTuple):
    x: int
    y: int


class Colour(Enum):
    RED = "red"


class Shade(StrEnum):
    DARK = "dark"


@dataclasses.dataclass
class Cat:
    name: str


class Dog(msgspec.Struct):
    name: str


@attrs.define
class Cow:
    name: str


class Row(TypedDict):
    id: int


class Markup(str):
    """As templates make it: text that is not exactly `str`."""


class Celsius(float):
    pass


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


# --- split -----------------------------------------------------------------------------------------------------------

POINT = Point(201, 2)

# what a handler returned, what it means
RESULTS: list[tuple[object, tuple[int, object, list[tuple[str, str]]]]] = [
    ("text", (200, "text", [])),
    (b"bytes", (200, b"bytes", [])),
    ({"a": 1}, (200, {"a": 1}, [])),
    ([201, "x"], (200, [201, "x"], [])),
    (7, (200, 7, [])),
    (None, (204, None, [])),
    ((201, "made"), (201, "made", [])),
    ((201, None), (201, None, [])),
    ((HTTPStatus.CREATED, "made"), (201, "made", [])),
    ((100, ""), (100, "", [])),
    ((599, ""), (599, "", [])),
    ((200, "x", [("A", "b")]), (200, "x", [("A", "b")])),
    ((200, "x", (("A", "b"),)), (200, "x", [("A", "b")])),
    ((200, "x", {"A": "b"}), (200, "x", [("A", "b")])),
    ((200, "x", MappingProxyType({"A": "b"})), (200, "x", [("A", "b")])),
    ((200, "x", None), (200, "x", [])),
    (POINT, (200, POINT, [])),
    ((), (200, (), [])),
    ((200,), (200, (200,), [])),
    ((200, "x", [], 1), (200, (200, "x", [], 1), [])),
    ((True, "x"), (200, (True, "x"), [])),
    (("200", "x"), (200, ("200", "x"), [])),
    ((1.5, 2.5), (200, (1.5, 2.5), [])),
]


@pytest.mark.parametrize(("result", "expected"), RESULTS)
def test_every_return_format_has_one_normal_form(
    result: object, expected: tuple[int, object, list[tuple[str, str]]]
) -> None:
    found = split_result(result)
    assert found == expected
    assert type(found[0]) is int


@pytest.mark.parametrize("status", [99, 600, 0, -200, 10**400])
def test_a_status_out_of_range_is_refused(status: int) -> None:
    with pytest.raises(ResponseError, match="return data as a list"):
        split_result((status, "x"))


@pytest.mark.parametrize("headers", ["A: b", 1, b"x", object(), {"A"}])
def test_headers_that_are_neither_pairs_nor_a_mapping_are_refused(headers: object) -> None:
    with pytest.raises(ResponseError, match=r"list of \(name, value\) pairs or a mapping, not "):
        split_result((200, "x", headers))


def test_a_header_list_is_never_shared_with_the_handler() -> None:
    shared = [("A", "b")]
    for _ in range(2):
        _, _, headers = split_result((200, "x", shared))
        headers.append(("Set-Cookie", "session_id=mine"))
    assert shared == [("A", "b")]
    assert split_result("x")[2] is not split_result("x")[2]


# --- encode ----------------------------------------------------------------------------------------------------------

HTML_TYPE = b"text/html; charset=utf-8"
JSON_TYPE = b"application/json"

# body, payload, content type
BODIES: list[tuple[object, bytes, bytes | None]] = [
    ("héllo", "héllo".encode(), HTML_TYPE),
    ("", b"", HTML_TYPE),
    (Markup("<b>"), b"<b>", HTML_TYPE),
    (b"\xff\x00", b"\xff\x00", HTML_TYPE),
    (bytearray(b"x"), b"x", HTML_TYPE),
    (memoryview(b"abc")[::2], b"ac", HTML_TYPE),
    (None, b"", None),
    ({"a": [1, None, True]}, b'{"a":[1,null,true]}', JSON_TYPE),
    (OrderedDict(a=1), b'{"a":1}', JSON_TYPE),
    (MappingProxyType({"a": 1}), b'{"a":1}', JSON_TYPE),
    ([1, 2], b"[1,2]", JSON_TYPE),
    ((1.5, 2), b"[1.5,2]", JSON_TYPE),
    ({3}, b"[3]", JSON_TYPE),
    (frozenset({3}), b"[3]", JSON_TYPE),
    (7, b"7", JSON_TYPE),
    (True, b"true", JSON_TYPE),
    (2**70, b"1180591620717411303424", JSON_TYPE),
    (float("nan"), b"null", JSON_TYPE),
    (Celsius(1.5), b"1.5", JSON_TYPE),
    (Point(1, 2), b"[1,2]", JSON_TYPE),
    (Cat("Tom"), b'{"name":"Tom"}', JSON_TYPE),
    (Dog("Rex"), b'{"name":"Rex"}', JSON_TYPE),
    (Cow("Elsie"), b'{"name":"Elsie"}', JSON_TYPE),
    (Row(id=1), b'{"id":1}', JSON_TYPE),
    (Colour.RED, b'"red"', JSON_TYPE),
    (Shade.DARK, b'"dark"', JSON_TYPE),
    (datetime(2024, 1, 2, tzinfo=UTC), b'"2024-01-02T00:00:00Z"', JSON_TYPE),
    (UUID(int=1), b'"00000000-0000-0000-0000-000000000001"', JSON_TYPE),
    (Decimal("1.10"), b'"1.10"', JSON_TYPE),
    ({"html": Markup("<b>"), "n": Celsius(2.0)}, b'{"html":"<b>","n":2.0}', JSON_TYPE),
    ([Cat("Tom"), {Colour.RED: Dog("Rex")}], b'[{"name":"Tom"},{"red":{"name":"Rex"}}]', JSON_TYPE),
]


@pytest.mark.parametrize(("body", "payload", "content_type"), BODIES)
def test_a_body_is_text_or_json(body: object, payload: bytes, content_type: bytes | None) -> None:
    assert encode(body) == (payload, content_type)


def endless() -> list[object]:
    nested: list[object] = []
    nested.append(nested)
    return nested


# body, what the error names
UNSENDABLE: list[tuple[object, str]] = [
    (SimpleNamespace(a=1), "types.SimpleNamespace cannot be sent"),
    ({"when": [object()]}, "builtins.object cannot be sent"),
    ([Path("x")], "Path cannot be sent"),
    ({(1, 2): 3}, "builtins.tuple cannot be sent"),
    (Cat, "builtins.type cannot be sent"),
    (1j, "builtins.complex cannot be sent"),
    ({"a": (n for n in "abc")}, "builtins.generator cannot be sent"),
    (endless(), "list cannot be sent as JSON: maximum recursion depth"),
    ({"a": "\ud800"}, "dict cannot be sent as JSON: 'utf-8' codec"),
    ("a\ud800", "surrogates not allowed at 1"),
]


@pytest.mark.parametrize(("body", "named"), UNSENDABLE)
@pytest.mark.parametrize("headers", [(), [("A", "b")]], ids=["alone", "with headers"])
def test_what_is_not_data_is_named_and_nothing_is_sent(body: object, named: str, headers: object) -> None:
    sent: list[Message] = []
    with pytest.raises(ResponseError, match=re.escape(named)):
        encode(body)
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


# --- send_response ---------------------------------------------------------------------------------------------------


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


# --- redirect --------------------------------------------------------------------------------------------------------

# location, what is sent
LOCATIONS = [
    ("/", "/"),
    ("", ""),
    ("?page=2", "?page=2"),
    ("#top", "#top"),
    ("next/one", "next/one"),
    ("../up", "../up"),
    ("/a b", "/a%20b"),
    ("/café?q=ü#é", "/caf%C3%A9?q=%C3%BC#%C3%A9"),
    ("/a%20b%2Fc", "/a%20b%2Fc"),
    ("/100%", "/100%25"),
    ("/%zz%4", "/%25zz%254"),
    ('/"<>^`{|}', "/%22%3C%3E%5E%60%7B%7C%7D"),
    ("/a\\b", "/a%5Cb"),
    ("  /a ", "/a"),
    ("/a?next=//b&u=http://c:8/[1]!$&'()*+,;=-._~", "/a?next=//b&u=http://c:8/[1]!$&'()*+,;=-._~"),
    ("/a//b", "/a//b"),
    ("https://example.com/ü", "https://example.com/%C3%BC"),
    ("HTTP://example.com", "HTTP://example.com"),
    ("/time/12:30", "/time/12:30"),
]

DISGUISED = [
    "//host", "///host", "/\\host", "\\/host", "\\\\host", " //host", "javascript:alert(1)", "JavaScript:x", "data:,x",
    "mailto:a@b", "ftp://host/", "x+y-z.1:what",
]  # fmt: skip


@pytest.mark.parametrize(("location", "sent"), LOCATIONS)
def test_a_location_is_sent_as_a_url(location: str, sent: str) -> None:
    assert build_redirect(location) == (302, "", [("Location", sent)])


@pytest.mark.parametrize("location", DISGUISED)
def test_a_location_that_leads_elsewhere_than_it_seems_needs_opting_in(location: str) -> None:
    with pytest.raises(ValueError, match="pass external=True if that is meant"):
        build_redirect(location)
    status, _, [(name, _)] = build_redirect(location, external=True)
    assert (status, name) == (302, "Location")


@pytest.mark.parametrize(
    "location", ["/a\r\nSet-Cookie: b=c", "/\t/host", "/\n/host", "\t//host", "/\0", "\x1f//host", "/\x7f"]
)
@pytest.mark.parametrize("external", [False, True])
def test_a_control_character_in_a_location_is_always_refused(location: str, external: bool) -> None:
    with pytest.raises(ValueError, match="control character"):
        build_redirect(location, external=external)


def test_text_without_an_encoding_is_no_location() -> None:
    with pytest.raises(ValueError, match="surrogates"):
        build_redirect("/\ud800")


def test_further_headers_follow_the_location() -> None:
    further = [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")]
    assert build_redirect("/x", further)[2] == [("Location", "/x"), *further]
    assert further == [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")]


@given(st.text(alphabet=st.one_of(st.characters(), st.sampled_from("/\\:@?#%. \t\r\n")), max_size=20))
def test_no_text_redirects_to_a_host_it_does_not_name(location: str) -> None:
    try:
        _, _, [(_, sent)] = build_redirect(location)
    except ValueError:
        return
    assert sent.isascii()
    assert sent.isprintable()
    assert " " not in sent
    parts = urlsplit(sent.replace("\\", "/"))
    assert parts.scheme in ("", "http", "https")
    assert parts.scheme or not parts.netloc
    assert unquote(sent) == unquote(location.strip(" "))
