"""These tests read the boundary that a Content-Type declares."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from micropie.config import Limits
from micropie.uploads.multipart import MultipartBody, parse_boundary
from tests.uploads.bodies import (
    Feed,
)


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [
        ("multipart/form-data; boundary=abc", "abc"),
        ("multipart/form-data;boundary=abc", "abc"),
        ("multipart/form-data ; charset=utf-8 ;\tBOUNDARY=abc ; x=y", "abc"),
        ("multipart/form-data; boundary=abc;", "abc"),
        ("multipart/form-data;; boundary=abc", "abc"),
        ('multipart/form-data; boundary="abc"', "abc"),
        ('multipart/form-data; boundary="a b:c"', "a b:c"),
        ('multipart/form-data; boundary="a\\bc"', "abc"),
        ("multipart/form-data; boundary=----=_Part_1.2", "----=_Part_1.2"),
        ('multipart/form-data; x="; boundary=evil"; boundary=abc', "abc"),
        ('multipart/form-data; x="a\\"; boundary=evil"; boundary=abc', "abc"),
        ("multipart/form-data; boundary=" + "x" * 70, "x" * 70),
        ("multipart/form-data; boundary=" + "x" * 71, None),
        ("multipart/form-data", None),
        ("multipart/form-data;", None),
        ("multipart/form-data; charset=utf-8", None),
        ("multipart/form-data; boundary", None),
        ("multipart/form-data; boundary=", None),
        ('multipart/form-data; boundary=""', None),
        ('multipart/form-data; boundary="abc', None),
        ('multipart/form-data; boundary="abc "', None),
        ('multipart/form-data; boundary="a\r\nb"', None),
        ("multipart/form-data; boundary=äbc", None),
        ("multipart/form-data; boundary=a@b", None),
        ("multipart/form-data; boundary=abc; boundary=def", None),
        ("multipart/form-data; notboundary=abc", None),
        ("boundary=abc", None),
        ("", None),
    ],
)
def test_boundary_is_read_from_the_content_type(content_type: str, boundary: str | None) -> None:
    assert parse_boundary(content_type) == boundary


@given(st.text(st.sampled_from('; boundary="\\=abc\t'), max_size=60))
def test_any_parameters_give_a_usable_boundary_or_none(parameters: str) -> None:
    boundary = parse_boundary("multipart/form-data;" + parameters)
    if boundary is not None:
        MultipartBody(Feed([]), boundary, Limits())
