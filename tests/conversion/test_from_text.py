"""Each type reads the texts that spell its values and refuses all others; a value that is spelled is read again."""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, Flag, IntEnum, IntFlag, StrEnum
from typing import Annotated, Any, Literal, NewType
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta
from msgspec import inspect as mi

from micropie.conversion.exceptions import CONVERSION_ERRORS
from micropie.conversion.from_text import (
    is_scalar,
    is_scalar_array,
    make_text_reader,
    make_texts_reader,
    rank_narrowness,
)
from tests.support.shared_types import Level


class Colour(Enum):
    RED = "red"
    BLUE = "blue"
    CRIMSON = "red"  # noqa: PIE796  (an alias)


class Size(StrEnum):
    SMALL = "S"
    LARGE = "L"

    @classmethod
    def _missing_(cls, value: object) -> "Size | None":
        return cls.LARGE if value == "large" else None


Age = NewType("Age", int)
Positive = Annotated[int, Meta(ge=1)]
MANY_DIGITS = "9" * 5000
AN_ID = UUID("12345678-1234-5678-1234-567812345678")


def read(annotation: Any, text: str) -> object:
    reader = make_text_reader(mi.type_info(annotation))
    return text if reader is None else reader(text)


@pytest.mark.parametrize(
    ("annotation", "text", "value"),
    [
        (int, "5", 5),
        (int, "-12", -12),
        (int, "0", 0),
        (int, "-0", 0),
        (int, "9" * 40, int("9" * 40)),
        (float, "5", 5.0),
        (float, "-0.5", -0.5),
        (float, "1e5", 100000.0),
        (float, "2.5E-3", 0.0025),
        (Decimal, "1.10", Decimal("1.10")),
        (Decimal, "-3", Decimal(-3)),
        (Decimal, "1e400", Decimal("1E+400")),
        (str, "", ""),
        (str, " plain ", " plain "),
        (Any, "5", "5"),
        (bytes, "é", b"\xc3\xa9"),
        (bytes, "aGk=", b"aGk="),
        (bytearray, "é", bytearray(b"\xc3\xa9")),
        (UUID, str(AN_ID), AN_ID),
        (UUID, AN_ID.hex, AN_ID),
        (date, "2024-02-29", date(2024, 2, 29)),
        (datetime, "2024-02-29T12:30:00", datetime(2024, 2, 29, 12, 30)),
        (datetime, "2024-02-29T12:30:00Z", datetime(2024, 2, 29, 12, 30, tzinfo=UTC)),
        (
            datetime,
            "2024-02-29T12:30:00.25-05:30",
            datetime(2024, 2, 29, 12, 30, 0, 250000, timezone(-timedelta(hours=5, minutes=30))),
        ),
        (time, "12:30:15.5", time(12, 30, 15, 500000)),
        (timedelta, "P1DT2H", timedelta(days=1, hours=2)),
        (timedelta, "-PT1.5S", timedelta(seconds=-1.5)),
        (Colour, "red", Colour.RED),
        (Level, "2", Level.HIGH),
        (Size, "S", Size.SMALL),
        (Size, "large", Size.LARGE),
        (Literal["a", "b"], "b", "b"),
        (Literal["a", 1], "1", 1),
        (Literal["a", None], "", None),
        (Literal[True], "yes", True),
        (Age, "40", 40),
        (Positive, "1", 1),
        (Annotated[str, Meta(max_length=2)], "ab", "ab"),
        (Annotated[bytes, Meta(max_length=2)], "é", b"\xc3\xa9"),
        (Annotated[datetime, Meta(tz=True)], "2024-01-01T00:00:00Z", datetime(2024, 1, 1, tzinfo=UTC)),
        (Annotated[int, Meta(description="how many")], "5", 5),
        (None, "", None),
    ],
)
def test_text_is_read_as_the_value_that_it_spells(annotation: Any, text: str, value: object) -> None:
    result = read(annotation, text)
    assert result == value
    assert type(result) is type(value)


def test_text_as_a_memoryview_is_its_utf8() -> None:
    result = read(memoryview, "é")
    assert isinstance(result, memoryview)
    assert bytes(result) == b"\xc3\xa9"


@pytest.mark.parametrize("text", ["true", "TRUE", "True", "1", "yes", "Yes", "on", "oN"])
def test_true_is_spelled_in_four_ways_and_any_case(text: str) -> None:
    assert read(bool, text) is True


