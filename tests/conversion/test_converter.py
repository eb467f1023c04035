"""Every supported type is read from text, from JSON and from a stored value, and errors are reported."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Annotated, Any, Generic, Literal, NewType, TypeVar
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta, Struct

from micropie.conversion.converter import Shape, get_converter
from micropie.conversion.exceptions import CONVERSION_ERRORS
from micropie.uploads.upload_file import UploadFile
from tests.support.shared_types import (
    Address,
    Cat,
    Colour,
    Dog,
    Frozen,
    Item,
    Level,
    Point,
    Tree,
    User,
    Wheel,
)

T = TypeVar("T")


class Box(Struct, Generic[T]):
    content: T
    more: list[T]


class Price(Struct):
    amount: Decimal
    note: str = ""


class WithFile(Struct):
    title: str
    image: UploadFile


Age = NewType("Age", int)
Unhashable = Annotated[int, {"a": "note"}]

# --- the laws -------------------------------------------------------------------------------------------------------

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
DECIMALS = st.decimals(allow_nan=False, allow_infinity=False)
OFFSETS = st.integers(-23 * 60 - 59, 23 * 60 + 59).map(lambda minutes: timezone(timedelta(minutes=minutes)))
TIMES = st.datetimes() | st.datetimes(timezones=OFFSETS)

SCALARS: list[tuple[Any, st.SearchStrategy[Any]]] = [
    (int, st.integers()),
    (float, FLOATS),
    (bool, st.booleans()),
    (str, TEXT),
    (Decimal, DECIMALS),
    (UUID, st.uuids()),
    (date, st.dates()),
    (datetime, TIMES),
    (time, st.times() | st.times(timezones=OFFSETS)),
    (timedelta, st.timedeltas()),
    (Colour, st.sampled_from(Colour)),
    (Level, st.sampled_from(Level)),
    (Literal["a", "b", 1], st.sampled_from(["a", "b", 1])),
    (Literal[True, False], st.booleans()),
    (Age, st.integers()),
    (Annotated[int, Meta(ge=0, le=9)], st.integers(0, 9)),
    (int | None, st.none() | st.integers()),
    (int | float | None, st.none() | st.integers() | FLOATS),
    (date | datetime, st.dates() | TIMES),
    (UUID | int, st.uuids() | st.integers()),
    (Colour | Level | Decimal, st.sampled_from(Colour) | st.sampled_from(Level)),
    (timedelta | date | None, st.timedeltas() | st.dates() | st.none()),
]  # fmt: skip

ONLY_JSON: list[tuple[Any, st.SearchStrategy[Any]]] = [
    (bytes, st.binary()),
    (int | str, st.integers() | TEXT),
    (str | None, st.none() | TEXT),
    (list[int], st.lists(st.integers())),
    (set[str], st.sets(TEXT)),
    (frozenset[date], st.frozensets(st.dates())),
    (tuple[float, ...], st.lists(FLOATS).map(tuple)),
    (tuple[int, str], st.tuples(st.integers(), TEXT)),
    (list[Colour | None], st.lists(st.none() | st.sampled_from(Colour))),
    (dict[str, int], st.dictionaries(TEXT, st.integers())),
    (dict[int, bool], st.dictionaries(st.integers(-(2**63), 2**63), st.booleans())),
    (dict[UUID, Item], st.dictionaries(st.uuids(), st.builds(Item, TEXT, st.integers()))),
    (Item, st.builds(Item, TEXT, st.integers())),
    (Item | None, st.none() | st.builds(Item, TEXT, st.integers())),
    (list[Item], st.lists(st.builds(Item, TEXT, st.integers()))),
    (set[Frozen], st.sets(st.builds(Frozen, st.integers()))),
    (Box[date], st.builds(Box, st.dates(), st.lists(st.dates()))),
    (Box[Box[int]], st.builds(Box, st.builds(Box, st.integers(), st.just([])), st.just([]))),
    (Cat | Dog, st.builds(Cat, st.integers()) | st.builds(Dog, TEXT)),
    (Tree, st.recursive(st.builds(Tree, st.integers()), lambda below: st.builds(Tree, st.integers(), st.lists(below)))),
    (Price, st.builds(Price, DECIMALS, TEXT)),
    (User, st.builds(User, TEXT, st.none() | st.dates())),
    (Address, st.fixed_dictionaries({"street": TEXT})),
    (Point, st.builds(Point, st.integers(), st.integers())),
    (Wheel, st.builds(Wheel, st.integers())),
    (dict[str, list[User | None]], st.dictionaries(TEXT, st.lists(st.none() | st.builds(User, TEXT, st.none())))),
]


def spell(value: object) -> str:
    """Return `value` as a query string holds it, before it is percent-encoded."""
    plain = msgspec.to_builtins(value)
    if plain is None:
        return ""
    return plain if isinstance(plain, str) else msgspec.json.encode(plain).decode()


def get_name(case: object) -> str:
    return str(case).removeprefix("typing.")


@pytest.mark.parametrize(("annotation", "values"), SCALARS, ids=get_name)
def test_value_written_as_text_is_read_as_the_same_value(annotation: Any, values: st.SearchStrategy[Any]) -> None:
    converter = get_converter(annotation)

    @given(values)
    def law(value: Any) -> None:
        text = spell(value)
        result = text if converter.from_text is None else converter.from_text(text)
        assert (result, type(result)) == (value, type(value))

    assert converter.shape is Shape.SCALAR
    law()


@given(st.integers() | TEXT.filter(bool))
def test_text_for_int_or_str_is_an_int_if_it_spells_one(value: int | str) -> None:
    read = get_converter(int | str).from_text
    assert read is not None
    result = read(str(value))
    assert str(result) == str(value) or (value == "-0" and result == 0)


@given(st.binary())
def test_bytes_as_text_are_their_utf8(value: bytes) -> None:
    read = get_converter(bytes).from_text
    assert read is not None
    text = value.decode("utf-8", "ignore")
    assert read(text) == text.encode()


@pytest.mark.parametrize(("annotation", "values"), SCALARS + ONLY_JSON, ids=get_name)
def test_value_written_as_json_is_read_as_the_same_value(annotation: Any, values: st.SearchStrategy[Any]) -> None:
    converter = get_converter(annotation)

    @given(values)
    def law(value: Any) -> None:
        result = converter.from_json(msgspec.json.encode(value))
        assert (result, type(result)) == (value, type(value))

    law()


@pytest.mark.parametrize(("annotation", "values"), SCALARS + ONLY_JSON, ids=get_name)
def test_value_from_a_session_store_is_read_as_the_same_value(annotation: Any, values: st.SearchStrategy[Any]) -> None:
    converter = get_converter(annotation)

    @given(values)
    def law(value: Any) -> None:
        in_memory = converter.from_value(value)
        as_json = converter.from_value(msgspec.json.decode(msgspec.json.encode(value)))
        assert in_memory == value
        assert type(as_json) is type(value)
        if not isinstance(value, Decimal | Price | float):  # JSON's own numbers are floats
            assert as_json == value

    law()


# --- what is read from where ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("annotation", "shape"),
    [
        (Any, Shape.ANY),
        (object, Shape.ANY),
        (Annotated[Any, Meta(description="x")], Shape.ANY),
        (T, Shape.SCALAR),
        (int | str | None, Shape.SCALAR),
        (list[int], Shape.MANY),
        (list[int] | None, Shape.MANY),
        (Sequence[int], Shape.MANY),
        (AbstractSet[int], Shape.MANY),
        (Annotated[list[int], Meta(min_length=1, description="x")], Shape.MANY),
        (list, Shape.MANY),
        (list[list[int]], Shape.STRUCTURED),
        (list[int] | int, Shape.MANY),
        (dict, Shape.STRUCTURED),
        (Item | None, Shape.STRUCTURED),
        (list[Item], Shape.STRUCTURED),
        (Point, Shape.STRUCTURED),
        (UploadFile, Shape.STRUCTURED),
    ],
)
def test_each_type_has_its_shape(annotation: Any, shape: Shape) -> None:
    assert get_converter(annotation).shape is shape


@pytest.mark.parametrize(
    ("annotation", "document", "value"),
    [
        (float, b"5", 5.0),
        (Decimal, b'"1.10"', Decimal("1.10")),
        (Decimal, b"1.10", Decimal("1.10")),
        (int | str, b'"5"', "5"),
        (date | datetime, b'"2024-01-01"', date(2024, 1, 1)),
        (date | datetime, b'"2024-01-01T00:00:00"', datetime(2024, 1, 1)),
        (UUID | str, b'"x"', "x"),
        (Decimal | str, b'"NaN"', "NaN"),
        (str | bytes, b'"a"', "a"),
        (Any, b'{"a":[1,2.5,null]}', {"a": [1, 2.5, None]}),
        (int, b"123456789012345678901234567890", 123456789012345678901234567890),
        (Item, b'{"name":"a","amount":1,"amount":2,"other":0}', Item("a", 2)),
        (Price, b'{"amount":"2","note":"nan"}', Price(Decimal(2), "nan")),
    ],
)
def test_json_is_read_by_its_own_types(annotation: Any, document: bytes, value: object) -> None:
    result = get_converter(annotation).from_json(document)
    assert (result, type(result)) == (value, type(value))


NOT_FINITE = [
    "NaN", "-nan", "sNaN", "SNAN12", "nan123", "Infinity", "-inf", "+Inf", "INFINITY", " nan ", "\tinf", "n_a_n",
    "_inf", "\u00a0NaN", "nan\u2003", "infini_ty",
]  # fmt: skip


@pytest.mark.parametrize("text", NOT_FINITE)
@pytest.mark.parametrize("escaped", [False, True])
@pytest.mark.parametrize("annotation", [Decimal, Price, list[Decimal], dict[Decimal, str], Decimal | None])
def test_decimal_in_json_that_is_not_finite_is_refused(annotation: Any, text: str, escaped: bool) -> None:
    assert not Decimal(text).is_finite()
    shown = "".join(f"\\u{ord(letter):04x}" for letter in text) if escaped else text.replace("\t", "\\t")
    documents = {
        Price: f'{{"amount":"{shown}"}}',
        list[Decimal]: f'["{shown}"]',
        dict[Decimal, str]: f'{{"{shown}":""}}',
    }
    document = documents.get(annotation, f'"{shown}"').encode()
    converter = get_converter(annotation)
    with pytest.raises(CONVERSION_ERRORS):
        converter.from_json(document)
    (error,) = converter.find_json_errors(document, "")
    assert error.detail.startswith(("Expected a decimal number", "Expected the key to be a decimal number"))


@pytest.mark.parametrize("beginning", ["", "nan", "-", "inf", "n"])
@pytest.mark.parametrize("repeated", ["-", "_", "\\u002d", "\\u006e\\u0061\\u006e", "nan", "n_", "\u00a0"])
def test_text_that_nearly_spells_nan_is_searched_in_linear_time(beginning: str, repeated: str) -> None:
    # A search that tries each way to divide the repeated part takes longer than the age of the universe.
    document = f'{{"amount":"1","note":"{beginning}{repeated * 2000}x"}}'.encode()
    assert get_converter(Price).from_json(document).amount == 1


@pytest.mark.parametrize(
    ("annotation", "document"),
    [
        (int, b"5.0"),
        (int, b"1" * 5000),
        (int, b'"5"'),
        (float, b"1e999"),
        (float, b"NaN"),
        (bool, b"1"),
        (str, b'"\\ud800"'),
        (str, b'"\xff"'),
        (Any, b"[" * 20_000 + b"]" * 20_000),
        (Any, b"\xef\xbb\xbf1"),
        (list[Any], b"[" * 20_000 + b"]" * 20_000),
        (set, b"[[1]]"),
        (set[Any], b"[{}]"),
        (Tree, b'{"value":1,"children":[' * 20_000 + b"]}" * 20_000),
        (date | datetime, b'"yesterday"'),
    ],
)
def test_json_that_does_not_fit_raises_a_conversion_error(annotation: Any, document: bytes) -> None:
    converter = get_converter(annotation)
    with pytest.raises(CONVERSION_ERRORS):
        converter.from_json(document)
    assert converter.find_json_errors(document, "/at")


@pytest.mark.parametrize(
    ("annotation", "document", "detail"),
    [
        (int, b'"x"', "Expected an integer, got a string"),
        (date | datetime, b"5", "Expected an RFC 3339 date or an RFC 3339 date and time"),
        (int, b"\xff", "Bad JSON"),
        (int, b"1e999", "A number is out of range"),
        (str, b'"\\ud800"', "Bad JSON"),
        (set, b"[[1]]", "Expected an array"),
    ],
)
def test_error_in_json_is_reported_at_its_pointer(annotation: Any, document: bytes, detail: str) -> None:
    assert [(error.pointer, error.detail) for error in get_converter(annotation).find_json_errors(document, "/at")] == [
        ("/at", detail)
    ]


def test_json_nested_too_deeply_is_reported_as_such() -> None:
    depth = 300
    document = b'{"value":1,"children":[' * depth + b'{"value":"x"}' + b"]}" * depth
    assert [error.detail for error in get_converter(Tree).find_json_errors(document, "")] == ["Nested too deeply"]


@pytest.mark.parametrize(("annotation", "value"), [(int, "5"), (int, None), (date | UUID, 5), (Item, {"amount": 1})])
def test_stored_value_that_does_not_fit_is_refused(annotation: Any, value: object) -> None:
    with pytest.raises(CONVERSION_ERRORS):
        get_converter(annotation).from_value(value)


@pytest.mark.parametrize(
    ("annotation", "value", "result"),
    [
        (int, "5", [("", "Expected an integer, got a string")]),
        (Item, {"name": 5}, [("/name", "Expected text, got a number")]),
        (User, User(5), [("/name", "Expected text, got a number")]),  # type: ignore[arg-type]  # pyright: ignore
        (int, object(), [(None, "Expected an integer")]),
    ],
)
def test_error_in_a_stored_value_is_reported(annotation: Any, value: object, result: object) -> None:
    assert [(error.pointer, error.detail) for error in get_converter(annotation).find_value_errors(value)] == result


def test_stored_value_for_any_is_passed_through() -> None:
    value = object()
    assert get_converter(Any).from_value(value) is value


def test_single_empty_text_for_an_optional_array_is_none() -> None:
    optional, plain = (
        get_converter(list[str] | None).from_texts,
        get_converter(Annotated[list[str], Meta(title="t")]).from_texts,
    )
    assert optional is not None
    assert plain is not None
    assert (optional([""]), optional(["", "a"]), plain([""])) == (None, ["", "a"], [""])


def test_converter_is_made_once_for_each_type() -> None:
    assert get_converter(int | None) is get_converter(int | None)
    assert get_converter(Annotated[int, Meta(ge=1)]) is not get_converter(int)
    assert get_converter(Literal[1]) is not get_converter(Literal[True])


def test_type_with_unhashable_metadata_is_read() -> None:
    read = get_converter(Unhashable).from_text
    assert read is not None
    assert read("5") == 5


@pytest.mark.parametrize(
    ("annotation", "expected", "expected_text"),
    [
        (int | None, "an integer or null", "an integer"),
        (bytes, "base64 text", "text"),
        (date | UUID, "a UUID or an RFC 3339 date", "a UUID or an RFC 3339 date"),
        (Colour | str, "one of 'red', 'blue' or text", "one of 'red', 'blue' or text"),
        (list[bytes], "an array", "values, each text"),
    ],
)  # fmt: skip
def test_expected_values_are_described_as_json_and_text(annotation: Any, expected: str, expected_text: str) -> None:
    converter = get_converter(annotation)
    assert (converter.expected, converter.expected_text) == (expected, expected_text)


@pytest.mark.parametrize(
    ("annotation", "result"), [(WithFile, True), (list[WithFile], True), (Item, False), (int, False)]
)
def test_has_files_is_true_if_files_are_part_of_the_type(annotation: Any, result: bool) -> None:
    assert get_converter(annotation).has_files is result


class Priced(Struct):
    notes: list[str]
    prices: list[Decimal]
    by_price: dict[Decimal, int] = {}
    below: "Priced | None" = None


class Positive(Struct):
    prices: list[Decimal]

    def __post_init__(self) -> None:
        if any(price < 0 for price in self.prices):
            raise ValueError("a price is not negative")


def _nest_priced(levels: int) -> Priced:
    value = Priced(["nan"], [Decimal("1.5")])
    for _ in range(levels):
        value = Priced([], [], {}, value)
    return value


@pytest.mark.parametrize(
    "value",
    [
        Priced(["nan", '"N', "\\"] * 20_000, [Decimal("1.5")], {Decimal("1E+3"): 1}),
        Priced(["inf"], [Decimal(1)] * 60_000),
        _nest_priced(250),
    ],
)
def test_large_or_deep_json_with_decimals_is_read_whatever_its_texts_say(value: Priced) -> None:
    assert get_converter(Priced).from_json(msgspec.json.encode(value)) == value


@pytest.mark.parametrize("word", ["NaN", "sNaN", "-Infinity", "inf"])
@pytest.mark.parametrize("count", [1, 60_000])
def test_decimal_that_is_not_finite_is_refused_wherever_it_stands(word: str, count: int) -> None:
    for body in (
        {"notes": ["a"] * count, "prices": [word]},
        {"notes": ["a"] * count, "prices": [], "by_price": {word: 1}},
        {"notes": ["a"] * count, "prices": [], "below": {"notes": [], "prices": [word]}},
    ):
        with pytest.raises(CONVERSION_ERRORS):
            get_converter(Priced).from_json(msgspec.json.encode(body))
    with pytest.raises(CONVERSION_ERRORS):
        get_converter(Positive).from_json(msgspec.json.encode({"prices": ["1"] * count + [word]}))
