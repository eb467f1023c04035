"""Everything that is wrong with a JSON value is found, each error with its pointer."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta

from micropie.conversion.error_search import MAX_DEPTH
from micropie.conversion.exceptions import CONVERSION_ERRORS
from micropie.conversion.json_errors import MAX_ERRORS, MAX_VALUES
from tests.conversion.examples import (
    Box,
    CatRow,
    ClosedRow,
    DogRow,
    Nested,
    Pair,
    Picture,
    Renamed,
    Report,
    Row,
    Twins,
    User,
    list_errors,
)
from tests.support.shared_types import Address, Cat, Closed, Colour, Dog, Level, Point, Range, Todo, Wheel

RIGHT: Sequence[tuple[Any, object]] = [
    (int, 5),
    (float, 5),
    (Decimal, "1.5"),
    (Decimal, 1.5),
    (bytes, "aGk="),
    (Any, {"a": [1]}),
    (date, "2024-01-01"),
    (Colour, "red"),
    (Level, 1),
    (Literal["a", 1, True, None], True),
    (int | None, None),
    (list[int], [1, 2]),
    (set[int], [1, 1]),
    (tuple[int, str], [1, "a"]),
    (dict[int, str], {"1": "a"}),
    (dict[float | None, int], {"1.5": 1}),
    (dict[date, int], {"2024-01-01": 1}),
    (dict[Level, int], {"1": 1}),
    (dict[Literal[1, 2], int], {"1": 1}),
    (dict[Decimal, int], {"1.5": 1}),
    (dict, {"x": 1}),
    (Todo, {"title": "a", "tags": [{"name": "b"}], "colour": None, "else": 1}),
    (Renamed, {"firstName": "A"}),
    (Row, [1]),
    (Row, [1, "a", "and more"]),
    (Point, [1]),
    (Cat, {"lives": 9}),
    (Cat | None, {"lives": 9}),
    (Cat | Dog, {"type": "Dog", "name": "x"}),
    (CatRow | DogRow, ["dog", "x"]),
    (CatRow | None, ["cat", 1]),
    (Row | None, [1]),
    (Box[int], {"content": 1}),
    (list[int] | dict[str, int] | int, {"a": 1}),
    (list[int] | dict[str, int] | int, 1),
    (Address, {"street": "x"}),
    (User, {"name": "a", "address": {"street": "x"}}),
    (Wheel, {"size": 1}),
    (Range, {"low": 1, "high": 2}),
    (Report, {"ranges": [{"low": 1, "high": 1}], "counts": {"1": 2}}),
]


@pytest.mark.parametrize(("annotation", "value"), RIGHT)
def test_value_that_fits_has_no_errors(annotation: Any, value: object) -> None:
    msgspec.json.decode(msgspec.json.encode(value), type=annotation)
    assert list_errors(annotation, value) == []


@pytest.mark.parametrize(
    ("annotation", "value", "found"),
    [
        (int, "5", [("", "Expected an integer, got a string")]),
        (int, 5.5, [("", "Expected an integer")]),
        (int, True, [("", "Expected an integer, got a boolean")]),
        (int, None, [("", "Expected an integer, got null")]),
        (int, [5], [("", "Expected an integer, got an array")]),
        (int, {}, [("", "Expected an integer, got an object")]),
        (float, "1", [("", "Expected a number, got a string")]),
        (str, 5, [("", "Expected text, got a number")]),
        (bool, 1, [("", "Expected a boolean, got a number")]),
        (bytes, "%", [("", "Expected base64 text")]),
        (date, "today", [("", "Expected an RFC 3339 date")]),
        (Decimal, "NaN", [("", "Expected a decimal number, got a string")]),
        (Decimal, "Infinity", [("", "Expected a decimal number, got a string")]),
        (Decimal, "five", [("", "Expected a decimal number, got a string")]),
        (None, 0, [("", "Expected null, got a number")]),
        (Colour, "green", [("", "Expected one of 'red', 'blue'")]),
        (Colour, ["red"], [("", "Expected one of 'red', 'blue'")]),
        (Level, "1", [("", "Expected one of 1, 2")]),
        (Literal["a", 1], True, [("", "Expected one of 1, 'a'")]),
        (int | None, "x", [("", "Expected an integer or null")]),
        (int | str, [], [("", "Expected an integer or text")]),
        (Annotated[int, Meta(ge=1, le=5)], 9, [("", "Expected an integer >= 1 and <= 5")]),
        (list[int], {}, [("", "Expected an array, got an object")]),
        (list[int], [1, "x", 2, None], [
            ("/1", "Expected an integer, got a string"), ("/3", "Expected an integer, got null"),
        ]),
        (list[list[int]], [[1], ["x"]], [("/1/0", "Expected an integer, got a string")]),
        (list[int] | None, ["x"], [("/0", "Expected an integer, got a string")]),
        (Annotated[list[int], Meta(min_length=1)], [], [("", "Expected an array of length >= 1")]),
        (Annotated[list[int], Meta(max_length=1)], ["x", 1], [
            ("", "Expected an array of length <= 1"), ("/0", "Expected an integer, got a string"),
        ]),
        (tuple[int, str], [1], [("", "Expected an array of length 2")]),
        (tuple[int, str], [1, 2], [("/1", "Expected text, got a number")]),
        (tuple[int, str] | int, ["a", "b"], [("/0", "Expected an integer, got a string")]),
        (Point, [], [("", "Expected an array of length 1 to 2")]),
        (Point, [1, 2, 3], [("", "Expected an array of length 1 to 2")]),
        (Point, {"x": 1}, [("", "Expected an array of length 1 to 2, got an object")]),
        (Pair, [1, "x"], [("/1", "Expected an integer, got a string")]),
        (Row, [], [("", "Expected an array")]),
        (Row, {"x": 1}, [("", "Expected an array, got an object")]),
        (ClosedRow, [1, 2], [("", "Expected an array")]),
        (Row | None, ["x"], [("/0", "Expected an integer, got a string")]),
        (CatRow, ["cow", "x"], [("/0", "Expected one of 'cat'"), ("/1", "Expected an integer, got a string")]),
        (CatRow | DogRow, ["cow"], [("/0", "Expected one of 'cat', 'dog'")]),
        (CatRow | DogRow, ["cat", "x"], [("/1", "Expected an integer, got a string")]),
        (dict[str, int], [], [("", "Expected an object, got an array")]),
        (dict[str, int], {"a/b": "x", "c~d": "y"}, [
            ("/a~1b", "Expected an integer, got a string"), ("/c~0d", "Expected an integer, got a string"),
        ]),
        (dict[int, int], {"x": "y"}, [
            ("/x", "Expected the key to be an integer"), ("/x", "Expected an integer, got a string"),
        ]),
        (dict[int | bytes | None, int], {"%": 1}, [("/%", "Expected the key to be an integer or base64 text or null")]),
        (dict[Colour, int], {"green": 1}, [("/green", "Expected the key to be one of 'red', 'blue'")]),
        (Annotated[dict[str, int], Meta(max_length=1)], {"a": 1, "b": "x"}, [
            ("", "Expected an object of length <= 1"), ("/b", "Expected an integer, got a string"),
        ]),
        (Todo, [], [("", "Expected an object, got an array")]),
        (Todo, {}, [("/title", "Missing required field")]),
        (Todo, {"title": "", "priority": 9, "tags": [{"name": ""}, {}, 5], "colour": "green"}, [
            ("/title", "Expected text of length >= 1 and <= 5"),
            ("/priority", "Expected an integer >= 1 and <= 5"),
            ("/tags/0/name", "Expected text of length >= 1"),
            ("/tags/1/name", "Missing required field"),
            ("/tags/2", "Expected an object, got a number"),
            ("/colour", "Expected one of 'red', 'blue' or null"),
        ]),
        (Todo | None, {"title": 5}, [("/title", "Expected text of length >= 1 and <= 5, got a number")]),
        (Todo | None, 5, [("", "Expected an object or null")]),
        (Renamed, {"first_name": "A"}, [("/firstName", "Missing required field")]),
        (Closed, {"x": 1, "y": 2, "z": 3}, [("/y", "Unknown field"), ("/z", "Unknown field")]),
        (Cat, {"type": "Dog", "lives": "x"}, [
            ("/type", "Expected 'Cat'"), ("/lives", "Expected an integer, got a string"),
        ]),
        (Cat | None, {"lives": "x"}, [("/lives", "Expected an integer, got a string")]),
        (Cat | Dog, {"lives": 9}, [("/type", "Expected one of 'Cat', 'Dog'")]),
        (Cat | Dog, {"type": "Cow"}, [("/type", "Expected one of 'Cat', 'Dog'")]),
        (Cat | Dog, {"type": "Dog"}, [("/name", "Missing required field")]),
        (Cat | Dog, 5, [("", "Expected an object")]),
        (Box[int], {"content": "x"}, [("/content", "Expected an integer, got a string")]),
        (list[int] | dict[str, int], {"a": "x"}, [("/a", "Expected an integer, got a string")]),
        (list[int] | dict[str, int], "x", [("", "Expected an array or an object")]),
        (Address, {"street": 1}, [("/street", "Expected text, got a number")]),
        (User, {"name": "a", "address": {}}, [("/address/street", "Missing required field")]),
        (Wheel, {"size": "x"}, [("/size", "Expected an integer, got a string")]),
        (Range, {"low": 2, "high": 1}, [("", "low must not be above high")]),
        (Range, {"low": 2, "high": "x"}, [("/high", "Expected an integer, got a string")]),
        (Report, {"ranges": []}, [("", "a report needs a range")]),
        (Report, {"ranges": [], "counts": {"1": 1}}, [("", "a report needs a range")]),
        (Report, {"ranges": [{"low": 2, "high": 1}, {"low": 3, "high": 2}]}, [
            ("/ranges/0", "low must not be above high"), ("/ranges/1", "low must not be above high"),
        ]),
        (Picture, {"image": "x"}, [("/image", "Expected a file")]),
    ],
)  # fmt: skip
def test_all_errors_are_found_with_their_pointers(annotation: Any, value: object, found: list[tuple[str, str]]) -> None:
    assert list_errors(annotation, value) == found


def test_errors_are_reported_up_to_a_limit() -> None:
    assert len(list_errors(list[int], ["x"] * (MAX_ERRORS + 5))) == MAX_ERRORS


def test_values_are_searched_up_to_a_limit() -> None:
    value = [0] * MAX_VALUES + ["x"]
    assert list_errors(list[int], value) == [("", f"Only the first {MAX_VALUES} values were checked")]


def test_nested_objects_are_searched_up_to_a_depth() -> None:
    value: dict[str, Any] = {"value": "x"}
    for _ in range(MAX_DEPTH - 1):
        value = {"value": 1, "below": value}
    assert list_errors(Nested, value) == [("/below" * (MAX_DEPTH - 1) + "/value", "Expected an integer, got a string")]
    with pytest.raises(RecursionError):
        list_errors(Nested, {"value": 1, "below": value})


def test_values_in_fields_count_towards_the_limit() -> None:
    value: dict[str, Any] = {}
    for _ in range(MAX_VALUES.bit_length()):
        value = {"left": value, "right": value}
    assert list_errors(Twins, value) == [("", f"Only the first {MAX_VALUES} values were checked")]


def test_check_of_a_discarded_type_is_never_used_for_another() -> None:
    for least in range(5000):
        assert list_errors(Annotated[int, Meta(ge=least)], least - 1) == [("", f"Expected an integer >= {least}")]


# --- the law --------------------------------------------------------------------------------------------------------

JSON_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(-9, 9) | st.sampled_from(["", "red", "x", "1", "Cat"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["title", "priority", "tags", "name", "x", "1", "type", "lives", "low", "high"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)
TYPES = [annotation for annotation, _ in RIGHT]


@given(JSON_VALUES)
@pytest.mark.parametrize("annotation", TYPES)
def test_errors_are_found_exactly_if_msgspec_refuses_the_value(annotation: Any, value: object) -> None:
    document = msgspec.json.encode(value)
    try:
        msgspec.json.decode(document, type=annotation)
    except CONVERSION_ERRORS:
        fits = False
    else:
        fits = True
    assert (list_errors(annotation, msgspec.json.decode(document)) == []) is fits


@given(st.text().map("§{}§".format))
@pytest.mark.parametrize("annotation", [Todo, Cat | Dog, int | None, dict[str, int], Colour])
def test_errors_never_repeat_a_value(annotation: Any, secret: str) -> None:
    for given_value in (secret, [secret], {"title": secret, "type": secret, "tags": [{"name": [secret]}]}):
        assert all(secret not in detail for _, detail in list_errors(annotation, given_value))