@pytest.mark.parametrize("text", ["false", "FALSE", "False", "0", "no", "nO", "off", "OFF"])
def test_false_is_spelled_in_four_ways_and_any_case(text: str) -> None:
    assert read(bool, text) is False


NO_NUMBER = [
    "", " ", " 5", "5 ", "5\n", "\t5", "1_000", "١", "５", "0x10", "0b1", "nan", "NaN", "-nan", "inf", "-inf",
    "Infinity", "+5", "007", "--5", "5-", "1,5", "five", "null", "true", '"5"', "[5]", "\ufeff5", "5\u00a0", "5\u2003",
]  # fmt: skip


@pytest.mark.parametrize("text", NO_NUMBER)
@pytest.mark.parametrize("annotation", [int, float, Decimal])
def test_text_that_rfc_8259_does_not_call_a_number_is_refused(annotation: Any, text: str) -> None:
    with pytest.raises(CONVERSION_ERRORS):
        read(annotation, text)


@pytest.mark.parametrize(
    ("annotation", "text"),
    [
        (int, "5.0"),
        (int, "1e2"),
        (int, MANY_DIGITS),
        (float, "1."),
        (float, ".5"),
        (float, "1e999"),
        (float, MANY_DIGITS),
        (Decimal, "1e99999999999999999999"),
        (Decimal, "sNaN"),
        (bool, ""),
        (bool, "2"),
        (bool, " true"),
        (bool, "t"),
        (UUID, ""),
        (UUID, "{12345678-1234-5678-1234-567812345678}"),
        (UUID, "12345678-1234-5678-1234-56781234567g"),
        (date, "2024-02-30"),
        (date, "2024-2-3"),
        (date, "20240203"),
        (datetime, "2024-02-29"),
        (datetime, " 2024-02-29T12:30:00"),
        (datetime, "2024-02-29T25:00:00"),
        (datetime, "1709206200"),
        (time, "12:30"),
        (time, "24:00:00"),
        (timedelta, "5"),
        (timedelta, "1 day"),
        (timedelta, "P99999999999999D"),
        (Colour, "RED"),
        (Colour, ""),
        (Level, "3"),
        (Level, "01"),
        (Level, "LOW"),
        (Size, "s"),
        (Literal["a"], "b"),
        (Literal[1], "1.0"),
        (Literal[True], "false"),
        (Positive, "0"),
        (Annotated[str, Meta(max_length=2)], "abc"),
        (Annotated[str, Meta(pattern="^a+$")], "b"),
        (Annotated[bytes, Meta(max_length=1)], "é"),
        (Annotated[datetime, Meta(tz=True)], "2024-01-01T00:00:00"),
        (None, "null"),
    ],
)
def test_text_that_does_not_fit_is_refused(annotation: Any, text: str) -> None:
    with pytest.raises(CONVERSION_ERRORS):
        read(annotation, text)


@pytest.mark.parametrize(
    ("annotation", "text", "value"),
    [
        (int | str, "5", 5),
        (str | int, "5", 5),
        (int | str, "x", "x"),
        (int | float, "5", 5),
        (int | float, "5.0", 5.0),
        (bool | int, "1", 1),
        (bool | int, "true", True),
        (bool | str, "on", True),
        (Decimal | None, "1.5", Decimal("1.5")),
        (date | None, "2024-01-01", date(2024, 1, 1)),
        (timedelta | int, "PT1S", timedelta(seconds=1)),
        (Literal["all"] | int, "all", "all"),
        (Literal["1"] | int, "1", "1"),
        (Colour | int, "red", Colour.RED),
        (Annotated[int, Meta(ge=10)] | str, "5", "5"),
        (Annotated[str, Meta(min_length=2)] | int, "ab", "ab"),
    ],
)
def test_text_for_a_union_is_read_by_the_narrowest_member_that_fits(annotation: Any, text: str, value: object) -> None:
    result = read(annotation, text)
    assert (result, type(result)) == (value, type(value))


@pytest.mark.parametrize(("annotation", "text"), [(int | float, "x"), (int | None, "x"), (bool | int, "2.5")])
def test_text_that_fits_no_member_of_a_union_is_refused(annotation: Any, text: str) -> None:
    with pytest.raises(CONVERSION_ERRORS):
        read(annotation, text)


