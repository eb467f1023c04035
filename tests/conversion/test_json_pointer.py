"""These tests escape keys for JSON pointers, with the examples of RFC 6901 §5."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from micropie.conversion.json_pointer import escape_token
from micropie.errors import shorten_name

TOKENS: list[tuple[object, str]] = [
    ("foo", "foo"),
    ("", ""),
    ("a/b", "a~1b"),
    ("c%d", "c%d"),
    (" ", " "),
    ("m~n", "m~0n"),
    ("~1", "~01"),
    ("/~", "~1~0"),
    (0, "0"),
]


@pytest.mark.parametrize(("key", "token"), TOKENS)
def test_key_is_escaped_as_rfc_6901_defines(key: object, token: str) -> None:
    assert escape_token(key) == token


@given(st.text())
def test_token_contains_no_slash_and_can_be_unescaped(key: str) -> None:
    token = escape_token(key)
    assert "/" not in token
    assert token.replace("~1", "/").replace("~0", "~") == shorten_name(key)


@given(st.text(min_size=101))
def test_token_of_a_long_key_is_cut(key: str) -> None:
    token = escape_token(key).replace("~1", "/").replace("~0", "~")
    assert token.endswith("…")
    assert len(token) <= 101
    assert key.startswith(token[:-1])
