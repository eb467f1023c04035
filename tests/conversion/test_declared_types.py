"""These tests show which values pass as their declared type, and what is left of those that do not."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import Enum
from types import SimpleNamespace
from typing import Annotated, Any, Generic, Literal, NamedTuple, NotRequired, TypedDict, TypeVar
from uuid import UUID

import attrs
import msgspec
import pytest
from msgspec import UNSET, Meta, Struct, UnsetType

from micropie.conversion.declared_types import UndeclaredError, format_annotation
from micropie.conversion.to_declared import get_declared_type

T = TypeVar("T")


class Public(Struct):
    name: str


class Stored(Public):
    password: str = "secret"


@dataclass
class PublicData:
    name: str
    tags: list[str] = field(default_factory=list)


@dataclass
class StoredData(PublicData):
    password: str = "secret"


@attrs.define(slots=False)
class Loose:
    name: str


class PublicDict(TypedDict):
    name: str
    owner: NotRequired[Public]


class Pair(NamedTuple):
    first: Public
    second: int = 2


class Page(Struct, Generic[T]):
    items: list[T]
    next: "Page[T] | None" = None


class Cat(Struct, tag=True, rename="camel"):
    first_name: str
    owner: Public | UnsetType = UNSET


class Tiger(Cat, tag="cat of prey"):
    password: str = "secret"


class Point(Struct, array_like=True):
    x: int


class Point3(Point):
    password: str = "secret"


class Sparse(Struct, omit_defaults=True):
    name: str = "none"


class StoredSparse(Sparse):
    password: str = "secret"


class Mood(Enum):
    GOOD = "good"


class Rows(list[Public]):
    """A list with its own name."""


def keep(annotation: Any, value: object) -> object:
    """Return what JSON of `value` holds when it is sent as `annotation`."""
    declared = get_declared_type(annotation)
    kept = value if declared.fits(value) else declared.convert(value)
    return msgspec.json.decode(msgspec.json.encode(kept))


def make_loose() -> Loose:
    loose = Loose("a")
    loose.password = "secret"  # type: ignore[attr-defined]  # pyright: ignore
    return loose


A: Any = {"name": "a"}
ROW = SimpleNamespace(name="a", password="secret")
CONVERTED: list[tuple[Any, object, object]] = [
    (Public, Stored("a"), A),
    (Public, A | {"password": "secret"}, A),
    (Public, OrderedDict(A, password="secret"), A),
    (Public, ROW, A),
    (PublicData, StoredData("a"), A | {"tags": []}),
    (PublicData, A | {"password": "secret"}, A | {"tags": []}),
    (Loose, make_loose(), A),
    (PublicDict, A | {"password": "secret"}, A),
    (PublicDict, A | {"owner": Stored("a")}, A | {"owner": A}),
    (Pair, Pair(Stored("a")), [A, 2]),
    (list[Public], [Public("a"), Stored("a")], [A, A]),
    (list[Public], (Stored("a"),), [A]),
    (tuple[Public, ...], (Stored("a"),), [A]),
    (tuple[Public, int], (Stored("a"), 1), [A, 1]),
    (Rows, Rows([Stored("a")]), [A]),
    (dict[str, Public], {"k": Stored("a")}, {"k": A}),
    (Mapping[str, list[Public]], {"k": [Stored("a")]}, {"k": [A]}),
    (Public | None, Stored("a"), A),
    (Public | int, A | {"password": "secret"}, A),
    (Annotated[Public, Meta(title="t")], Stored("a"), A),
    (list[Public | PublicData], [Stored("a"), StoredData("a")], [A, A | {"tags": []}]),
    (Public | PublicData, A | {"tags": ["x"]}, A | {"tags": ["x"]}),
    (Page[Public], Page([Stored("a")]), {"items": [A], "next": None}),
    (Page[Public], Page([], Page([Stored("a")])), {"items": [], "next": {"items": [A], "next": None}}),
    (Cat, Tiger("a"), {"type": "Cat", "firstName": "a"}),
    (Cat, {"firstName": "a", "owner": ROW}, {"type": "Cat", "firstName": "a", "owner": A}),
    (Point, Point3(1), [1]),
    (Sparse, StoredSparse(), {}),
]  # fmt: skip


@pytest.mark.parametrize(("annotation", "value", "kept"), CONVERTED)
def test_value_of_another_form_keeps_only_the_declared_fields(annotation: Any, value: object, kept: object) -> None:
    assert keep(annotation, value) == kept


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (str, "a"),
        (int, True),
        (float, 1),
        (None, None),
        (Literal["a", 1], 1),
        (Mood, Mood.GOOD),
        (date, date(2026, 1, 1)),
        (Public, Public("a")),
        (PublicData, PublicData("a", ["b"])),
        (Loose, Loose("a")),
        (PublicDict, {"name": "a"}),
        (PublicDict, {"name": "a", "owner": Public("a")}),
        (Pair, Pair(Public("a"))),
        (list[Public], [Public("a")]),
        (list[Public | PublicData], [Public("a"), PublicData("a")]),
        (dict[str, Public], {"a": Public("a")}),
        (dict[str, Any], {"a": Stored("a")}),
        (dict, {"a": Stored("a")}),
        (Any, Stored("a")),
        (object, Stored("a")),
        (Page[Public], Page([Public("a")], Page([]))),
        (Page[Any], Page([Stored("a")])),
    ],
)
def test_value_of_the_declared_classes_passes_as_it_is(annotation: Any, value: object) -> None:
    assert get_declared_type(annotation).fits(value)


@pytest.mark.parametrize(
    ("annotation", "value", "text"),
    [
        (str, {"a": 1}, "Expected `str`, got `dict`"),
        (int, "5", "Expected `int`, got `str`"),
        (Public, 5, "Expected `Public`, got `int`"),
        (Public, [A], "Expected `Public`, got `list`"),
        (Public, {"password": "secret"}, "`dict` has no `name` - at `$.name`"),
        (Public, {"name": Stored("a")}, "Expected `str`, got `Stored` - at `$.name`"),
        (list[Public], {"a": 1}, "Expected `list[Public]`, got `dict`"),
        (dict[str, Public], {"k": 5}, "Expected `Public`, got `int` - at `$[...]`"),
        (tuple[Public, int], [A], "Expected `tuple[Public, int]`, got `list`"),
        (Page[Public], {"items": [5]}, "Expected `Public`, got `int` - at `$.items[0]`"),
        (Cat, {"type": "Dog", "firstName": "a"}, "Expected `Cat`, got `dict`"),
        (Public | int, "x", "Expected `Public | int`, got `str`"),
        (Mood, "bad", "Expected `Mood`, got `str`"),
        (Generic, Stored("a"), "Expected `Generic`, got `Stored`"),
    ],
)
def test_value_that_cannot_be_converted_is_refused_by_place(annotation: Any, value: object, text: str) -> None:
    declared = get_declared_type(annotation)
    assert not declared.fits(value)
    with pytest.raises(UndeclaredError) as caught:
        declared.convert(value)
    assert str(caught.value) == text


def test_value_with_the_same_json_passes_for_a_scalar() -> None:
    number = UUID(int=5)
    assert get_declared_type(str).convert(number) is number


def test_union_prefers_the_class_nearest_to_that_of_the_value() -> None:
    assert keep(Public | Stored, type("Late", (Stored,), {})("a")) == A | {"password": "secret"}


@pytest.mark.parametrize(
    ("annotation", "text"), [(None, "None"), ("list[X]", "list[X]"), (list[Public], "list[Public]"), (Public, "Public")]
)
def test_annotation_is_formatted_without_modules(annotation: Any, text: str) -> None:
    assert format_annotation(annotation) == text
