"""The header fields of a request are a dict that ignores case."""

from typing import cast

import pytest

from micropie import Request
from micropie.requests.headers import Headers, split_list_lines
from tests.support.asgi import http_scope


def test_header_is_found_in_any_case_and_repeated_values_are_joined() -> None:
    lines = [(b"X-A", b"1"), (b"x-a", b"2"), (b"Cookie", b"a=1"), (b"cookie", b"b=2"), (b"x", b"\xe9")]
    request = Request(http_scope("GET", "/", lines))
    headers = request.headers
    assert headers is request.headers
    assert dict(headers) == {"x-a": "1, 2", "cookie": "a=1; b=2", "x": "é"}
    assert headers["X-A"] == headers.get("x-A") == "1, 2"
    assert "X-a" in headers
    assert "y" not in headers
    assert cast("str", 5) not in headers
    assert (headers.get("y"), headers.get("y", "z"), headers.get("y", 5)) == (None, "z", 5)
    with pytest.raises(KeyError):
        headers["Y"]


def test_headers_equal_a_dict() -> None:
    assert Headers({"a": "1"}) == {"a": "1"}


@pytest.mark.parametrize(
    ("lines", "items"),
    [
        ([], []),
        ([""], []),
        (["1"], ["1"]),
        (["1,2,3"], ["1", "2", "3"]),
        (["1, 2", " 3\t,"], ["1", "2", "3"]),
        ([",,a,,b , "], ["a", "b"]),
        (['"a,b", c'], ['"a,b"', "c"]),
        (['W/"a,b",W/"c"'], ['W/"a,b"', 'W/"c"']),
        (['a"b,c"d,e'], ['a"b,c"d', "e"]),
        ([r'"a\",b",c'], [r'"a\",b"', "c"]),
        (['"a,b'], ['"a,b']),
        (['a,"b\\'], ["a", '"b\\']),
        (['"a', 'b"'], ['"a', 'b"']),
    ],
)
def test_header_list_is_split_at_its_commas(lines: list[str], items: list[str]) -> None:
    assert split_list_lines(lines) == items


@pytest.mark.parametrize("text", ['\\"' * 50_000, '"' * 100_001, '"\\' * 50_000, "a," * 50_000, '"a,' * 50_001])
def test_long_header_list_is_split_without_losing_a_character(text: str) -> None:
    assert "".join(split_list_lines([text])).replace(",", "") == text.replace(",", "")
