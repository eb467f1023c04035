"""These tests read the structure of types: constraints, lengths, optional types, parts."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Annotated, Any, Literal, NamedTuple, TypedDict, Union, get_args

import msgspec
import pytest
from msgspec import Meta, Struct
from msgspec import inspect as mi

from micropie.conversion.type_info import (
    SCALAR_TYPES,
    is_positional,
    make_box,
    make_union,
    read_constraints,
    read_length_limits,
    rebuild_scalar_type,
    remove_none,
    unwrap_metadata,
    walk_types,
)


class Shade(Enum):
    LIGHT = "light"


class Node(Struct):
    value: int
    children: "list[Node]" = []


class Row(Struct, array_like=True):
    x: int


class Pair(NamedTuple):
    x: int
    y: str


@dataclass
class Point:
    x: float


class Address(TypedDict):
    street: bytes


def test_description_is_unwrapped_of_all_its_metadata() -> None:
    plain = mi.IntType(ge=1)
    assert unwrap_metadata(mi.Metadata(mi.Metadata(plain))) is plain
    assert unwrap_metadata(plain) is plain


@pytest.mark.parametrize(
    ("annotation", "constraints"),
    [
        (int, {}),
        (Annotated[int, Meta(ge=0, lt=5)], {"ge": 0, "lt": 5}),
        (Annotated[float, Meta(gt=0, le=1)], {"gt": 0, "le": 1}),
        (Annotated[int, Meta(multiple_of=3)], {"multiple_of": 3}),
        (Annotated[str, Meta(pattern="a", min_length=0)], {"pattern": "a", "min_length": 0}),
        (Annotated[list[int], Meta(max_length=2)], {"max_length": 2}),
        (Annotated[datetime, Meta(tz=False)], {"tz": False}),
        (Shade, {}),
    ],
)
def test_constraints_are_read_by_their_names(annotation: Any, constraints: dict[str, Any]) -> None:
    assert read_constraints(mi.type_info(annotation)) == constraints


@pytest.mark.parametrize(
    ("annotation", "limits"),
    [
        (str, (0, math.inf)),
        (Annotated[str, Meta(min_length=2)], (2, math.inf)),
        (Annotated[list[int], Meta(max_length=0)], (0, 0)),
        (Annotated[bytes, Meta(min_length=1, max_length=4)], (1, 4)),
    ],
)
def test_length_limits_are_read(annotation: Any, limits: tuple[int, float]) -> None:
    assert read_length_limits(mi.type_info(annotation)) == limits


@pytest.mark.parametrize(
    "annotation",
    [
        *SCALAR_TYPES.values(),
        Shade,
        Literal["a", "b"],
        Literal[1, None],
        int | None,
        int | str,
        Annotated[int, Meta(ge=1, lt=7)],
        Annotated[str, Meta(pattern="^a", max_length=3)],
    ],
)
def test_scalar_type_is_rebuilt_from_its_description(annotation: Any) -> None:
    info = mi.type_info(annotation)
    assert mi.type_info(rebuild_scalar_type(info)) == info


def test_union_of_one_type_is_the_type() -> None:
    assert make_union([int]) is int
    assert get_args(make_union([int, str, None])) == (int, str, type(None))


@pytest.mark.parametrize(
    ("annotation", "value", "converted"), [(int, 1, 1), (list[str], ["a"], ["a"]), (bytes, "YQ==", b"a")]
)
def test_box_converts_its_value(annotation: Any, value: object, converted: object) -> None:
    assert msgspec.convert((value,), make_box(annotation)).value == converted


def test_box_refuses_a_value_of_another_type() -> None:
    with pytest.raises(msgspec.ValidationError, match=r"Expected `int`, got `str` - at `\$\[0\]`"):
        msgspec.convert(("x",), make_box(int))


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        (int, int),
        (int | None, int),
        (int | str | None, int | str),
        (int | str, int | str),
        (Annotated[int | None, Meta(title="optional")], int),
        (Union[Annotated[int, Meta(ge=1)], None], Annotated[int, Meta(ge=1)]),  # noqa: UP007  # Annotated has no `|`
    ],
)
def test_none_is_removed_from_an_optional_type(annotation: Any, expected: Any) -> None:
    assert remove_none(mi.type_info(annotation)) == mi.type_info(expected)


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [(Row, True), (Pair, True), (Node, False), (Point, False), (Address, False), (int, False)],
)
def test_type_is_positional_if_its_fields_are_an_array(annotation: Any, expected: bool) -> None:
    assert is_positional(mi.type_info(annotation)) is expected


PARTS: list[tuple[Any, Sequence[type[mi.Type]]]] = [
    (int, [mi.IntType]),
    (list[int], [mi.ListType, mi.IntType]),
    (dict[str, float], [mi.DictType, mi.StrType, mi.FloatType]),
    (tuple[int, bool], [mi.TupleType, mi.IntType, mi.BoolType]),
    (int | None, [mi.UnionType, mi.IntType, mi.NoneType]),
    (Annotated[int, Meta(title="t")], [mi.IntType]),
    (Pair, [mi.NamedTupleType, mi.IntType, mi.StrType]),
    (Point, [mi.DataclassType, mi.FloatType]),
    (Address, [mi.TypedDictType, mi.BytesType]),
    (Node, [mi.StructType, mi.IntType, mi.ListType]),
]


@pytest.mark.parametrize(("annotation", "kinds"), PARTS)
def test_every_part_of_a_type_is_visited_once(annotation: Any, kinds: Sequence[type[mi.Type]]) -> None:
    info = mi.type_info(annotation)
    parts = list(walk_types(info))
    assert parts[0] is unwrap_metadata(info)
    assert sorted(type(part).__name__ for part in parts) == sorted(kind.__name__ for kind in kinds)
