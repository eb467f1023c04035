"""A text that does not fit its type is refused in every source that carries text.

Each table names a type, the words that describe it and texts that do not fit.
"""

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from msgspec import Meta

from micropie import App, Query
from tests.support.asgi import (
    PROBLEM,
)
from tests.support.shared_types import Cat, Closed, Colour, Dog, Level, Point, Range, User, Wheel

from .bad_input import (
    ALL_BUT_PATH,
    SECRET,
    SOURCES,
    Address,
    Flat,
    Pairs,
    Send,
    Sent,
    Target,
    cached_target,
    check,
    in_form,
    in_multipart,
    in_query,
    name_of,
    parameter_name,
    target,
)

NO_NUMBERS = [
    "1_000", "١", "٥", "５", "²", "0x10", "0b1", "0o7", " 5", "5 ",
    "\t5", "5\u00a0", "\u20035", "\ufeff5", "nan", "NaN",
    "-nan", "inf", "-inf", "Infinity", "+5", "05", "--5", "-", "5,6", "5.", ".5", "1e", "[5]", "{}", '"5"', "null",
    "true", "None", "5/6", "5%", "\ud7ff", SECRET,
]  # fmt: skip


NO_INTEGERS = [*NO_NUMBERS, "5.0", "5.5", "1e3", "1e999", "9" * 5000, "-" + "9" * 5000]


NO_FLOATS = [*NO_NUMBERS, "1e999", "-1e999", "9" * 5000]


TEXTS: list[tuple[Any, str, list[str]]] = [
    (int, "an integer", NO_INTEGERS),
    (Annotated[int, Meta(ge=1, le=5)], "an integer >= 1 and <= 5", [
        "0", "6", "-1", "9" * 40, "9" * 5000, "5.0", SECRET,
    ]),
    (Annotated[int, Meta(gt=0, multiple_of=5)], "an integer > 0 and a multiple of 5", ["0", "7", "-5", " 5"]),
    (float, "a number", NO_FLOATS),
    (Annotated[float, Meta(lt=1.5)], "a number < 1.5", ["1.5", "2", "1e999", "nan"]),
    (Decimal, "a decimal number", [*NO_NUMBERS, "sNaN", "1e" + "9" * 40]),
    (bool, "a boolean", ["2", "-1", "01", "t", "yep", "truee", " true", "true ", "ｔrue", "ı", SECRET]),
    (Annotated[str, Meta(min_length=2, max_length=4)], "text of length >= 2 and <= 4", ["x", "xxxxx", "é", SECRET]),
    (Annotated[str, Meta(pattern="^[a-z]+$")], "text matching '^[a-z]+$'", ["A", "a1", "é", SECRET]),
    (Annotated[bytes, Meta(min_length=2, max_length=4)], "text of length >= 2 and <= 4", ["x", "ééé", SECRET]),
    (UUID, "a UUID", [
        "5", "12345678-1234-5678-1234-56781234567", "{12345678-1234-5678-1234-567812345678}",
        "urn:uuid:12345678-1234-5678-1234-567812345678", "12345678-1234-5678-1234-56781234567g", SECRET,
    ]),
    (date, "an RFC 3339 date", [
        "2024-13-01", "2024-02-30", "2023-02-29", "2024-1-1", "20240101", "0000-01-01", "2024-01-01T00:00:00",
        " 2024-01-01", "2024-01-01 ", "٢٠٢٤-٠١-٠١", "today", "5", SECRET,
    ]),
    (datetime, "an RFC 3339 date and time", [
        "2024-01-01", "2024-01-01T24:00:00Z", "2024-01-01T00:00:60Z", "2024-01-01T00:00", "2024-02-30T00:00:00",
        "2024-01-01T00:00:00+25:00", "1700000000", "now", SECRET,
    ]),
    (Annotated[datetime, Meta(tz=True)], "an RFC 3339 date and time with a UTC offset", ["2024-01-01T00:00:00"]),
    (Annotated[datetime, Meta(tz=False)], "an RFC 3339 date and time without a UTC offset", ["2024-01-01T00:00:00Z"]),
    (time, "an RFC 3339 time", ["24:00:00", "12:00", "12:60:00", "12:00:00+25:00", " 12:00:00", "noon", "5", SECRET]),
    (timedelta, "an ISO 8601 duration", ["P", "PT", "P1DT", "P1Y", "P1M", "5", "1 day", "P99999999999D", SECRET]),
    (Colour, "one of 'red', 'blue'", ["RED", "Red", "Colour.RED", "red ", "green", "5", SECRET]),
    (Level, "one of 1, 2", ["3", "01", " 1", "1.0", "LOW", "١", SECRET]),
    (Literal["a", "b", 1], "one of 1, 'a', 'b'", ["c", "A", "01", "ab", SECRET]),
    (Literal[True, 7], "one of 7, true", ["2", "false", "0", SECRET]),
    (int | None, "an integer", ["x", "null", "None", " ", "1_000", "nan", SECRET]),
    (Colour | None, "one of 'red', 'blue'", ["green", "null", SECRET]),
    (int | float, "an integer or a number", NO_FLOATS),
    (int | bool, "an integer or a boolean", ["5.5", "tru", SECRET]),
    (date | datetime, "an RFC 3339 date or an RFC 3339 date and time", ["2024-13-01", "2024", SECRET]),
    (UUID | int | None, "a UUID or an integer", ["5.5", "0x10", SECRET]),
    (Decimal | Literal["free"], "one of 'free' or a decimal number", ["Free", "nan", SECRET]),
]  # fmt: skip


