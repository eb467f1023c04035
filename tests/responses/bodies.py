"""These tables hold bodies that handlers return, and what each is sent as."""

import dataclasses
from collections import OrderedDict
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum, StrEnum
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import NamedTuple, TypedDict
from uuid import UUID

import attrs
import msgspec


class Point(NamedTuple):
    x: int
    y: int


class Colour(Enum):
    RED = "red"


class Shade(StrEnum):
    DARK = "dark"


@dataclasses.dataclass
class Cat:
    name: str


class Dog(msgspec.Struct):
    name: str


@attrs.define
class Cow:
    name: str


class Row(TypedDict):
    id: int


class Markup(str):
    """Text whose class is not exactly `str`, as templates make it."""


class Celsius(float):
    pass


HTML_TYPE = b"text/html; charset=utf-8"
JSON_TYPE = b"application/json"

# body, payload, content type
BODIES: list[tuple[object, bytes, bytes | None]] = [
    ("héllo", "héllo".encode(), HTML_TYPE),
    ("", b"", HTML_TYPE),
    (Markup("<b>"), b"<b>", HTML_TYPE),
    (b"\xff\x00", b"\xff\x00", HTML_TYPE),
    (bytearray(b"x"), b"x", HTML_TYPE),
    (memoryview(b"abc")[::2], b"ac", HTML_TYPE),
    (None, b"", None),
    ({"a": [1, None, True]}, b'{"a":[1,null,true]}', JSON_TYPE),
    (OrderedDict(a=1), b'{"a":1}', JSON_TYPE),
    (MappingProxyType({"a": 1}), b'{"a":1}', JSON_TYPE),
    ([1, 2], b"[1,2]", JSON_TYPE),
    ((1.5, 2), b"[1.5,2]", JSON_TYPE),
    ({3}, b"[3]", JSON_TYPE),
    (frozenset({3}), b"[3]", JSON_TYPE),
    (7, b"7", JSON_TYPE),
    (True, b"true", JSON_TYPE),
    (2**70, b"1180591620717411303424", JSON_TYPE),
    (float("nan"), b"null", JSON_TYPE),
    (Celsius(1.5), b"1.5", JSON_TYPE),
    (Point(1, 2), b"[1,2]", JSON_TYPE),
    (Cat("Tom"), b'{"name":"Tom"}', JSON_TYPE),
    (Dog("Rex"), b'{"name":"Rex"}', JSON_TYPE),
    (Cow("Elsie"), b'{"name":"Elsie"}', JSON_TYPE),
    (Row(id=1), b'{"id":1}', JSON_TYPE),
    (Colour.RED, b'"red"', JSON_TYPE),
    (Shade.DARK, b'"dark"', JSON_TYPE),
    (datetime(2024, 1, 2, tzinfo=UTC), b'"2024-01-02T00:00:00Z"', JSON_TYPE),
    (UUID(int=1), b'"00000000-0000-0000-0000-000000000001"', JSON_TYPE),
    (Decimal("1.10"), b'"1.10"', JSON_TYPE),
    ({"html": Markup("<b>"), "n": Celsius(2.0)}, b'{"html":"<b>","n":2.0}', JSON_TYPE),
    ([Cat("Tom"), {Colour.RED: Dog("Rex")}], b'[{"name":"Tom"},{"red":{"name":"Rex"}}]', JSON_TYPE),
]


def endless() -> list[object]:
    nested: list[object] = []
    nested.append(nested)
    return nested


# body, what the error names
UNSENDABLE: list[tuple[object, str]] = [
    (SimpleNamespace(a=1), "types.SimpleNamespace cannot be sent"),
    ({"when": [object()]}, "builtins.object cannot be sent"),
    ([Path("x")], "Path cannot be sent"),
    ({(1, 2): 3}, "builtins.tuple cannot be sent"),
    (Cat, "builtins.type cannot be sent"),
    (1j, "builtins.complex cannot be sent"),
    ({"a": (n for n in "abc")}, "builtins.generator cannot be sent"),
    (endless(), "list cannot be sent as JSON: maximum recursion depth"),
    ({"a": "\ud800"}, "dict cannot be sent as JSON: 'utf-8' codec"),
    ("a\ud800", "surrogates not allowed at 1"),
]
