"""Segments of a path are percent-decoded and must be text."""

import pytest

from micropie.errors import HTTPError
from micropie.routing.paths import decode_segment


@pytest.mark.parametrize(
    ("segment", "text"), [(b"a", "a"), (b"a%2Fb+c", "a/b+c"), (b"%C3%A9", "é"), ("é".encode(), "é")]
)
def test_path_segment_is_percent_decoded(segment: bytes, text: str) -> None:
    assert decode_segment(segment) == text


@pytest.mark.parametrize(
    ("segment", "detail"),
    [(b"%FF", "not valid UTF-8"), (b"\xff", "not valid UTF-8"), (b"a%00", "holds a NUL"), (b"\x00", "holds a NUL")],
)
def test_path_segment_that_is_not_text_is_refused(segment: bytes, detail: str) -> None:
    with pytest.raises(HTTPError, match=detail):
        decode_segment(segment)
