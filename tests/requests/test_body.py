"""Bytes become names and values: media types, urlencoded text, JSON, cookies."""

import asyncio
from collections.abc import Mapping
from urllib.parse import parse_qs, urlencode

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from micropie.config import Limits
from micropie.errors import BadRequest, HTTPError, UploadError
from micropie.media_types import Media, parse_content_type
from micropie.requests.body import decode_json, parse_json_keys, read_whole_body
from micropie.requests.body_stream import BodyStream
from micropie.requests.cookies import find_plain_cookie, parse_cookies
from micropie.requests.urlencoded import parse_urlencoded
from micropie.routing.paths import decode_segment
from micropie.types import Message
from micropie.uploads.multipart import parse_multipart
from tests.support.asgi import form_data


@pytest.mark.parametrize(
    ("content_type", "media"),
    [
        ("application/json", Media.JSON),
        ("application/json; charset=utf-8", Media.JSON),
        (" Application/JSON ", Media.JSON),
        ("application/problem+json", Media.JSON),
        ("model/gltf+json;x=y", Media.JSON),
        ("application/x-www-form-urlencoded", Media.FORM),
        ("application/x-www-form-urlencoded;charset=UTF-8", Media.FORM),
        ("multipart/form-data; boundary=x", Media.MULTIPART),
        ("", Media.OTHER),
        ("text/plain", Media.OTHER),
        ("text/plain; application/json", Media.OTHER),
        ("application/json, text/plain", Media.OTHER),
        ("+json", Media.OTHER),
        ("multipart/mixed; boundary=x", Media.OTHER),
        ("application/jsonp", Media.OTHER),
    ],
)
def test_a_content_type_says_what_kind_of_body_it_is(content_type: str, media: Media) -> None:
    assert parse_content_type(content_type) is media


@pytest.mark.parametrize("pieces", [[b""], [b"all"], [b"one", b"two", b"three"], [b"", b"one", b""]])
def test_a_body_is_read_whole(pieces: list[bytes]) -> None:
    messages = iter({"type": "http.request", "body": one, "more_body": True} for one in pieces)

    async def receive() -> Message:
        return next(messages, {"type": "http.request"})

    stream = BodyStream(receive, size=100, read_timeout=1.0, total_timeout=1.0)
    assert asyncio.run(read_whole_body(stream)) == b"".join(pieces)


# --- urlencoded -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "names"),
    [
        (b"", {}),
        (b"&", {}),
        (b"a=1", {"a": ["1"]}),
        (b"a=1&a=2&b=3", {"a": ["1", "2"], "b": ["3"]}),
        (b"a", {"a": [""]}),
        (b"a=", {"a": [""]}),
        (b"=1", {"": ["1"]}),
        (b"a=b=c", {"a": ["b=c"]}),
        (b"a+b=c+d", {"a b": ["c d"]}),
        (b"%61=%C3%A9&b=plain", {"a": ["é"], "b": ["plain"]}),
        ("é=ü".encode(), {"é": ["ü"]}),
        (b"a=%", {"a": ["%"]}),
        (b"a=%4", {"a": ["%4"]}),
        (b"a=%zz", {"a": ["%zz"]}),
        (b"a=%2500", {"a": ["%00"]}),
        (b"a=1;b=2", {"a": ["1;b=2"]}),
        (b"&&a=1&&", {"a": ["1"]}),
    ],
)
def test_urlencoded_data_is_names_and_their_values(data: bytes, names: Mapping[str, list[str]]) -> None:
    assert parse_urlencoded(data, "query", 100) == names


@pytest.mark.parametrize("data", [b"a=%FF", b"%FF=1", b"a=\xff", b"a=%00", b"a=\x00", b"%00=1", b"a=%ED%A0%80"])
def test_urlencoded_data_that_is_no_text_is_refused(data: bytes) -> None:
    with pytest.raises(BadRequest) as caught:
        parse_urlencoded(data, "form", 100)
    (error,) = caught.value.errors
    assert (error.detail, error.source, error.parameter) == ("The form is not valid UTF-8 text", "form", None)


def test_more_names_than_the_limit_are_refused() -> None:
    assert len(parse_urlencoded(b"a=1&b=2&c=3", "query", 3)) == 3
    with pytest.raises(HTTPError, match="More than 2 names in the query"):
        parse_urlencoded(b"a=1&b=2&c=3", "query", 2)


PAIRS = st.lists(st.tuples(*[st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))] * 2))


@given(PAIRS)
def test_what_is_encoded_is_decoded(pairs: list[tuple[str, str]]) -> None:
    expected: dict[str, list[str]] = {}
    for name, value in pairs:
        expected.setdefault(name, []).append(value)
    data = urlencode(pairs)
    assert parse_urlencoded(data.encode(), "query", 10_000) == expected


@given(st.text(st.sampled_from("ab=&%+é1F")))
def test_it_reads_what_the_standard_library_reads(text: str) -> None:
    try:
        expected = parse_qs(text, keep_blank_values=True, errors="strict")
    except UnicodeDecodeError:
        with pytest.raises(BadRequest):
            parse_urlencoded(text.encode(), "query", 1000)
        return
    assert parse_urlencoded(text.encode(), "query", 1000) == expected


