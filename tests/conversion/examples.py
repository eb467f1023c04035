"""These types are shared by tests: fields, choices, tags, rules. `list_errors` finds what is wrong with a value."""

from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec
from msgspec import Struct
from msgspec import inspect as mi

from micropie.conversion.json_errors import find_errors
from micropie.uploads.upload_file import UploadFile
from tests.support.shared_types import Address, Range

T = TypeVar("T")


class Renamed(Struct, rename="camel"):
    first_name: str


class Row(Struct, array_like=True):
    x: int
    y: str = ""


class ClosedRow(Struct, array_like=True, forbid_unknown_fields=True):
    x: int


class CatRow(Struct, tag="cat", array_like=True):
    lives: int


class DogRow(Struct, tag="dog", array_like=True):
    name: str


class Box(Struct, Generic[T]):
    content: T


class Pair(NamedTuple):
    x: int
    y: int


@dataclass
class User:
    name: str
    address: Address


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
