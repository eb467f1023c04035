"""Urlencoded data is read as names, each with its values."""

from collections.abc import Mapping
from urllib.parse import parse_qs, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from micropie.errors import BadRequest, HTTPError, Invalid
from micropie.requests.urlencoded import parse_urlencoded


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
def test_urlencoded_data_is_read_as_names_and_values(data: bytes, names: Mapping[str, list[str]]) -> None:
    assert parse_urlencoded(data, "query", 100) == names


@pytest.mark.parametrize("data", [b"a=%FF", b"%FF=1", b"a=\xff", b"a=%00", b"a=\x00", b"%00=1", b"a=%ED%A0%80"])
def test_only_reading_a_name_that_is_not_text_is_refused(data: bytes) -> None:
    texts_by_name = parse_urlencoded(data + b"&good=%C3%A9+1&good=2", "form", 100)
    name, good = texts_by_name
    assert (good, texts_by_name[good]) == ("good", ["é 1", "2"])
    detail = "Expected text without NUL" if b"00" in data or b"\0" in data else "Expected UTF-8 text"
    for read in (bool, list, lambda texts: texts[0], lambda texts: "1" in texts):
        with pytest.raises(BadRequest) as caught:
            read(texts_by_name[name])
        assert caught.value.errors == [Invalid(detail, "form", name)]


def test_more_names_than_the_limit_are_refused() -> None:
    assert len(parse_urlencoded(b"a=1&b=2&c=3", "query", 3)) == 3
    with pytest.raises(HTTPError, match="More than 2 names in the query"):
        parse_urlencoded(b"a=1&b=2&c=3", "query", 2)


PAIRS = st.lists(st.tuples(*[st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))] * 2))


@given(PAIRS)
def test_encoded_pairs_are_decoded_as_equal_pairs(pairs: list[tuple[str, str]]) -> None:
    expected: dict[str, list[str]] = {}
    for name, value in pairs:
        expected.setdefault(name, []).append(value)
    data = urlencode(pairs)
    assert parse_urlencoded(data.encode(), "query", 10_000) == expected


@given(st.text(st.sampled_from("ab=&%+é1F")))
def test_urlencoded_data_is_read_as_by_the_standard_library(text: str) -> None:
    try:
        expected = parse_qs(text, keep_blank_values=True, errors="strict")
    except UnicodeDecodeError:
        with pytest.raises(BadRequest):
            list(map(list, parse_urlencoded(text.encode(), "query", 1000).values()))
        return
    assert parse_urlencoded(text.encode(), "query", 1000) == expected
