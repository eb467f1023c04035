"""Range requests: RFC 9110 §14, case by case."""

from contextlib import nullcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from micropie.errors import HTTPError
from micropie.responses.etags import Validators
from micropie.responses.ranges import select_range

MODIFIED = 784111777
DATE = b"Sun, 06 Nov 1994 08:49:37 GMT"
BEFORE = b"Sun, 06 Nov 1994 08:49:36 GMT"
AFTER = b"Sun, 06 Nov 1994 08:49:38 GMT"
CURRENT = Validators(b'"v1"', MODIFIED)
WEAK = Validators(b'W/"v1"', MODIFIED)
IF_RANGE, RANGE = b"if-range", b"range"

# Range, the bytes of ten that it asks for; None is the whole
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
    (b"bytes=0-" + b"9" * 5000, None),
    (b"bytes=" + b"9" * 5000 + b"-", None),
]


@pytest.mark.parametrize(("asked", "expected"), RANGES)
def test_one_well_formed_range_is_answered_in_part(asked: bytes, expected: range | None) -> None:
    assert select_range({RANGE: asked}, CURRENT, 10) == expected


@pytest.mark.parametrize(
    ("asked", "size"), [(b"bytes=10-", 10), (b"bytes=10-20", 10), (b"bytes=-0", 10), (b"bytes=0-", 0), (b"bytes=-0", 0)]
)
def test_a_range_with_nothing_in_it_is_not_satisfiable(asked: bytes, size: int) -> None:
    with pytest.raises(HTTPError) as caught:
        select_range({RANGE: asked}, CURRENT, size)
    assert caught.value.status == 416
    assert caught.value.headers == [("Content-Range", f"bytes */{size}")]


def test_the_end_of_nothing_is_all_of_it() -> None:
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
def test_a_range_holds_only_for_the_state_it_was_meant_for(if_range: bytes, current: Validators, holds: bool) -> None:
    assert select_range({RANGE: b"bytes=0-3", IF_RANGE: if_range}, current, 10) == (range(4) if holds else None)
    # And of another state, an unsatisfiable one is not even looked at.
    with pytest.raises(HTTPError) if holds else nullcontext():
        assert select_range({RANGE: b"bytes=10-", IF_RANGE: if_range}, current, 10) is None


@given(st.binary(), st.integers(0, 100))
def test_whatever_is_asked_for_lies_within_the_content(asked: bytes, size: int) -> None:
    try:
        found = select_range({RANGE: b"bytes=" + asked}, CURRENT, size)
    except HTTPError:  # 416, as another test has it
        return
    assert found is None or (0 <= found.start < found.stop <= size)


@given(st.integers(0, 12), st.integers(0, 12))
def test_a_range_is_what_python_would_slice(first: int, last: int) -> None:
    content = b"0123456789"
    try:
        found = select_range({RANGE: b"bytes=%d-%d" % (first, last)}, CURRENT, 10)
    except HTTPError:
        assert first >= 10
        assert last >= first
        return
    if found is None:
        assert last < first
    else:
        assert content[found.start : found.stop] == content[first : last + 1]