@pytest.mark.parametrize(
    "annotation",
    [
        int | None, float | None, bool | None, bytes | None, Decimal | None, UUID | None, date | None, datetime | None,
        time | None, timedelta | None, Colour | None, Age | None, Annotated[int | None, "a note"],
    ],
)  # fmt: skip
def test_empty_text_is_none_for_an_optional_type_without_str(annotation: Any) -> None:
    assert read(annotation, "") is None


def test_empty_text_is_none_for_an_optional_union_without_str() -> None:
    assert read(int | bool | None, "") is None


@pytest.mark.parametrize("annotation", [str, str | None, int | str | None])
def test_empty_text_is_a_text_for_a_type_with_str(annotation: Any) -> None:
    assert read(annotation, "") == ""


def test_empty_text_for_a_constrained_str_is_checked() -> None:
    with pytest.raises(CONVERSION_ERRORS):
        read(Annotated[str | None, Meta(min_length=1)], "")


@pytest.mark.parametrize(
    ("annotation", "texts", "value"),
    [
        (list[int], ["1", "2", "1"], [1, 2, 1]),
        (list[str], ["", "a"], ["", "a"]),
        (list[int | None], ["", "1"], [None, 1]),
        (set[int], ["1", "1"], {1}),
        (frozenset[Colour], ["red"], frozenset({Colour.RED})),
        (tuple[int, ...], ["1", "2"], (1, 2)),
        (tuple[int, str], ["1", "2"], (1, "2")),
        (Annotated[list[int], Meta(min_length=1, max_length=2)], ["1"], [1]),
        (list, ["a"], ["a"]),
    ],
)
def test_several_texts_are_read_as_an_array(annotation: Any, texts: list[str], value: object) -> None:
    info = mi.type_info(annotation)
    assert is_scalar_array(info)
    result = make_texts_reader(info)(texts)
    assert (result, type(result)) == (value, type(value))


@pytest.mark.parametrize(
    ("annotation", "texts"),
    [
        (list[int], ["1", "x"]),
        (tuple[int, str], ["1"]),
        (tuple[int, str], ["1", "2", "3"]),
        (Annotated[list[int], Meta(min_length=2)], ["1"]),
        (Annotated[list[int], Meta(max_length=1)], ["1", "2"]),
    ],
)
def test_several_texts_that_do_not_fit_are_refused(annotation: Any, texts: list[str]) -> None:
    info = mi.type_info(annotation)
    assert is_scalar_array(info)
    with pytest.raises(CONVERSION_ERRORS):
        make_texts_reader(info)(texts)


@pytest.mark.parametrize("annotation", [dict, list[int], dict[str, int], set[str]])
def test_type_that_needs_several_texts_is_not_a_scalar(annotation: Any) -> None:
    assert not is_scalar(mi.type_info(annotation))


@pytest.mark.parametrize("annotation", [dict, list[list[int]], list[dict[str, int]], tuple[int, list[int]], int])
def test_type_that_the_texts_of_one_name_cannot_hold_is_not_a_scalar_array(annotation: Any) -> None:
    assert not is_scalar_array(mi.type_info(annotation))


def test_type_that_is_not_a_scalar_ranks_as_the_widest() -> None:
    assert rank_narrowness(mi.type_info(dict)) > rank_narrowness(mi.type_info(str)) > rank_narrowness(mi.type_info(int))


# --- the law --------------------------------------------------------------------------------------------------------

