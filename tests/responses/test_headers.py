"""These tests encode response headers, and refuse text that is not a header."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from micropie.errors import ResponseError
from micropie.responses.headers import FRAMING, add_content_headers, add_missing_headers, encode_headers, remove_headers

# (name, value), the same as it is sent
SENT = [
    (("X-Request-Id", "7"), (b"x-request-id", b"7")),
    (("x!#$%&'*+-.^_`|~0", "v"), (b"x!#$%&'*+-.^_`|~0", b"v")),
    (("X-Empty", ""), (b"x-empty", b"")),
    (("X-Tab", "a\tb"), (b"x-tab", b"a\tb")),
    (("X-Latin", "café"), (b"x-latin", b"caf\xe9")),
    (("X-Blanks", " \t a b \t"), (b"x-blanks", b"a b")),
]

# an item of the list of headers, part of the error
REFUSED = [
    (("", "v"), "not a header name"),
    (("X Y", "v"), "not a header name"),
    (("X:Y", "v"), "not a header name"),
    ((":status", "200"), "not a header name"),
    (("X\r\nSet-Cookie", "v"), "not a header name"),
    (("X\n", "v"), "not a header name"),
    (("X\0", "v"), "not a header name"),
    (("Ünicode", "v"), "not a header name"),
    (("X-A", "v\r\nSet-Cookie: a=b"), "'X-A' has a control character"),
    (("X-A", "v\n"), "'X-A' has a control character"),
    (("X-A", "v\r"), "'X-A' has a control character"),
    (("X-A", "v\0"), "'X-A' has a control character"),
    (("X-A", "\x7f"), "'X-A' has a control character"),
    (("X-A", "日本"), "'X-A' has a control character or text outside latin-1"),
    (("X-A", 1), "'X-A' is (str, int), not (str, str)"),
    (("X-A", b"v"), "'X-A' is (str, bytes), not (str, str)"),
    ((b"X-A", "v"), "b'X-A' is (bytes, str), not (str, str)"),
    (("X-A", None), "'X-A' is (str, NoneType), not (str, str)"),
    (("X-A",), "pair of text, not a tuple"),
    (("X-A", "v", "w"), "pair of text, not a tuple"),
    ("ab", "pair of text, not a str"),
    (None, "pair of text, not a NoneType"),
]


@pytest.mark.parametrize(("written", "sent"), SENT)
def test_header_is_encoded_in_lower_case_and_latin_1(written: tuple[str, str], sent: tuple[bytes, bytes]) -> None:
    assert encode_headers([written]) == [sent]


@pytest.mark.parametrize(("item", "message"), REFUSED)
def test_invalid_header_is_refused_by_name(item: object, message: str) -> None:
    with pytest.raises(ResponseError, match=re.escape(message)):
        encode_headers([item])


def test_refusal_of_a_header_does_not_show_the_value() -> None:
    with pytest.raises(ResponseError) as caught:
        encode_headers([("Set-Cookie", "secret=1\n")])
    assert "secret" not in str(caught.value)


def test_pairs_may_be_lists() -> None:
    assert encode_headers([["A", "1"]]) == [(b"a", b"1")]


def test_repeated_headers_stay_separate_and_in_order() -> None:
    cookies = [("Set-Cookie", "a=1"), ("X", "y"), ("set-cookie", "b=2")]
    assert encode_headers(cookies) == [(b"set-cookie", b"a=1"), (b"x", b"y"), (b"set-cookie", b"b=2")]
    assert cookies == [("Set-Cookie", "a=1"), ("X", "y"), ("set-cookie", "b=2")]


@given(st.text(), st.text())
def test_no_text_can_end_a_header_or_begin_another(name: str, value: str) -> None:
    try:
        raw = encode_headers([(name, value)])
    except ResponseError:
        return
    [(raw_name, raw_value)] = raw
    assert re.fullmatch(rb"[!-~]+", raw_name)
    assert b":" not in raw_name
    assert not re.search(rb"[\x00-\x08\x0a-\x1f\x7f]", raw_value)


def test_remove_headers_removes_every_header_of_a_name() -> None:
    headers = [(b"a", b"1"), (b"content-length", b"2"), (b"a", b"3"), (b"transfer-encoding", b"chunked")]
    assert remove_headers(headers, FRAMING) == [(b"a", b"1"), (b"a", b"3")]


def test_add_missing_headers_adds_only_missing_names() -> None:
    headers = [(b"a", b"1")]
    assert add_missing_headers(headers, [(b"a", b"0"), (b"b", b"2")]) == [(b"b", b"2"), (b"a", b"1")]
    assert headers == [(b"a", b"1")]


@pytest.mark.parametrize(
    ("headers", "content_type", "expected"),
    [
        ([], b"text/html", {(b"content-length", b"5"), (b"content-type", b"text/html")}),
        ([], None, {(b"content-length", b"5")}),
        ([(b"content-type", b"text/css")], b"text/html", {(b"content-length", b"5"), (b"content-type", b"text/css")}),
        (
            [(b"content-length", b"9"), (b"transfer-encoding", b"x"), (b"a", b"b")],
            None,
            {(b"content-length", b"5"), (b"a", b"b")},
        ),
    ],
)
def test_content_headers_have_the_actual_length_and_the_handlers_type(
    headers: list[tuple[bytes, bytes]], content_type: bytes | None, expected: set[tuple[bytes, bytes]]
) -> None:
    raw = add_content_headers(headers, content_type, 5)
    assert set(raw) == expected
    assert len(raw) == len(expected)
