"""A Cookie header is read as pairs, and one value of it quickly."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from micropie.requests.cookies import find_plain_cookie, find_unanimous_cookie, parse_cookies
from micropie.sentinels import UNSET, Unset


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
        ("a=\xa05", [("a", "\xa05")]),
    ],
)
def test_cookie_header_is_read_as_pairs(header: str, pairs: list[tuple[str, str]]) -> None:
    assert parse_cookies(header) == pairs


@given(st.text())
def test_any_cookie_header_is_read_without_an_error(header: str) -> None:
    assert all(name for name, _ in parse_cookies(header))


COOKIE_TEXT = st.lists(
    st.sampled_from(["id", "=", ";", "; ", " ", '"', "a", "\x1f", "\t", "é", "id=", "; id=abc"])
).map("".join)


@given(COOKIE_TEXT)
def test_quick_look_returns_the_parsed_value_or_none(header: str) -> None:
    value_or_none = find_plain_cookie(header.encode(), "id")
    assert value_or_none is None or [value_or_none] == [value for name, value in parse_cookies(header) if name == "id"]


@pytest.mark.parametrize("header", [b"id=abc", b"a=1; id=abc", b"a=1; id=abc; b=2", b"id= abc ;b=2"])
def test_quick_look_suffices_for_what_browsers_send(header: bytes) -> None:
    assert find_plain_cookie(header, "id") == "abc"


@pytest.mark.parametrize("header", [b"", b"a=1", b"xid=abc", b"id=a; id=b", b"id =a", b'id="a"', b"id=a\0", b"id=\xff"])
def test_quick_look_returns_none_for_an_ambiguous_header(header: bytes) -> None:
    assert find_plain_cookie(header, "id") is None


@pytest.mark.parametrize(
    ("header", "value"),
    [
        (b"", None),
        (b"a=1", None),
        (b"id=1", "1"),
        (b'id=1; id="1"; ID=2', "1"),
        (b"id=1; id=2", UNSET),
        (b"a=\xff; id=1; b=\0", "1"),
        (b"id=\xff", "\xff"),
    ],
)
def test_unanimous_cookie_is_the_one_value_of_all_cookies_of_the_name(header: bytes, value: str | Unset | None) -> None:
    assert find_unanimous_cookie(header, "id") == value
