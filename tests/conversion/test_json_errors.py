"""What is wanted, in words, and everything that is wrong with a JSON value, each thing with its pointer."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Annotated, Any, Generic, Literal, NamedTuple, TypedDict, TypeVar, Union
from uuid import UUID

import attrs
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta, Struct
from msgspec import inspect as mi

from micropie.conversion.error_search import MAX_DEPTH
from micropie.conversion.error_wording import describe_expected, describe_expected_text
from micropie.conversion.exceptions import CONVERSION_ERRORS, validator_message
from micropie.conversion.json_errors import MAX_ERRORS, MAX_VALUES, find_errors
from micropie.uploads.upload_file import UploadFile

T = TypeVar("T")


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Level(IntEnum):
    LOW = 1
    HIGH = 2


class Tag(Struct):
    name: Annotated[str, Meta(min_length=1)]


class Todo(Struct):
    title: Annotated[str, Meta(min_length=1, max_length=5)]
    priority: Annotated[int, Meta(ge=1, le=5)] = 3
    tags: list[Tag] = []
    colour: Colour | None = None


class Renamed(Struct, rename="camel"):
    first_name: str


class Closed(Struct, forbid_unknown_fields=True):
    x: int = 0


class Row(Struct, array_like=True):
    x: int
    y: str = ""


class ClosedRow(Struct, array_like=True, forbid_unknown_fields=True):
    x: int


class Cat(Struct, tag=True):
    lives: int


class Dog(Struct, tag=True):
    name: str


class CatRow(Struct, tag="cat", array_like=True):
    lives: int


class DogRow(Struct, tag="dog", array_like=True):
    name: str


class Box(Struct, Generic[T]):
    content: T


class Point(NamedTuple):
    x: int
    y: int = 0


class Pair(NamedTuple):
    x: int
    y: int


class Address(TypedDict):
    street: str


@dataclass
class User:
    name: str
    address: Address


@attrs.define
class Wheel:
    size: int


class Range(Struct):
    low: int
    high: int

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise ValueError("low must not be above high")


class Report(Struct):
    ranges: list[Range]
    counts: dict[int, int] = {}

    def __post_init__(self) -> None:
        if not self.ranges:
            raise ValueError("a report needs a range")


class Moody(Struct):
    mood: str

    def __post_init__(self) -> None:
        if self.mood:
            raise msgspec.ValidationError(self.mood)


class Picture(Struct):
    image: UploadFile


class Nested(Struct):
    value: int
    below: "Nested | None" = None


class Twins(Struct):
    left: "Twins | None" = None
    right: "Twins | None" = None


def errors(annotation: Any, value: object) -> list[tuple[str | None, str]]:
    return [(error.pointer, error.detail) for error in find_errors(mi.type_info(annotation), value)]


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        (int, "an integer"),
        (float, "a number"),
        (Decimal, "a decimal number"),
        (bool, "a boolean"),
        (str, "text"),
        (bytes, "base64 text"),
        (bytearray, "base64 text"),
        (memoryview, "base64 text"),
        (UUID, "a UUID"),
        (datetime, "an RFC 3339 date and time"),
        (date, "an RFC 3339 date"),
        (time, "an RFC 3339 time"),
        (timedelta, "an ISO 8601 duration"),
        (None, "null"),
        (Any, "a value"),
        (Colour, "one of 'red', 'blue'"),
        (Level, "one of 1, 2"),
        (Literal["b", "a", 1], "one of 1, 'a', 'b'"),
        (Literal[True, None], "one of null, true"),
        (Literal[False], "one of false"),
        (int | None, "an integer or null"),
        (int | str, "an integer or text"),
        (Annotated[int, Meta(ge=1, le=5)], "an integer >= 1 and <= 5"),
        (Annotated[int, Meta(gt=1, lt=5)], "an integer > 1 and < 5"),
        (Annotated[int, Meta(multiple_of=5)], "an integer a multiple of 5"),
        (Annotated[str, Meta(min_length=1, max_length=5)], "text of length >= 1 and <= 5"),
        (Annotated[str, Meta(pattern="^a$")], "text matching '^a$'"),
        (Annotated[datetime, Meta(tz=True)], "an RFC 3339 date and time with a UTC offset"),
        (Annotated[datetime, Meta(tz=False)], "an RFC 3339 date and time without a UTC offset"),
        (Annotated[int, Meta(title="Age", description="in years", ge=0)], "an integer >= 0"),
        (list[int], "an array"),
        (Annotated[list[int], Meta(max_length=3)], "an array of length <= 3"),
        (tuple[int, str], "an array of length 2"),
        (Pair, "an array of length 2"),
        (Point, "an array of length 1 to 2"),
        (Row, "an array"),
        (dict[str, int], "an object"),
        (Todo, "an object"),
        (User, "an object"),
        (Address, "an object"),
        (Wheel, "an object"),
        (UploadFile, "a file"),
    ],
)
def test_a_type_is_described_by_what_json_it_wants(annotation: Any, words: str) -> None:
    assert describe_expected(mi.type_info(annotation)) == words


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        (int | None, "an integer"),
        (int | str | None, "an integer or text"),
        (bytes, "text"),
        (Annotated[bytes, Meta(max_length=3)], "text of length <= 3"),
        (Literal["a", None], "one of 'a'"),
        (list[int], "values, each an integer"),
        (list[int | None] | None, "values, each an integer"),
        (Annotated[set[bytes], Meta(min_length=1)], "values of length >= 1, each text"),
        (tuple[int, str], "2 values: an integer, text"),
    ],
)
def test_a_type_is_described_by_what_text_it_wants(annotation: Any, words: str) -> None:
    assert describe_expected_text(mi.type_info(annotation)) == words


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
def test_nothing_is_wrong_with_what_fits(annotation: Any, value: object) -> None:
    msgspec.json.decode(msgspec.json.encode(value), type=annotation)
    assert errors(annotation, value) == []


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
def test_everything_that_is_wrong_is_found_with_its_pointer(
    annotation: Any, value: object, found: list[tuple[str, str]]
) -> None:
    assert errors(annotation, value) == found


def test_a_validation_error_that_a_type_raises_itself_has_no_words_of_its_own() -> None:
    assert errors(Moody, {"mood": "bad"}) == []
    assert validator_message(msgspec.ValidationError("bad")) is None


def test_a_rule_is_told_in_its_own_words() -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.convert({"low": 2, "high": 1}, Range)
    assert validator_message(caught.value) == "low must not be above high"
    assert validator_message(ValueError("by itself")) == "by itself"


def test_no_more_errors_are_told_than_help() -> None:
    assert len(errors(list[int], ["x"] * (MAX_ERRORS + 5))) == MAX_ERRORS


def test_no_more_values_are_looked_at_than_cost_little() -> None:
    value = [0] * MAX_VALUES + ["x"]
    assert errors(list[int], value) == [("", f"Only the first {MAX_VALUES} values were checked")]


def test_no_more_objects_within_one_another_are_looked_into_than_the_stack_holds() -> None:
    value: dict[str, Any] = {"value": "x"}
    for _ in range(MAX_DEPTH - 1):
        value = {"value": 1, "below": value}
    assert errors(Nested, value) == [("/below" * (MAX_DEPTH - 1) + "/value", "Expected an integer, got a string")]
    with pytest.raises(RecursionError):
        errors(Nested, {"value": 1, "below": value})


def test_values_count_wherever_they_are_held() -> None:
    value: dict[str, Any] = {}
    for _ in range(MAX_VALUES.bit_length()):
        value = {"left": value, "right": value}
    assert errors(Twins, value) == [("", f"Only the first {MAX_VALUES} values were checked")]


def test_a_type_is_never_taken_for_another_that_is_gone() -> None:
    for least in range(5000):
        assert errors(Annotated[int, Meta(ge=least)], least - 1) == [("", f"Expected an integer >= {least}")]


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
def test_something_is_found_exactly_where_msgspec_refuses(annotation: Any, value: object) -> None:
    document = msgspec.json.encode(value)
    try:
        msgspec.json.decode(document, type=annotation)
    except CONVERSION_ERRORS:
        fits = False
    else:
        fits = True
    assert (errors(annotation, msgspec.json.decode(document)) == []) is fits


LIMITED: Sequence[Any] = [
    Annotated[int, Meta(ge=1, lt=5)],
    Annotated[int, Meta(gt=-2, le=2)],
    Annotated[int, Meta(multiple_of=3)],
    Annotated[int, Meta(ge=2**62)],
    Annotated[float, Meta(ge=1)],
    Annotated[float, Meta(gt=1, lt=1.5)],
    Annotated[float, Meta(le=2)],
    Annotated[float, Meta(lt=2)],
    Annotated[float, Meta(multiple_of=0.5)],
    Annotated[str, Meta(min_length=2)],
    Annotated[str, Meta(max_length=2)],
    Annotated[str, Meta(pattern="a$")],
    Annotated[str, Meta(pattern="^[ab]*$", min_length=1, max_length=3)],
    Literal[1, 2],
    Literal["a", "b"],
    Literal["a", 1, None],
    Colour,
    bool,
    Union[Annotated[int, Meta(ge=1)], Annotated[str, Meta(max_length=1)], None],  # noqa: UP007  # Annotated has no `|`
]


@given(
    st.integers(-7, 7)
    | st.integers()
    | st.floats()
    | st.sampled_from([1.0, 1.5, 2.0, 2**62, 2**62 - 1, 2**63, 2**64, -(2**64), 10**400, True, False, None])
    | st.text("abé😀\n", max_size=4)
)
@pytest.mark.parametrize("annotation", LIMITED)
def test_what_is_right_at_first_sight_is_what_msgspec_takes(annotation: Any, value: object) -> None:
    try:
        msgspec.convert(value, annotation)
    except CONVERSION_ERRORS:
        fits = False
    else:
        fits = True
    assert (errors(annotation, value) == []) is fits


@given(st.text().map("§{}§".format))
@pytest.mark.parametrize("annotation", [Todo, Cat | Dog, int | None, dict[str, int], Colour])
def test_no_value_is_ever_repeated(annotation: Any, secret: str) -> None:
    for given_value in (secret, [secret], {"title": secret, "type": secret, "tags": [{"name": [secret]}]}):
        assert all(secret not in detail for _, detail in errors(annotation, given_value))
