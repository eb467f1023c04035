"""This module holds the types that the tests of several packages convert values to."""

from dataclasses import dataclass
from datetime import date
from enum import Enum, IntEnum
from typing import Annotated, NamedTuple, TypedDict

import attrs
from msgspec import Meta, Struct


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


class Closed(Struct, forbid_unknown_fields=True):
    x: int = 0


class Cat(Struct, tag=True):
    lives: int


class Dog(Struct, tag=True):
    name: str


class Range(Struct):
    low: int
    high: int

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise ValueError("low must not be above high")


class Point(NamedTuple):
    x: int
    y: int = 0


@dataclass
class User:
    name: str
    born: date | None = None


class Tree(Struct):
    value: int
    children: "list[Tree]" = []


class Item(Struct):
    name: str
    amount: int = 1


class Frozen(Struct, frozen=True):
    x: int


class Identical(Struct, eq=False):
    x: int


class Hashed(Struct):
    x: int

    def __hash__(self) -> int:
        return self.x


@dataclass(frozen=True)
class Key:
    x: int


class Address(TypedDict):
    street: str


@attrs.define
class Wheel:
    size: int
