"""These tests select ranges case by case (RFC 9110 §14)."""

from contextlib import nullcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from micropie.errors import HTTPError
from micropie.responses.etags import Validators
from micropie.responses.ranges import select_range
from tests.responses.validators import AFTER, BEFORE, CURRENT, DATE, WEAK

IF_RANGE, RANGE = b"if-range", b"range"

# Range, the selected part of ten bytes; None is the whole
RANGES: list[tuple[bytes, range | None]] = [
    (b"bytes=0-3", range(4)),
    (b"bytes=3-3", range(3, 4)),
    (b"bytes=3-", range(3, 10)),
    (b"bytes=-3", range(7, 10)),
    (b"bytes=-99", range(10)),
    (b"bytes=0-99", range(10)),
    (b"bytes=9-9", range(9, 10)),
    (b"Bytes=0-0", range(1)),
    (b" bytes= 0-0 ", range(1)),
    (b"bytes=0000000-0000001", range(2)),
    (b"", None),
    (b"bytes", None),
    (b"bytes=", None),
    (b"bytes=-", None),
    (b"bytes=5-3", None),
    (b"bytes=a-b", None),
    (b"bytes=0x1-3", None),
    (b"bytes=1_0-20", None),
    (b"bytes=-1-3", None),
    (b"bytes=+1-3", None),
    (b"bytes 0-3", None),
    (b"items=0-3", None),
    (b"bytes=0-1,3-4", None),
    (b"bytes=0-1, bytes=3-4", None),
    ("bytes=١-٢".encode(), None),
    (b"bytes=0-" + b"9" * 5000, range(10)),
    (b"bytes=-" + b"9" * 5000, range(10)),
    (b"bytes=" + b"0" * 5000 + b"1-" + b"0" * 5000 + b"2", range(1, 3)),
    (b"bytes=" + b"9" * 5000 + b"-1", None),
]


@pytest.mark.parametrize(("range_field", "expected"), RANGES)
def test_single_well_formed_range_selects_a_part(range_field: bytes, expected: range | None) -> None:
    assert select_range({RANGE: range_field}, CURRENT, 10) == expected


@pytest.mark.parametrize(
    ("range_field", "size"),
    [
        (b"bytes=10-", 10),
        (b"bytes=10-20", 10),
        (b"bytes=-0", 10),
        (b"bytes=0-", 0),
        (b"bytes=-0", 0),
        (b"bytes=99999999999999999999-", 10),
        (b"bytes=" + b"9" * 5000 + b"-" + b"9" * 5001, 10),
    ],
)
def test_range_that_selects_nothing_is_416(range_field: bytes, size: int) -> None:
    with pytest.raises(HTTPError) as caught:
        select_range({RANGE: range_field}, CURRENT, size)
    assert caught.value.status == 416
    assert caught.value.headers == [("Content-Range", f"bytes */{size}")]


def test_suffix_of_empty_content_is_the_whole() -> None:
    assert select_range({RANGE: b"bytes=-5"}, CURRENT, 0) is None


@pytest.mark.parametrize(
    ("if_range", "current", "holds"),
    [
        (b'"v1"', CURRENT, True),
        (b'"v2"', CURRENT, False),
        (b'W/"v1"', CURRENT, False),
        (b'W/"v1"', WEAK, False),
        (b'"v1"', WEAK, False),
        (DATE, CURRENT, True),
        (BEFORE, CURRENT, False),
        (AFTER, CURRENT, False),
        (b"whenever", CURRENT, False),
        (b"", CURRENT, False),
    ],
)
def test_range_counts_only_if_if_range_names_the_current_state(
    if_range: bytes, current: Validators, holds: bool
) -> None:
    assert select_range({RANGE: b"bytes=0-3", IF_RANGE: if_range}, current, 10) == (range(4) if holds else None)
    # A range of another state is ignored, even an unsatisfiable one.
    with pytest.raises(HTTPError) if holds else nullcontext():
        assert select_range({RANGE: b"bytes=10-", IF_RANGE: if_range}, current, 10) is None


@given(st.binary(), st.integers(0, 100))
def test_selected_range_lies_within_the_content(range_field: bytes, size: int) -> None:
    try:
        selected = select_range({RANGE: b"bytes=" + range_field}, CURRENT, size)
    except HTTPError:  # 416, which another test covers
        return
    assert selected is None or (0 <= selected.start < selected.stop <= size)


@given(st.integers(0, 12), st.integers(0, 12))
def test_range_is_what_python_would_slice(first: int, last: int) -> None:
    content = b"0123456789"
    try:
        selected = select_range({RANGE: b"bytes=%d-%d" % (first, last)}, CURRENT, 10)
    except HTTPError:
        assert first >= 10
        assert last >= first
        return
    if selected is None:
        assert last < first
    else:
        assert content[selected.start : selected.stop] == content[first : last + 1]
