"""These tests split what handlers return into status, body and headers."""

from http import HTTPStatus
from types import MappingProxyType

import pytest

from micropie.errors import ResponseError
from micropie.responses.handler_results import split_result
from tests.responses.bodies import Point

POINT = Point(201, 2)

# what a handler returned; status, body and headers
RESULTS: list[tuple[object, tuple[int, object, list[tuple[str, str]]]]] = [
    ("text", (200, "text", [])),
    (b"bytes", (200, b"bytes", [])),
    ({"a": 1}, (200, {"a": 1}, [])),
    ([201, "x"], (200, [201, "x"], [])),
    (7, (200, 7, [])),
    (None, (204, None, [])),
    ((201, "made"), (201, "made", [])),
    ((201, None), (201, None, [])),
    ((HTTPStatus.CREATED, "made"), (201, "made", [])),
    ((100, ""), (100, "", [])),
    ((599, ""), (599, "", [])),
    ((200, "x", [("A", "b")]), (200, "x", [("A", "b")])),
    ((200, "x", (("A", "b"),)), (200, "x", [("A", "b")])),
    ((200, "x", {"A": "b"}), (200, "x", [("A", "b")])),
    ((200, "x", MappingProxyType({"A": "b"})), (200, "x", [("A", "b")])),
    ((200, "x", None), (200, "x", [])),
    (POINT, (200, POINT, [])),
    ((), (200, (), [])),
    ((200,), (200, (200,), [])),
    ((200, "x", [], 1), (200, (200, "x", [], 1), [])),
    ((True, "x"), (200, (True, "x"), [])),
    (("200", "x"), (200, ("200", "x"), [])),
    ((1.5, 2.5), (200, (1.5, 2.5), [])),
]


@pytest.mark.parametrize(("result", "expected"), RESULTS)
def test_result_is_split_into_status_body_and_headers(
    result: object, expected: tuple[int, object, list[tuple[str, str]]]
) -> None:
    reply = split_result(result)
    assert reply == expected
    assert type(reply[0]) is int


@pytest.mark.parametrize("status", [99, 600, 0, -200, 10**400])
def test_status_out_of_range_is_refused(status: int) -> None:
    with pytest.raises(ResponseError, match="return data as a list"):
        split_result((status, "x"))


@pytest.mark.parametrize("headers", ["A: b", 1, b"x", object(), {"A"}])
def test_headers_that_are_neither_pairs_nor_a_mapping_are_refused(headers: object) -> None:
    with pytest.raises(ResponseError, match=r"list of \(name, value\) pairs or a mapping, not "):
        split_result((200, "x", headers))


def test_header_list_is_never_shared_with_the_handler() -> None:
    shared = [("A", "b")]
    for _ in range(2):
        _, _, headers = split_result((200, "x", shared))
        headers.append(("Set-Cookie", "session_id=mine"))
    assert shared == [("A", "b")]
    assert split_result("x")[2] is not split_result("x")[2]
