"""These tests evaluate HTTP dates and preconditions case by case (RFC 9110 §5.6.7, §13)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from micropie.responses.etags import (
    evaluate_preconditions,
    format_http_date,
    parse_http_date,
    read_conditional_fields,
)
from tests.responses.validators import AFTER, BEFORE, CURRENT, DATE, MODIFIED, WEAK

# RFC 9110 §5.6.7 has three forms; anything else is not a date
DATES: list[tuple[bytes, int | None]] = [
    (DATE, MODIFIED),
    (b"Sunday, 06-Nov-94 08:49:37 GMT", MODIFIED),
    (b"Sun Nov  6 08:49:37 1994", MODIFIED),
    (b"Sun, 06 Nov 1994 08:49:37 -0000", MODIFIED),
    (b"", None),
    (b"yesterday", None),
    (b"\xff\xfe", None),
    (b"Sun, 99 Nov 1994 08:49:37 GMT", None),
    (b"Sun, 06 Nov 99999 08:49:37 GMT", None),
    (b"Sun, 06 Nov 1994 08:49:37 +9999999", None),
]


@pytest.mark.parametrize(("written", "seconds"), DATES)
def test_http_date_is_parsed_in_its_three_forms(written: bytes, seconds: int | None) -> None:
    assert parse_http_date(written) == seconds


@given(st.integers(0, 253402300799))
def test_formatted_http_date_is_parsed_back(seconds: int) -> None:
    assert parse_http_date(format_http_date(seconds).encode()) == seconds


@given(st.one_of(st.binary(), st.text(alphabet="SunNov 0123456789:,-+GMT").map(str.encode)))
def test_any_bytes_are_a_date_or_none(written: bytes) -> None:
    assert isinstance(parse_http_date(written), int | None)


def test_validators_give_etag_and_last_modified() -> None:
    assert CURRENT.headers() == [(b"etag", b'"v1"'), (b"last-modified", DATE)]


def test_repeated_conditional_fields_are_joined_and_others_ignored() -> None:
    headers = [(b"if-none-match", b'"a"'), (b"host", b"x"), (b"if-none-match", b'"b"'), (b"range", b"bytes=0-1")]
    assert read_conditional_fields({"headers": headers}) == {b"if-none-match": b'"a", "b"', b"range": b"bytes=0-1"}


IF_MATCH, IF_NONE_MATCH = b"if-match", b"if-none-match"
IF_MODIFIED, IF_UNMODIFIED = b"if-modified-since", b"if-unmodified-since"

# request fields, the status for the state CURRENT, the status for the same state with a weak tag
PRECONDITIONS: list[tuple[dict[bytes, bytes], int | None, int | None]] = [
    ({}, None, None),
    ({IF_NONE_MATCH: b'"v1"'}, 304, 304),
    ({IF_NONE_MATCH: b'W/"v1"'}, 304, 304),
    ({IF_NONE_MATCH: b'"v0" , W/"v1","v,2"'}, 304, 304),
    ({IF_NONE_MATCH: b'"a,b", "v1"'}, 304, 304),
    ({IF_NONE_MATCH: b" * "}, 304, 304),
    ({IF_NONE_MATCH: b'"v2"'}, None, None),
    ({IF_NONE_MATCH: b"v1"}, None, None),
    ({IF_NONE_MATCH: b""}, None, None),
    ({IF_NONE_MATCH: b'"V1"'}, None, None),
    ({IF_MODIFIED: DATE}, 304, 304),
    ({IF_MODIFIED: AFTER}, 304, 304),
    ({IF_MODIFIED: BEFORE}, None, None),
    ({IF_MODIFIED: b"whenever"}, None, None),
    ({IF_NONE_MATCH: b'"v2"', IF_MODIFIED: AFTER}, None, None),
    ({IF_NONE_MATCH: b'"v1"', IF_MODIFIED: BEFORE}, 304, 304),
    ({IF_MATCH: b'"v1"'}, None, 412),
    ({IF_MATCH: b'W/"v1"'}, 412, 412),
    ({IF_MATCH: b'"v0", "v1"'}, None, 412),
    ({IF_MATCH: b"*"}, None, None),
    ({IF_MATCH: b'"v2"'}, 412, 412),
    ({IF_UNMODIFIED: DATE}, None, None),
    ({IF_UNMODIFIED: AFTER}, None, None),
    ({IF_UNMODIFIED: BEFORE}, 412, 412),
    ({IF_UNMODIFIED: b"whenever"}, None, None),
    ({IF_MATCH: b"*", IF_UNMODIFIED: BEFORE}, None, None),
    ({IF_MATCH: b'"v2"', IF_NONE_MATCH: b'"v1"'}, 412, 412),
    ({IF_MATCH: b"*", IF_NONE_MATCH: b'"v1"'}, 304, 304),
    ({IF_UNMODIFIED: AFTER, IF_MODIFIED: AFTER}, 304, 304),
]


@pytest.mark.parametrize(("fields", "strong", "weak"), PRECONDITIONS)
def test_preconditions_are_evaluated_in_the_order_of_rfc_9110(
    fields: dict[bytes, bytes], strong: int | None, weak: int | None
) -> None:
    assert evaluate_preconditions(fields, CURRENT) == strong
    assert evaluate_preconditions(fields, WEAK) == weak
