"""These tests write values as texts and as names with texts, as a client sends them."""

import math
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Annotated, Any, TypedDict
from uuid import UUID

import msgspec
import pytest
from msgspec import Meta, Struct
from msgspec import inspect as mi

from micropie.conversion.converter import get_converter
from micropie.conversion.to_text import is_same_value, value_to_fields, value_to_text, value_to_texts
from micropie.uploads.upload_file import UploadFile
from tests.support.shared_types import Cat


class Shade(Enum):
    LIGHT = "light"
    ONE = 1


class Rank(IntEnum):
    TOP = 1


SCALARS: list[tuple[object, str]] = [
    ("", ""),
    ("a&b=ü", "a&b=ü"),
    (True, "true"),
    (False, "false"),
    (0, "0"),
    (-(2**70), str(-(2**70))),
    (2.5, "2.5"),
    (1e300, "1e+300"),
    (math.inf, "inf"),
    (Decimal("1.10"), "1.10"),
    (b"caf\xc3\xa9", "café"),
    (bytearray(b"x"), "x"),
    (memoryview(b"y"), "y"),
    (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
    (date(2026, 1, 2), "2026-01-02"),
    (datetime(2026, 1, 2, 3, 4, tzinfo=UTC), "2026-01-02T03:04:00Z"),
    (time(3, 4), "03:04:00"),
    (timedelta(minutes=90), "PT5400S"),
    (Shade.LIGHT, "light"),
    (Shade.ONE, "1"),
    (Rank.TOP, "1"),
    (None, ""),
]


@pytest.mark.parametrize(("value", "text"), SCALARS, ids=lambda value: repr(value)[:30])
def test_scalar_is_written_as_in_json_without_quotes(value: object, text: str) -> None:
    assert value_to_text(value) == text


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({}, "dict cannot be written as text"),
        ([1], "list cannot be written as text"),
        (object(), "object cannot be written as text"),
        (b"\xff", "invalid start byte"),
    ],
)
def test_value_without_a_text_is_refused(value: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        value_to_text(value)


@pytest.mark.parametrize(
    ("value", "texts"),
    [
        (1, ["1"]),
        ("ab", ["ab"]),
        ([], []),
        ([1, True], ["1", "true"]),
        (("a", None), ["a", ""]),
        ({3}, ["3"]),
        (frozenset({"x"}), ["x"]),
    ],
)
def test_array_is_written_as_one_text_for_each_item(value: object, texts: list[str]) -> None:
    assert value_to_texts(value) == texts


def test_array_of_arrays_is_refused() -> None:
    with pytest.raises(ValueError, match="list cannot be written as text"):
        value_to_texts([[1]])


BUFFER: Any = None
"""The files here are never read."""


class Flat(Struct, rename="camel"):
    first_name: str
    how_many: int | None = None
    tags: list[str] = []
    flag: bool | msgspec.UnsetType = msgspec.UNSET


class Dog(Struct, tag="dog", tag_field="kind"):
    name: str


class Dotted(Struct, tag="dotted", tag_field="kind"):
    x: float


class Album(Struct):
    title: str
    cover: UploadFile
    pages: list[UploadFile] = []
    back: UploadFile | None = None


@dataclass
class Point:
    x: int
    y: int = 0


class Address(TypedDict, total=False):
    street: str
    number: int


FIELDS: dict[str, tuple[Any, Any, list[tuple[str, str]]]] = {
    "renamed": (Flat, Flat("Ann", 2, ["a", "b"], True), [("firstName", "Ann"), ("howMany", "2"), ("tags", "a"),
                                                         ("tags", "b"), ("flag", "true")]),
    "left out": (Flat, Flat("Ann"), [("firstName", "Ann")]),
    "tagged": (Cat, Cat(9), [("type", "Cat"), ("lives", "9")]),
    "member of a union": (Dog | Dotted, Dotted(1.5), [("kind", "dotted"), ("x", "1.5")]),
    "optional": (Point | None, Point(1), [("x", "1"), ("y", "0")]),
    "annotated": (Annotated[Point, Meta(title="a point")], Point(3, 4), [("x", "3"), ("y", "4")]),
    "typed dictionary": (Address, {"street": "Elm"}, [("street", "Elm")]),
    "dictionary": (dict[str, list[int]], {"a": [1, 2], "b": []}, [("a", "1"), ("a", "2")]),
    "dictionary with keys that are no texts": (dict[int, str], {1: "x"}, [("1", "x")]),
}  # fmt: skip


@pytest.mark.parametrize("name", FIELDS)
def test_structure_is_written_as_names_with_texts(name: str) -> None:
    annotation, value, pairs = FIELDS[name]
    assert value_to_fields(mi.type_info(annotation), value) == (pairs, [])


def test_files_are_listed_apart_from_the_texts() -> None:
    cover, first, second = (UploadFile(BUFFER, name, f"{name}.png", "image/png") for name in "abc")
    pairs, files = value_to_fields(get_converter(Album).info, Album("A", cover, [first, second]))
    assert pairs == [("title", "A")]
    assert files == [("cover", cover), ("pages", first), ("pages", second)]


@pytest.mark.parametrize(
    ("annotation", "value", "message"),
    [
        (Dog | Dotted, Cat(1), "Cat is not an instance of any expected type"),
        (Point, {"x": 1}, "dict is not an instance of any expected type"),
        (dict[str, dict[str, int]], {"a": {}}, "dict cannot be written as text"),
    ],
)
def test_value_of_another_type_is_refused(annotation: Any, value: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        value_to_fields(mi.type_info(annotation), value)


class WithoutEquality(Struct, eq=False):
    x: int


@pytest.mark.parametrize(
    ("received", "sent", "expected"),
    [
        (1, 1, True),
        (1, 2, False),
        (WithoutEquality(1), WithoutEquality(1), True),
        (WithoutEquality(1), WithoutEquality(2), False),
        ([1], {1}, True),
        ([1, 2], {1}, False),
        ({1: WithoutEquality(1)}, {1: WithoutEquality(1)}, True),
        ("1", date(2026, 1, 2), False),
        ("2026-01-02", date(2026, 1, 2), True),
        (object(), object(), False),
    ],
)
def test_values_are_the_same_if_they_are_written_alike(received: object, sent: object, expected: bool) -> None:
    assert is_same_value(received, sent) is expected
