"""These tests split paths into segments, decoded and below the root path (SPEC 2)."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from micropie import HTTPError
from micropie.routing.paths import decode_segment, split_path
from tests.support.asgi import call

from .apps import GREETING, SHOP, Wiki


@pytest.mark.parametrize(
    ("path", "segments"),
    [
        ("/anything/", []),
        ("/anything//", [""]),
        ("/anything//a", ["", "a"]),
        ("/anything/a//b/", ["a", "", "b"]),
        ("/anything/a%2Fb", ["a/b"]),
        ("/anything/a%2fb/c", ["a/b", "c"]),
        ("/anything/%2F", ["/"]),
        ("/anything/%252F", ["%2F"]),
        ("/anything/a%20b+c", ["a b+c"]),
        ("/anything/caf%C3%A9", ["café"]),
        ("/anything/%EF%BF%BD", ["\ufffd"]),
        ("/anything/..", [".."]),
        ("/anything/%", ["%"]),
    ],
)
def test_segments_are_split_before_they_are_decoded(path: str, segments: list[str]) -> None:
    assert call(SHOP, "GET", path).json == segments


@pytest.mark.parametrize(("path", "segments"), [("//", [""]), ("//greet", ["", "greet"]), ("///", ["", ""])])
def test_empty_first_segment_does_not_name_a_method(path: str, segments: list[str]) -> None:
    assert call(SHOP, "GET", path).status == 404
    assert call(Wiki(), "GET", path).json == segments


@pytest.mark.parametrize(
    ("scope", "segments"),
    [
        ({"path": "/anything/a/b"}, ["a", "b"]),
        ({"path": "/anything/a b"}, ["a b"]),
        ({"path": "/anything/a/b", "raw_path": b"/anything/a/b"}, ["a", "b"]),
        ({"path": "/anything/a/b", "raw_path": b"/anything/a%2Fb"}, ["a/b"]),
        ({"path": "/anything/a/b", "raw_path": b"/anything/a%2Fb?x=%2F"}, ["a/b"]),
        (
            {"path": "/anything/a/b", "raw_path": b"/somewhere/else/a%2Fb"},
            ["a", "b"],
        ),  # a middleware has changed `path`
        ({"path": "/anything/a/b", "raw_path": None}, ["a", "b"]),
    ],
)
def test_raw_path_is_used_if_it_decodes_to_the_path(scope: dict[str, Any], segments: list[str]) -> None:
    assert split_path({"raw_path": None, **scope}) == ["anything", *segments]


@pytest.mark.parametrize(
    ("root_path", "path"),
    [
        ("/api", "/api/greet/Ann"),  # as in ASGI: the path begins with the root path
        ("/api/", "/api/greet/Ann"),
        ("/v1/api", "/v1/api/greet/Ann"),
        ("/api", "/greet/Ann"),  # some servers remove it
        ("/", "/greet/Ann"),
        ("/gr", "/greet/Ann"),  # a prefix of a segment is not a prefix of a path
    ],
)
def test_root_path_is_removed_before_routing(root_path: str, path: str) -> None:
    assert call(SHOP, "GET", path, root_path=root_path).text == GREETING


def test_path_equal_to_the_root_path_is_index() -> None:
    assert call(SHOP, "GET", "/api", root_path="/api").text == "home"


@pytest.mark.parametrize("path", ["/greet/%FF", "/%C3%28", "/greet/%00", "/greet/a%00b", "/greet/%ED%A0%80"])
def test_path_that_is_not_text_is_a_bad_request(path: str) -> None:
    response = call(SHOP, "GET", path)
    assert response.status == 400
    assert response.text.startswith("400 Bad Request: The path")


@pytest.mark.parametrize(
    ("path", "status"),
    [("/greet/\0", 400), ("/greet/\ufffd", 400), ("greet", 404), ("*", 404), ("http://x/greet", 404)],
)
def test_undecodable_path_is_a_bad_request_and_path_without_slash_is_not_found(path: str, status: int) -> None:
    with pytest.raises(HTTPError) as refused:
        split_path({"path": path})
    assert refused.value.status == status


SEGMENT = st.text(st.characters(exclude_characters="\0\ufffd", exclude_categories=["Cs"]), max_size=5)


@given(st.lists(SEGMENT, max_size=4))
def test_encoded_segments_arrive_decoded(segments: list[str]) -> None:
    encoded = "".join("/" + "".join(f"%{byte:02X}" for byte in segment.encode()) for segment in segments)
    path = f"/anything{encoded}/"  # the last slash is ignored, so the last segment may be empty
    assert call(SHOP, "GET", path).json == segments


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
