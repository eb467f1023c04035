"""A missing value is reported at its source."""

from typing import Annotated, Any

import pytest

from micropie import Body, Cookie, File, Form, Header, Path, Query, Session, UploadFile
from tests.support.shared_types import Cat, Dog, Tag, Todo

from .bad_input import Place, Sent, cached_target, check, in_form, in_json, in_multipart, name_of

MISSING: list[tuple[Any, Place, str]] = [
    (int, ("query", "value"), "value"),
    (Any, ("query", "value"), "value"),
    (list[int], ("query", "value"), "value"),
    (int | None, ("query", "value"), "value"),
    (Annotated[int, Path()], ("path", "value"), "value"),
    (Annotated[int, Query("page")], ("query", "page"), "page"),
    (Annotated[int, Form("field")], ("form", "field"), "field"),
    (Annotated[int, Body("key/~")], "/key~1~0", "key/~"),
    (Annotated[int, Header()], ("header", "Value"), "Value"),
    (Annotated[int, Header("X-Request-Id")], ("header", "X-Request-Id"), "X-Request-Id"),
    (Annotated[int, Cookie("flavour")], ("cookie", "flavour"), "flavour"),
    (Annotated[int, Session()], ("session", "value"), "value"),
    (Annotated[Todo, Session("cart")], ("session", "cart"), "cart"),
    (UploadFile, ("file", "value"), "value"),
    (list[UploadFile], ("file", "value"), "value"),
    (Annotated[UploadFile, File("image")], ("file", "image"), "image"),
]


@pytest.mark.parametrize(("annotation", "place", "name"), MISSING, ids=name_of)
def test_missing_value_is_reported_at_its_source(annotation: Any, place: Place, name: str) -> None:
    check(cached_target(annotation), Sent(), [(place, f"Missing required parameter '{name}'")])


@pytest.mark.parametrize(
    ("sent", "place"),
    [
        (Sent(), ("query", "value")),
        (in_form([("other", "1")]), ("form", "value")),
        (in_multipart([("other", "1")]), ("form", "value")),
        (in_json('{"other":1}'), "/value"),
    ],
)
def test_missing_value_is_reported_in_the_kind_of_body_that_was_sent(sent: Sent, place: Place) -> None:
    check(cached_target(int), sent, [(place, "Missing required parameter 'value'")])


@pytest.mark.parametrize("annotation", [Todo, dict[str, int], list[Tag], Cat | Dog, Annotated[Todo, Body()]])
def test_missing_body_is_reported(annotation: Any) -> None:
    check(cached_target(annotation), Sent(), [("", "Missing request body")])