@pytest.mark.parametrize(
    ("segment", "text"), [(b"a", "a"), (b"a%2Fb+c", "a/b+c"), (b"%C3%A9", "é"), ("é".encode(), "é")]
)
def test_a_path_segment_is_percent_decoded(segment: bytes, text: str) -> None:
    assert decode_segment(segment) == text


@pytest.mark.parametrize(
    ("segment", "detail"),
    [(b"%FF", "not valid UTF-8"), (b"\xff", "not valid UTF-8"), (b"a%00", "holds a NUL"), (b"\x00", "holds a NUL")],
)
def test_a_path_segment_that_is_no_text_is_refused(segment: bytes, detail: str) -> None:
    with pytest.raises(HTTPError, match=detail):
        decode_segment(segment)


# --- JSON -----------------------------------------------------------------------------------------------------------

MALFORMED = [
    b"", b"{", b"nope", b'{"a":1,}', b"\xff", b'"\xff"', b'"\\ud800"', b"\xef\xbb\xbf{}", b"[" * 2000 + b"]" * 2000,
    b"NaN", b"1e999", b"9" * 5000,
]  # fmt: skip


@pytest.mark.parametrize("body", MALFORMED)
def test_malformed_json_is_bad_json(body: bytes) -> None:
    for read in (decode_json, parse_json_keys):
        with pytest.raises(BadRequest) as caught:
            read(body)
        assert [(error.detail, error.pointer) for error in caught.value.errors] == [("Bad JSON", "")]


@pytest.mark.parametrize("body", [b"[1]", b"1", b'"x"', b"null"])
def test_json_that_is_no_object_has_no_keys(body: bytes) -> None:
    assert parse_json_keys(body) == {}


@given(st.dictionaries(st.text(), st.integers() | st.lists(st.text())))
def test_the_keys_of_an_object_are_as_they_were_sent(value: dict[str, object]) -> None:
    found = parse_json_keys(msgspec.json.encode(value))
    assert {name: msgspec.json.decode(raw) for name, raw in found.items()} == value
    assert decode_json(msgspec.json.encode(value)) == value


def test_the_last_of_repeated_keys_wins() -> None:
    assert {name: bytes(raw) for name, raw in parse_json_keys(b'{"a":1,"b":2,"a":3}').items()} == {"a": b"3", "b": b"2"}


# --- cookies --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "pairs"),
    [
        ("", []),
        ("a=1", [("a", "1")]),
        ("a=1; b=2;c=3", [("a", "1"), ("b", "2"), ("c", "3")]),
        ("a=1; a=2", [("a", "1"), ("a", "2")]),
        ('a="x y"; b="', [("a", "x y"), ("b", '"')]),
        ("a=b=c", [("a", "b=c")]),
        ("a=", [("a", "")]),
        ("=1; a; ;;  b = 2 ", [("b", "2")]),
    ],
)
def test_a_cookie_header_is_pairs(header: str, pairs: list[tuple[str, str]]) -> None:
    assert parse_cookies(header) == pairs


@given(st.text())
def test_no_cookie_header_is_too_strange(header: str) -> None:
    assert all(name for name, _ in parse_cookies(header))


COOKIE_TEXT = st.lists(
    st.sampled_from(["id", "=", ";", "; ", " ", '"', "a", "\x1f", "\t", "é", "id=", "; id=abc"])
).map("".join)


@given(COOKIE_TEXT)
def test_the_quick_look_for_a_cookie_finds_what_parsing_finds(header: str) -> None:
    found = find_plain_cookie(header.encode(), "id")
    assert found is None or [found] == [value for name, value in parse_cookies(header) if name == "id"]


@pytest.mark.parametrize("header", [b"id=abc", b"a=1; id=abc", b"a=1; id=abc; b=2", b"id= abc ;b=2"])
def test_what_browsers_send_needs_no_more_than_the_quick_look(header: bytes) -> None:
    assert find_plain_cookie(header, "id") == "abc"


@pytest.mark.parametrize("header", [b"", b"a=1", b"xid=abc", b"id=a; id=b", b"id =a", b'id="a"', b"id=a\0", b"id=\xff"])
def test_what_the_quick_look_is_not_sure_of_is_left_to_parsing(header: bytes) -> None:
    assert find_plain_cookie(header, "id") is None


# --- multipart ------------------------------------------------------------------------------------------------------


def test_multipart_is_read_from_a_stream_reader() -> None:
    async def main() -> object:
        reader = asyncio.StreamReader()
        reader.feed_data(form_data([("a", "1"), ("a", "2"), ("f", ("x.txt", "text/plain", b"data"))]))
        reader.feed_eof()
        fields, files = await parse_multipart(reader, b"frontier", Limits())
        return fields, {name: (file["filename"], await file["content"].get()) for name, file in files.items()}

    assert asyncio.run(main()) == ({"a": ["1", "2"]}, {"f": ("x.txt", b"data")})


def test_multipart_that_ends_early_is_refused() -> None:
    async def main() -> None:
        reader = asyncio.StreamReader()
        reader.feed_data(form_data({"a": "1"})[:-8])
        reader.feed_eof()
        await parse_multipart(reader, b"frontier", Limits())

    with pytest.raises(UploadError, match="ends before its closing boundary"):
        asyncio.run(main())