FLOATS = st.floats(allow_nan=False, allow_infinity=False)
OFFSETS = st.integers(-23 * 60 - 59, 23 * 60 + 59).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@pytest.mark.parametrize(
    ("annotation", "values", "spell"),
    [
        (int, st.integers(), str),
        (float, FLOATS, repr),
        (Decimal, st.decimals(allow_nan=False, allow_infinity=False), str),
        (bool, st.booleans(), str),
        (str, st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), str),
        (bytes, st.text(st.characters(exclude_categories=["Cs"])).map(str.encode), bytes.decode),
        (UUID, st.uuids(), str),
        (date, st.dates(), date.isoformat),
        (datetime, st.datetimes(), datetime.isoformat),
        (datetime, st.datetimes(timezones=OFFSETS), datetime.isoformat),
        (time, st.times(), time.isoformat),
        (time, st.times(timezones=OFFSETS), time.isoformat),
        (Colour, st.sampled_from(Colour), lambda member: member.value),
        (Level, st.sampled_from(Level), lambda member: str(member.value)),
        (Literal["a", 1, None], st.sampled_from(["a", 1, None]), lambda value: "" if value is None else str(value)),
        (int | None, st.none() | st.integers(), lambda value: "" if value is None else str(value)),
        (int | float | None, st.none() | st.integers() | FLOATS, lambda value: "" if value is None else repr(value)),
    ],
)
def test_value_that_is_spelled_as_text_is_read_as_the_same_value(
    annotation: Any, values: st.SearchStrategy[Any], spell: Callable[[Any], str]
) -> None:
    @given(values)
    def law(value: Any) -> None:
        result = read(annotation, spell(value))
        assert (result, type(result)) == (value, type(value))

    law()


@given(st.text())
@pytest.mark.parametrize(
    "annotation", [int, float, Decimal, bool, UUID, date, datetime, time, timedelta, Colour, Level]
)
def test_random_text_is_read_as_the_type_or_raises_a_conversion_error(annotation: Any, text: str) -> None:
    try:
        result = read(annotation, text)
    except CONVERSION_ERRORS:
        return
    assert isinstance(result, annotation)


class Lenient(IntEnum):
    LOW = 1

    @classmethod
    def _missing_(cls, value: object) -> "Lenient | None":
        return cls.LOW if value in (6, 7) else None


class Loose(Enum):
    RED = "red"

    @classmethod
    def _missing_(cls, value: object) -> "Loose | None":
        return cls.RED if str(value).lower() == "red" else None


class Broken(Enum):
    RED = "red"

    @classmethod
    def _missing_(cls, value: object) -> "Broken | None":
        raise KeyError(value)


class Access(Flag):
    READ = 1
    WRITE = 2
    RUN = 4


class Mode(IntFlag):
    A = 1
    B = 2


@pytest.mark.parametrize("text", ["0", "1", "2", "3", "6", "7", "8", "-1", "99", "1.0", "-0", "1e0", "9" * 30, "x", ""])
@pytest.mark.parametrize("kind", [Level, Lenient, Access, Mode])
def test_choice_of_numbers_reads_the_same_from_text_as_from_json(kind: type[Enum], text: str) -> None:
    read = make_text_reader(mi.type_info(kind))
    assert read is not None
    try:
        value = msgspec.json.decode(text, type=kind)
    except CONVERSION_ERRORS:
        with pytest.raises(CONVERSION_ERRORS):
            read(text)
    else:
        assert read(text) is value


@pytest.mark.parametrize("text", [" 1", "1 ", "\n1", '"1"', "01", "1_0", "true"])
@pytest.mark.parametrize("kind", [Level, Lenient, Access, Mode])
def test_choice_of_numbers_accepts_only_numbers_as_json_spells_them(kind: type[Enum], text: str) -> None:
    read = make_text_reader(mi.type_info(kind))
    assert read is not None
    with pytest.raises(CONVERSION_ERRORS):
        read(text)


@pytest.mark.parametrize("text", ["red", "RED", "blue", ""])
@pytest.mark.parametrize("kind", [Colour, Loose, Broken, Size])
def test_choice_of_texts_reads_the_same_from_text_as_from_json(kind: type[Enum], text: str) -> None:
    read = make_text_reader(mi.type_info(kind))
    assert read is not None
    try:
        value = msgspec.convert(text, kind)
    except CONVERSION_ERRORS:
        with pytest.raises(CONVERSION_ERRORS):
            read(text)
    else:
        assert read(text) is value


@pytest.mark.parametrize(
    ("annotation", "text", "value"),
    [
        (Literal[1, "1"], "1", 1),
        (Literal["1", 1], "1", 1),
        (Literal["1", 1, None], "1", 1),
        (Literal["", None], "", ""),
        (Literal["-1", -1, "a"], "a", "a"),
    ],
)
def test_literal_of_several_kinds_reads_the_narrowest(annotation: Any, text: str, value: object) -> None:
    read = make_text_reader(mi.type_info(annotation))
    assert read is not None
    assert (read(text), type(read(text))) == (value, type(value))