EMPTY_TEXTS = [
    (annotation, words) for annotation, words, _ in TEXTS if type(None) not in getattr(annotation, "__args__", ())
]


@pytest.mark.parametrize(("annotation", "words", "texts"), TEXTS, ids=name_of)
@pytest.mark.parametrize("source", SOURCES)
def test_text_that_does_not_fit_is_refused_in_every_source(
    source: str, annotation: Any, words: str, texts: list[str]
) -> None:
    marker, kind, send = SOURCES[source]
    aim = cached_target(Annotated[annotation, marker])
    for text in texts:
        check(aim, send([("value", text)]), [((kind, parameter_name(source, "value")), f"Expected {words}")])


@pytest.mark.parametrize(("annotation", "words"), EMPTY_TEXTS, ids=name_of)
@pytest.mark.parametrize("source", ALL_BUT_PATH)
def test_empty_text_that_does_not_fit_is_refused(source: str, annotation: Any, words: str) -> None:
    marker, kind, send = SOURCES[source]
    aim = cached_target(Annotated[annotation, marker])
    check(aim, send([("value", "")]), [((kind, parameter_name(source, "value")), f"Expected {words}")])


@pytest.mark.parametrize(("annotation", "words", "texts"), TEXTS, ids=name_of)
def test_text_without_a_marker_is_refused_in_the_source_that_has_it(
    annotation: Any, words: str, texts: list[str]
) -> None:
    aim = cached_target(annotation)
    for source in ("path", "query", "urlencoded", "multipart"):
        _, kind, send = SOURCES[source]
        check(aim, send([("value", texts[-1])]), [((kind, "value"), f"Expected {words}")])


MANY: list[tuple[Any, str, list[list[str]]]] = [
    (list[int], "values, each an integer", [["1", "x"], ["1_000"], ["1,2"], ["9" * 5000], ["1", ""], [SECRET, "1"]]),
    (set[UUID], "values, each a UUID", [["5"], [SECRET]]),
    (frozenset[date], "values, each an RFC 3339 date", [["2024-01-01", "2024-02-30"]]),
    (tuple[Colour, ...], "values, each one of 'red', 'blue'", [["red", "green"]]),
    (Annotated[list[str], Meta(min_length=2, max_length=3)], "values of length >= 2 and <= 3, each text", [
        [SECRET], ["a", "b", "c", "d"],
    ]),
    (list[Annotated[int, Meta(ge=1)]], "values, each an integer >= 1", [["1", "0"]]),
    (tuple[int, str], "2 values: an integer, text", [["1"], ["1", "a", "b"], ["a", "1"]]),
    (list[bool] | None, "values, each a boolean", [["2"], ["", "1"]]),
]  # fmt: skip


@pytest.mark.parametrize(("annotation", "words", "cases"), MANY, ids=name_of)
@pytest.mark.parametrize("source", ALL_BUT_PATH)
def test_several_texts_that_do_not_fit_are_refused_as_one_parameter(
    source: str, annotation: Any, words: str, cases: list[list[str]]
) -> None:
    marker, kind, send = SOURCES[source]
    aim = cached_target(Annotated[annotation, marker])
    for texts in cases:
        if source == "header" and any(not text or "," in text for text in texts):
            continue  # a line of a header is itself a list, whose empty items do not count (RFC 9110 §5.6.1)
        pairs = [("value", text) for text in texts]
        check(aim, send(pairs), [((kind, parameter_name(source, "value")), f"Expected {words}")])


