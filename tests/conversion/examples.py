"""These types are shared by tests: fields, choices, tags, rules. `list_errors` finds what is wrong with a value."""

from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import Annotated, Any, Generic, NamedTuple, TypedDict, TypeVar

import attrs
import msgspec
from msgspec import Meta, Struct
from msgspec import inspect as mi

from micropie.conversion.json_errors import find_errors
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


def list_errors(annotation: Any, value: object) -> list[tuple[str | None, str]]:
    """Return the pointer and the detail of each error in `value`."""
    return [(error.pointer, error.detail) for error in find_errors(mi.type_info(annotation), value)]
