"""Session data that does not fit is refused, and no other source can replace it."""

import asyncio
from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from msgspec import Meta

from micropie import Session
from tests.support.shared_types import Cat, Colour, Dog, Todo

from .bad_input import KNOWN, SECRET, Sent, Target, check, in_cookies, in_form, in_json, in_query, name_of, target

STORED: list[tuple[Any, object, list[str]]] = [
    (int, SECRET, ["Expected an integer, got a string"]),
    (Annotated[int, Meta(ge=1, le=5)], 9, ["Expected an integer >= 1 and <= 5"]),
    (bool, 1, ["Expected a boolean, got a number"]),
    (str, 5, ["Expected text, got a number"]),
    (Annotated[str, Meta(max_length=4)], SECRET, ["Expected text of length <= 4"]),
    (UUID, SECRET, ["Expected a UUID"]),
    (date, "2024-02-30", ["Expected an RFC 3339 date"]),
    (Colour, "green", ["Expected one of 'red', 'blue'"]),
    (Literal["a", 1], "b", ["Expected one of 1, 'a'"]),
    (int | None, SECRET, ["Expected an integer or null"]),
    (date | datetime, SECRET, ["Expected an RFC 3339 date or an RFC 3339 date and time"]),
    (list[int], [1, SECRET, None], [
        "Expected an integer, got a string at '/1'", "Expected an integer, got null at '/2'",
    ]),
    (dict[str, int], {"a": SECRET}, ["Expected an integer, got a string at '/a'"]),
    (Cat | Dog, {"type": SECRET}, ["Expected one of 'Cat', 'Dog' at '/type'"]),
    (Todo, {"title": SECRET, "tags": [{"name": ""}]}, [
        "Expected text of length >= 1 and <= 5 at '/title'", "Expected text of length >= 1 at '/tags/0/name'",
    ]),
    (Todo, {"priority": 1}, ["Missing required field at '/title'"]),
]  # fmt: skip


@pytest.mark.parametrize(("annotation", "stored", "details"), STORED, ids=name_of)
def test_stored_data_that_no_longer_fits_is_refused(annotation: Any, stored: object, details: list[str]) -> None:
    aim = target(Annotated[annotation, Session("cart")])
    suffix = " in the stored session"
    check(aim, with_session(aim, {"cart": stored}), [(("session", "cart"), detail + suffix) for detail in details])
    if annotation is Todo:
        assert isinstance(stored, dict)
        aim = target(Annotated[Todo, Session()])
        check(aim, with_session(aim, stored), [(("session", "value"), detail + suffix) for detail in details])


def test_session_value_cannot_come_from_another_source() -> None:
    aim = target(Annotated[int, Session()])
    for sent in (in_query([("value", "1")]), in_form([("value", "1")]), in_cookies([("value", "1")])):
        check(aim, sent, [(("session", "value"), "Missing required parameter 'value'")])
    check(aim, in_json('{"value":1}'), [(("session", "value"), "Missing required parameter 'value'")])


def with_session(aim: Target, data: dict[str, Any]) -> Sent:
    asyncio.run(aim.app.session_backend.save(KNOWN, data, 3600))
    return Sent(headers=[(b"cookie", f"session_id={KNOWN}".encode())])
