"""This module holds the types whose values travel as messages in the tests of WebSockets."""

from dataclasses import dataclass
from enum import Enum, IntEnum, StrEnum
from typing import Annotated, NewType, TypedDict

import msgspec


class Move(msgspec.Struct, tag="move"):
    x: int
    y: int = 0


class Say(msgspec.Struct, tag="say"):
    words: str
    to: list[str] = []


class Quit(msgspec.Struct, tag="quit", forbid_unknown_fields=True):
    pass


class One(msgspec.Struct, tag=1):
    n: int = 0


class Two(msgspec.Struct, tag=2):
    n: int = 0


@dataclass
class Point:
    x: float


class Options(TypedDict):
    loud: bool


class Colour(Enum):
    RED = "red"


class Code(IntEnum):
    ABNORMAL = 1006


class Mood(StrEnum):
    FINE = "fine"


class StrictPoint(msgspec.Struct):
    x: int

    def __post_init__(self) -> None:
        if self.x < 0:
            raise ValueError("must not be negative")


Room = NewType("Room", str)
Short = Annotated[str, msgspec.Meta(max_length=3)]
Key = Annotated[bytes, msgspec.Meta(max_length=3)]
Noted = Annotated[Move, {"a note": "that has no hash"}]
Command = Move | Say | Quit
