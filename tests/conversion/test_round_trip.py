"""A value that a client writes anywhere in a request binds to the same value in the handler.

One app has a handler for every type; each example is one whole request to it. As text a value is in the query, in a
percent-encoded path segment, or in a form of either kind; as JSON it is a key of the body, a field of it, or all of it.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum
from typing import (
    Annotated,
    Any,
    Final,
    Generic,
    Literal,
    NamedTuple,
    NewType,
    NotRequired,
    TypeAlias,
    TypedDict,
    TypeVar,
)
from urllib.parse import quote, urlencode
from uuid import UUID

import attrs
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Meta, Struct

from micropie import App, Body, Form, Header, Query
from tests.support.asgi import FORM, JSON, MULTIPART, Response, acall, form_data
from tests.support.shared_types import Cat, Frozen

T = TypeVar("T")
Values: TypeAlias = st.SearchStrategy[Any]


class Colour(Enum):
    RED = "red"
    ODD = "a/b?c=d&e;f%g+h é"
    EMPTY = ""


class Level(IntEnum):
    LOW = -1
    HIGH = 2**40


class Renamed(Struct, rename="camel"):
    first_name: str
    how_many: int = 0
    is_new: bool = False


class Row(Struct, array_like=True):
    x: int
    y: str = ""


class Box(Struct, Generic[T]):
    content: T
    more: list[T] = []


class Node(Struct):
    renamed: Renamed
    boxes: "list[Box[date]]" = []
    left: "Node | None" = None


class Dog(Struct, tag="the dog", tag_field="type"):
    name: str
    age: int | None = None


@dataclass
class User:
    name: str
    born: date | None = None
    groups: set[str] = field(default_factory=set)


class Address(TypedDict):
    street: str
    number: NotRequired[int]


class Point(NamedTuple):
    x: int
    y: float = 0.5


@attrs.define
class Wheel:
    size: Decimal
    label: str = "wheel"


Age = NewType("Age", int)

# --- the values -----------------------------------------------------------------------------------------------------

TEXT: Final = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
NAMES: Final = st.text(st.characters(exclude_characters='"\\', exclude_categories=["Cs", "Cc"]), min_size=1)
FLOATS: Final = st.floats(allow_nan=False, allow_infinity=False)
DECIMALS: Final = st.decimals(allow_nan=False, allow_infinity=False)
OFFSETS: Final = st.integers(-23 * 60 - 59, 23 * 60 + 59).map(lambda minutes: timezone(timedelta(minutes=minutes)))
AWARE: Final = st.datetimes(timezones=OFFSETS)
TIMES: Final = st.times() | st.times(timezones=OFFSETS)
UTF8: Final = TEXT.map(str.encode)
NO_NUMBER: Final = TEXT.filter(lambda text: text.strip("-0123456789") != "")
NO_DATE: Final = st.text("abcxyz é&=%+/", min_size=1)

# A text for `int | str` that spells a number is that number. An empty text for an Optional non-str is None (SPEC 3).
SCALARS: list[tuple[Any, Values]] = [
    (int, st.integers() | st.integers(-(10**4000), 10**4000)),
    (float, FLOATS),
    (bool, st.booleans()),
    (str, TEXT),
    (bytes, UTF8),
    (Decimal, DECIMALS),
    (UUID, st.uuids()),
    (date, st.dates()),
    (datetime, st.datetimes()),
    (Annotated[datetime, Meta(tz=True)], AWARE),
    (Annotated[datetime, Meta(tz=False)], st.datetimes()),
    (time, TIMES),
    (timedelta, st.timedeltas()),
    (Colour, st.sampled_from(Colour)),
    (Level, st.sampled_from(Level)),
    (Literal["a", "b c", 1, -7], st.sampled_from(["a", "b c", 1, -7])),
    (Literal[True], st.just(True)),
    (Age, st.integers()),
    (Annotated[int, Meta(ge=-9, le=9)], st.integers(-9, 9)),
    (Annotated[str, Meta(min_length=1, max_length=3)], TEXT.filter(lambda text: 1 <= len(text) <= 3)),
    (int | None, st.none() | st.integers()),
    (Decimal | None, st.none() | DECIMALS),
    (date | None, st.none() | st.dates()),
    (int | str, st.integers() | NO_NUMBER),
    (int | float | None, st.none() | st.integers() | FLOATS),
    (int | bool, st.integers() | st.booleans()),
    (date | datetime | str, st.dates() | st.datetimes() | AWARE | NO_DATE),
    (UUID | int, st.uuids() | st.integers()),
    (Colour | Level | None, st.sampled_from([Colour.RED, Colour.ODD]) | st.sampled_from(Level) | st.none()),
]  # fmt: skip
ONLY_JSON: list[tuple[Any, Values]] = [
    (bytes | None, st.none() | st.binary()),
    (str | None, st.none() | TEXT),
    (Any, st.recursive(
        st.none() | st.booleans() | st.integers() | TEXT, lambda inner: st.lists(inner, max_size=3), max_leaves=5
    )),
]  # fmt: skip

ARRAYS: list[tuple[Any, Values]] = [
    (list[int], st.lists(st.integers(), max_size=5)),
    (list[str], st.lists(TEXT, max_size=5)),
    (list[bool | None], st.lists(st.none() | st.booleans(), max_size=5)),
    (list[int | str], st.lists(st.integers() | NO_NUMBER, max_size=5)),
    (set[UUID], st.sets(st.uuids(), max_size=5)),
    (set[str], st.sets(TEXT, max_size=5)),
    (frozenset[date], st.frozensets(st.dates(), max_size=5)),
    (tuple[float, ...], st.lists(FLOATS, max_size=5).map(tuple)),
    (tuple[int, str], st.tuples(st.integers(), TEXT)),
    (tuple[Colour, time, Decimal], st.tuples(st.sampled_from(Colour), TIMES, DECIMALS)),
    (list[datetime], st.lists(st.datetimes() | AWARE, max_size=5)),
]  # fmt: skip

# A flat form can hold these types: it has a name for each field.
FLAT: list[tuple[Any, Values]] = [
    (Renamed, st.builds(Renamed, TEXT, st.integers(), st.booleans())),
    (Row, st.builds(Row, st.integers(), TEXT)),
    (Box[date], st.builds(Box, st.dates(), st.lists(st.dates(), min_size=1, max_size=3))),
    (Box[Decimal], st.builds(Box, DECIMALS, st.lists(DECIMALS, min_size=1, max_size=3))),
    (Cat | Dog, st.builds(Cat, st.integers()) | st.builds(Dog, TEXT, st.none() | st.integers())),
    (User, st.builds(User, TEXT, st.none() | st.dates(), st.sets(TEXT, min_size=1, max_size=3))),
    (Address, st.fixed_dictionaries({"street": TEXT}, optional={"number": st.integers()})),
    (Point, st.builds(Point, st.integers(), FLOATS)),
    (Wheel, st.builds(Wheel, DECIMALS, TEXT)),
    (dict[str, int], st.dictionaries(NAMES, st.integers(), min_size=1, max_size=4)),
    (dict[date, str], st.dictionaries(st.dates(), TEXT, min_size=1, max_size=4)),
]  # fmt: skip
RENAMED: Final = st.builds(Renamed, TEXT, st.integers(), st.booleans())
DEEP: list[tuple[Any, Values]] = [
    (Node, st.recursive(
        st.builds(Node, RENAMED, st.just([]), st.none()),
        lambda below: st.builds(Node, RENAMED, st.lists(st.builds(Box, st.dates(), st.just([])), max_size=2), below),
        max_leaves=3,
    )),
    (Box[Box[bytes]], st.builds(Box, st.builds(Box, st.binary(), st.just([])), st.just([]))),
    (Box[Cat | Dog | None], st.builds(
        Box, st.none() | st.builds(Cat, st.integers()) | st.builds(Dog, TEXT), st.just([])
    )),
    (list[User], st.lists(st.builds(User, TEXT, st.none() | st.dates(), st.sets(TEXT, max_size=3)), max_size=3)),
    (list[Cat | Dog], st.lists(st.builds(Cat, st.integers()) | st.builds(Dog, TEXT), max_size=3)),
    (set[Frozen], st.sets(st.builds(Frozen, st.integers()), max_size=3)),
    (dict[str, list[Address]], st.dictionaries(TEXT, st.lists(st.fixed_dictionaries({"street": TEXT})), max_size=3)),
    (dict[UUID, Point], st.dictionaries(st.uuids(), st.builds(Point, st.integers(), FLOATS), max_size=3)),
    (Renamed | None, st.none() | RENAMED),
]  # fmt: skip

# --- the app --------------------------------------------------------------------------------------------------------

bound: list[Any] = []
"""The arguments of the handlers, newest last."""
handlers: dict[str, Any] = {}


def add_handler(annotation: Any) -> str:
    """Add a handler with one parameter, `value`, and return its URL."""

    async def take(self: App, value: Any) -> None:
        bound.append(value)

    take.__annotations__ = {"value": annotation}
    name = f"take{len(handlers)}"
    handlers[name] = take
    return "/" + name


@dataclass
class Case:
    """A type, its values, and the URLs of the handlers that take them."""

    annotation: Any
    values: Values
    unmarked: str
    marked: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return getattr(self.annotation, "__name__", str(self.annotation))


def make_cases(table: Sequence[tuple[Any, Values]], /, **markers: Callable[[Any], Any]) -> list[Case]:
    return [
        Case(
            annotation,
            values,
            add_handler(annotation),
            {name: add_handler(mark(annotation)) for name, mark in markers.items()},
        )
        for annotation, values in table
    ]


def mark_key(annotation: Any) -> Any:
    return Annotated[annotation, Body("value")]


SCALAR_CASES: Final = make_cases(SCALARS, header=lambda kind: Annotated[kind, Header()])
JSON_CASES: Final = [*SCALAR_CASES, *make_cases(ONLY_JSON)]
ARRAY_CASES: Final = make_cases(ARRAYS, header=lambda kind: Annotated[kind, Header()])
FLAT_CASES: Final = make_cases(
    FLAT, query=lambda kind: Annotated[kind, Query()], form=lambda kind: Annotated[kind, Form()], key=mark_key
)
BODY_CASES: Final = [*FLAT_CASES, *make_cases(DEEP, key=mark_key)]
generic: Any = Box
# A field in msgspec cannot have several types that JSON writes as text; a parameter can.
FIELDS: Final = [case for case in [*SCALARS, *ONLY_JSON, *ARRAYS] if case[0] != date | datetime | str]
FIELD_CASES: Final = make_cases([(generic[annotation], st.builds(Box, values)) for annotation, values in FIELDS])

api_class: Any = type("Api", (App,), handlers)
app: Final[App] = api_class()


@dataclass
class SentRequest:
    """A request that holds a value."""

    path: str
    body: bytes = b""
    headers: Sequence[tuple[bytes, bytes]] = ()

    async def send(self) -> Response:
        return await acall(app, "POST" if self.body else "GET", self.path, self.body, self.headers)


def check(case: Case, write_requests: Callable[[Any], Iterable[SentRequest]]) -> None:
    """Check that each request that `write_requests` makes of a value gives the handler that value."""

    async def send_all(requests: Iterable[SentRequest], value: object) -> None:
        for request in requests:
            bound.clear()
            response = await request.send()
            assert (response.status, response.body) == (204, b""), request
            assert bound == [value], request
            assert type(bound[0]) is type(value), request

    @settings(max_examples=50, deadline=None)
    @given(case.values)
    def law(value: Any) -> None:
        asyncio.run(send_all(write_requests(value), value))

    law()


# --- how values are written -----------------------------------------------------------------------------------------


def spell(value: object) -> str:
    """Return `value` as text, before any encoding: JSON without quotes; empty for None, UTF-8 for bytes."""
    if isinstance(value, bytes):
        return value.decode()
    plain = msgspec.to_builtins(value)
    if plain is None:
        return ""
    return plain if isinstance(plain, str) else msgspec.json.encode(plain).decode()


def list_fields(value: Any) -> list[tuple[str, str]]:
    """Return the names of the fields of a structured value, each with its texts."""
    plain = msgspec.to_builtins(value, str_keys=True)
    if isinstance(value, Row | Point):
        fields = value.__struct_fields__ if isinstance(value, Row) else value._fields
        plain = dict(zip(fields, plain, strict=True))
    pairs = []
    for name, item in plain.items():
        pairs += [(name, spell(part)) for part in (item if isinstance(item, list) else [item])]
    return pairs


def write_forms(path: str, pairs: Sequence[tuple[str, str]]) -> Iterator[SentRequest]:
    yield SentRequest(path, urlencode(pairs).encode(), FORM)
    yield SentRequest(path, urlencode(pairs, quote_via=quote).encode(), FORM)
    yield SentRequest(path, form_data(pairs), MULTIPART)


def write_texts(path: str, pairs: Sequence[tuple[str, str]]) -> Iterator[SentRequest]:
    yield SentRequest(f"{path}?" + urlencode(pairs))
    yield SentRequest(f"{path}?" + urlencode(pairs, quote_via=quote))
    yield from write_forms(path, pairs)


def write_json(path: str, document: bytes) -> Iterator[SentRequest]:
    yield SentRequest(path, document, JSON)
    yield SentRequest(
        path, msgspec.json.format(document), [(b"content-type", b"application/vnd.api+json; charset=utf-8")]
    )


# --- the laws -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", SCALAR_CASES, ids=str)
def test_value_in_a_query_a_form_or_a_header_binds_to_itself(case: Case) -> None:
    def write_requests(value: object) -> Iterator[SentRequest]:
        text = spell(value)
        yield from write_texts(case.unmarked, [("value", text)])
        yield SentRequest(case.marked["header"], headers=[(b"value", text.encode())])

    check(case, write_requests)


@pytest.mark.parametrize("case", SCALAR_CASES, ids=str)
def test_value_in_a_path_segment_binds_to_itself(case: Case) -> None:
    def write_requests(value: object) -> Iterator[SentRequest]:
        # A last slash is ignored, so an empty text before it is a segment, too.
        yield SentRequest(f"{case.unmarked}/{quote(spell(value), safe='')}/")
        yield SentRequest(f"{case.unmarked}/" + "".join(f"%{octet:02X}" for octet in spell(value).encode()) + "/")

    check(case, write_requests)


@pytest.mark.parametrize("case", JSON_CASES, ids=str)
def test_value_at_a_key_of_a_json_body_binds_to_itself(case: Case) -> None:
    check(case, lambda value: write_json(case.unmarked, msgspec.json.encode({"a": [1], "value": value, "z": {}})))


@pytest.mark.parametrize("case", FIELD_CASES, ids=str)
def test_value_in_a_field_of_a_whole_json_body_binds_to_itself(case: Case) -> None:
    check(case, lambda value: write_json(case.unmarked, msgspec.json.encode(value)))


@pytest.mark.parametrize("case", ARRAY_CASES, ids=str)
def test_values_of_a_repeated_name_bind_to_an_array(case: Case) -> None:
    def write_requests(value: Any) -> Iterator[SentRequest]:
        texts = [spell(item) for item in value]
        if texts:  # an empty array has no name in the request
            yield from write_texts(case.unmarked, [("value", text) for text in texts])
        if texts and all(text and text.strip(" \t") == text and not {",", '"'} & {*text} for text in texts):
            yield SentRequest(case.marked["header"], headers=[(b"value", text.encode()) for text in texts])
            if case.annotation != list[datetime]:
                yield SentRequest(case.marked["header"], headers=[(b"value", ", ".join(texts).encode())])

    check(case, write_requests)


@pytest.mark.parametrize("case", ARRAY_CASES, ids=str)
def test_array_at_a_key_of_a_json_body_binds_to_itself(case: Case) -> None:
    check(case, lambda value: write_json(case.unmarked, msgspec.json.encode({"value": value})))


@pytest.mark.parametrize("case", FLAT_CASES, ids=str)
def test_structure_written_as_a_query_or_a_form_binds_to_itself(case: Case) -> None:
    def write_requests(value: object) -> Iterator[SentRequest]:
        pairs = list_fields(value)
        yield SentRequest(f"{case.marked['query']}?" + urlencode(pairs))
        yield from write_forms(case.marked["form"], pairs)
        yield from write_forms(case.unmarked, pairs)

    check(case, write_requests)


@pytest.mark.parametrize("case", BODY_CASES, ids=str)
def test_structure_written_as_a_json_body_or_at_its_key_binds_to_itself(case: Case) -> None:
    def write_requests(value: object) -> Iterator[SentRequest]:
        yield from write_json(case.unmarked, msgspec.json.encode(value))
        yield from write_json(case.marked["key"], msgspec.json.encode({"value": value}))

    check(case, write_requests)