def test_error_in_a_remaining_segment_is_reported() -> None:
    class Api(App):
        async def take(self, first: int, *rest: int) -> None:
            calls.append((first, rest))

    calls: list[object] = []
    wrong = ("path", "rest"), "Expected an integer"
    check(Target(Api(), calls), Sent("/take/1/2/x/3"), [wrong])
    check(Target(Api(), calls), Sent("/take/y/2/x/3"), [(("path", "first"), "Expected an integer"), wrong])


NAMES: list[tuple[Any, Pairs, list[tuple[str, str]]]] = [
    (Flat, [("title", "longer"), ("amount", SECRET), ("prices", "1"), ("prices", "nan")], [
        ("title", "Expected text of length >= 1 and <= 5"), ("amount", "Expected an integer"),
        ("prices", "Expected values, each a decimal number"),
    ]),
    (Flat, [("amount", "1_000")], [
        ("title", "Missing required parameter 'title'"), ("amount", "Expected an integer"),
    ]),
    (Cat | Dog, [("type", SECRET), ("lives", "9")], [("type", "Expected one of 'Cat', 'Dog'")]),
    (Cat | Dog, [("lives", "9")], [("type", "Expected one of 'Cat', 'Dog'")]),
    (Cat | Dog, [("type", "Cat"), ("lives", "x")], [("lives", "Expected an integer")]),
    (Cat | Dog, [("type", "Dog")], [("name", "Missing required parameter 'name'")]),
    (Range, [("low", "2"), ("high", "1")], [("value", "low must not be above high")]),
    (User, [("name", "A"), ("born", SECRET)], [("born", "Expected an RFC 3339 date")]),
    (Address, [("street", "x" * 10), ("number", "x")], [
        ("number", "Expected an integer"), ("street", "Expected text of length <= 9"),
    ]),
    (Point, [("x", "1"), ("y", SECRET)], [("y", "Expected an integer")]),
    (Wheel, [("size", "٥")], [("size", "Expected an integer")]),
]  # fmt: skip


@pytest.mark.parametrize(("annotation", "pairs", "errors"), NAMES, ids=name_of)
@pytest.mark.parametrize("source", ALL_BUT_PATH)
def test_every_field_that_does_not_fit_is_reported(
    source: str, annotation: Any, pairs: Pairs, errors: list[tuple[str, str]]
) -> None:
    marker, kind, send = SOURCES[source]
    aim = cached_target(Annotated[annotation, marker])
    expected = [
        (
            (kind, parameter_name(source, name)),
            detail.replace(f"'{name}'", f"'{parameter_name(source, name)}'")
            if detail.startswith("Missing")
            else detail,
        )
        for name, detail in errors
    ]
    check(aim, send(pairs), expected)


@pytest.mark.parametrize(("annotation", "pairs", "errors"), NAMES, ids=name_of)
@pytest.mark.parametrize("send", [in_form, in_multipart])
def test_form_without_a_marker_is_the_whole_body(
    send: Send, annotation: Any, pairs: Pairs, errors: list[tuple[str, str]]
) -> None:
    check(cached_target(annotation), send(pairs), [(("form", name), detail) for name, detail in errors])


@pytest.mark.parametrize("send", [in_form, in_multipart])
def test_form_with_a_wrong_tag_is_refused(send: Send) -> None:
    wrong = [(("form", "lives"), "Expected an integer"), (("form", "type"), "Expected 'Cat'")]
    check(cached_target(Cat), send([("type", "Dog"), ("lives", SECRET)]), wrong)
    check(cached_target(Cat), send([("type", SECRET), ("lives", "9")]), wrong[1:])


@pytest.mark.parametrize("source", ["query", "urlencoded", "multipart", "cookie"])
def test_unknown_name_is_reported_if_the_type_forbids_it(source: str) -> None:
    marker, kind, send = SOURCES[source]
    check(target(Annotated[Closed, marker]), send([("x", "1"), ("y", SECRET)]), [((kind, "y"), "Unknown field")])


@pytest.mark.parametrize("source", SOURCES)
def test_value_that_was_sent_is_never_in_the_response(source: str) -> None:
    marker, _, send = SOURCES[source]
    for annotation, _, _ in TEXTS:
        aim = cached_target(Annotated[annotation, marker])
        for more in ((), PROBLEM):
            response = send([("value", SECRET * 3)]).to(aim.app, *more)
            assert response.status == 400
            assert SECRET not in response.text
        assert aim.calls == []


def test_values_and_unknown_names_are_not_in_the_response() -> None:
    aim = cached_target(Annotated[Flat, Query()])
    response = in_query([("title", SECRET), (SECRET, SECRET), ("amount", SECRET)]).to(aim.app)
    assert (response.status, aim.calls) == (400, [])
    assert SECRET not in response.text
