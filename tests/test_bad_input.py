"""What a bad request gets: every source and every type, each with the exact answer in both of its formats.

Whatever is sent, the handler never runs, nothing is a 500, and the value that was sent is not in the answer. The
tables hold what is wrong with each type; the sources are how it is sent.
"""

import asyncio
import functools
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Annotated, Any, Final, Literal, NamedTuple, NotRequired, TypeAlias, TypedDict
from urllib.parse import quote, urlencode
from uuid import UUID

import attrs
import msgspec
import pytest
from msgspec import Meta, Struct

from micropie import (
    App,
    Body,
    Cookie,
    File,
    Form,
    Header,
    InMemorySessionBackend,
    Limits,
    Path,
    Query,
    Session,
    UploadFile,
    WebSocket,
)
from micropie.types import Message
from tests.asgi import FORM, JSON, MULTIPART, PROBLEM, Answer, RawHeaders, call, call_socket, form_data, http_scope

Place: TypeAlias = tuple[str, str] | str
"""Where an error is: the source and the parameter, or the JSON pointer."""
Errors: TypeAlias = Sequence[tuple[Place, str]]
Given: TypeAlias = Sequence[tuple[str, str]]
"""Names and their texts, in order."""


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


class Flat(Struct):
    title: Annotated[str, Meta(min_length=1, max_length=5)]
    amount: int
    prices: list[Decimal] = []


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


class Tree(Struct):
    value: int
    children: "list[Tree]" = []


class Picture(Struct):
    title: Annotated[str, Meta(max_length=5)]
    image: UploadFile


@dataclass
class User:
    name: str
    born: date | None = None


class Address(TypedDict):
    street: Annotated[str, Meta(max_length=9)]
    number: NotRequired[int]


class Point(NamedTuple):
    x: int
    y: int = 0


@attrs.define
class Wheel:
    size: int


# --- how a request is made, and how its answer is checked -----------------------------------------------------------


@dataclass
class Target:
    """An app whose handlers only note that they were called."""

    app: App
    calls: list[object] = field(default_factory=list)


def target(*annotations: Any, limits: Limits | None = None, **defaults: Any) -> Target:
    """An app with `take(a, b, …)`, its parameters annotated in order; one parameter alone is called `value`."""
    names = ["value"] if len(annotations) == 1 else [chr(ord("a") + number) for number in range(len(annotations))]
    return named_target(dict(zip(names, annotations, strict=True)), limits, **defaults)


def named_target(annotations: dict[str, Any], limits: Limits | None = None, **defaults: Any) -> Target:
    calls: list[object] = []
    names: dict[str, Any] = {"calls_": calls}
    parameters = ", ".join(f"{name}=defaults_[{name!r}]" if name in defaults else name for name in annotations)
    source = f"async def take(self, {parameters}):\n    calls_.append(({', '.join(annotations)},))\n"
    exec(source, names | {"defaults_": defaults}, names)
    names["take"].__annotations__ = annotations
    made: Any = type("Api", (App,), {"take": names["take"]})
    return Target(made(limits=limits), calls)


cached_target = functools.lru_cache(maxsize=None)(target)


def line(place: Place, detail: str) -> str:
    if detail.startswith("Missing required parameter") or not place:
        return detail
    where = f"value at '{place}'" if isinstance(place, str) else f"{place[0]} parameter '{place[1]}'"
    return f"Invalid {where}: {detail}"


def plain(errors: Errors) -> str:
    return "\n".join(f"400 Bad Request: {line(place, detail)}" for place, detail in errors)


def problem(errors: Errors) -> bytes:
    found = [
        {"detail": detail}
        | ({"pointer": place} if isinstance(place, str) else {"in": place[0], "parameter": place[1]})
        for place, detail in errors
    ]
    return msgspec.json.encode(
        {
            "type": "about:blank",
            "title": "Bad Request",
            "status": 400,
            "detail": "; ".join(line(place, detail) for place, detail in errors),
            "errors": found,
        }
    )


def shown(answer: Answer) -> tuple[int, str | None, bytes]:
    return answer.status, answer.header("content-type"), answer.body


def check_plain(answer: Answer, text: str, status: int = 400) -> None:
    assert shown(answer) == (status, "text/plain; charset=utf-8", text.encode())


def check_problem(answer: Answer, document: bytes, status: int = 400) -> None:
    assert shown(answer) == (status, "application/problem+json", document)


@dataclass
class Sent:
    """A request: for `/take`, unless it has another path."""

    path: str = "/take"
    body: bytes | Sequence[bytes] = b""
    headers: RawHeaders = ()

    def to(self, app: App, *more: tuple[bytes, bytes]) -> Answer:
        return call(app, "POST" if self.body else "GET", self.path, self.body, [*self.headers, *more])


def check(aim: Target, sent: Sent, errors: Errors) -> None:
    """`sent` is refused for `errors`, in both formats; what was sent as JSON, only as problem details."""
    if sent.headers != JSON:
        check_plain(sent.to(aim.app), plain(errors))
    check_problem(sent.to(aim.app, *PROBLEM), problem(errors))
    assert aim.calls == []


def check_status(aim: Target, sent: Sent, status: int, title: str, detail: str) -> None:
    """`sent` is refused with another status, in both formats."""
    document = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    if sent.headers != JSON:
        check_plain(sent.to(aim.app), f"{status} {title}: {detail}", status)
    check_problem(sent.to(aim.app, *PROBLEM), msgspec.json.encode(document), status)
    assert aim.calls == []


def in_query(given: Given) -> Sent:
    return Sent("/take?" + urlencode(given, quote_via=quote))


def in_path(given: Given) -> Sent:
    return Sent("/take/" + "/".join(quote(text, safe="") for _, text in given))


def in_form(given: Given) -> Sent:
    return Sent(body=urlencode(given).encode(), headers=FORM)


def in_multipart(given: Given) -> Sent:
    return Sent(body=form_data(given), headers=MULTIPART)


def in_headers(given: Given) -> Sent:
    return Sent(headers=[(name.encode(), text.encode()) for name, text in given])


def in_cookies(given: Given) -> Sent:
    # In quotes, so that white space is the value's own.
    return Sent(headers=[(b"cookie", "; ".join(f'{name}="{text}"' for name, text in given).encode())])


Send: TypeAlias = Callable[[Given], Sent]
SOURCES: Final[dict[str, tuple[Any, str, Send]]] = {
    "path": (Path(), "path", in_path),
    "query": (Query(), "query", in_query),
    "urlencoded": (Form(), "form", in_form),
    "multipart": (Form(), "form", in_multipart),
    "header": (Header(), "header", in_headers),
    "cookie": (Cookie(), "cookie", in_cookies),
}
ALL_BUT_PATH: Final = [source for source in SOURCES if source != "path"]


def in_json(document: str | bytes) -> Sent:
    return Sent(body=document.encode() if isinstance(document, str) else document, headers=JSON)


def parameter_name(source: str, name: str) -> str:
    return name.title() if source == "header" else name


def name_of(case: object) -> str | None:
    if isinstance(case, str | bytes):
        return repr(case[:24])
    return getattr(case, "__name__", None) or str(case).removeprefix("typing.")[:60]


# --- one text -------------------------------------------------------------------------------------------------------

SECRET: Final = "s3cr3t-v4lue"

NO_NUMBERS = [
    "1_000", "١", "٥", "５", "²", "0x10", "0b1", "0o7", " 5", "5 ", "\t5", "5\u00a0", "\u20035", "\ufeff5", "nan", "NaN",
    "-nan", "inf", "-inf", "Infinity", "+5", "05", "--5", "-", "5,6", "5.", ".5", "1e", "[5]", "{}", '"5"', "null",
    "true", "None", "5/6", "5%", "\ud7ff", SECRET,
]  # fmt: skip
NO_INTEGERS = [*NO_NUMBERS, "5.0", "5.5", "1e3", "1e999", "9" * 5000, "-" + "9" * 5000]
NO_FLOATS = [*NO_NUMBERS, "1e999", "-1e999", "9" * 5000]

TEXTS: list[tuple[Any, str, list[str]]] = [
    (int, "an integer", NO_INTEGERS),
    (Annotated[int, Meta(ge=1, le=5)], "an integer >= 1 and <= 5", ["0", "6", "-1", "9" * 40, "9" * 5000, "5.0", SECRET]),
    (Annotated[int, Meta(gt=0, multiple_of=5)], "an integer > 0 and a multiple of 5", ["0", "7", "-5", " 5"]),
    (float, "a number", NO_FLOATS),
    (Annotated[float, Meta(lt=1.5)], "a number < 1.5", ["1.5", "2", "1e999", "nan"]),
    (Decimal, "a decimal number", [*NO_NUMBERS, "sNaN", "1e" + "9" * 40]),
    (bool, "a boolean", ["2", "-1", "01", "t", "yep", "truee", " true", "true ", "ｔrue", "ı", SECRET]),
    (Annotated[str, Meta(min_length=2, max_length=4)], "text of length >= 2 and <= 4", ["x", "xxxxx", "é", SECRET]),
    (Annotated[str, Meta(pattern="^[a-z]+$")], "text matching '^[a-z]+$'", ["A", "a1", "é", SECRET]),
    (Annotated[bytes, Meta(min_length=2, max_length=4)], "text of length >= 2 and <= 4", ["x", "ééé", SECRET]),
    (UUID, "a UUID", [
        "5", "12345678-1234-5678-1234-56781234567", "{12345678-1234-5678-1234-567812345678}",
        "urn:uuid:12345678-1234-5678-1234-567812345678", "12345678-1234-5678-1234-56781234567g", SECRET,
    ]),
    (date, "an RFC 3339 date", [
        "2024-13-01", "2024-02-30", "2023-02-29", "2024-1-1", "20240101", "0000-01-01", "2024-01-01T00:00:00",
        " 2024-01-01", "2024-01-01 ", "٢٠٢٤-٠١-٠١", "today", "5", SECRET,
    ]),
    (datetime, "an RFC 3339 date and time", [
        "2024-01-01", "2024-01-01T24:00:00Z", "2024-01-01T00:00:60Z", "2024-01-01T00:00", "2024-02-30T00:00:00",
        "2024-01-01T00:00:00+25:00", "1700000000", "now", SECRET,
    ]),
    (Annotated[datetime, Meta(tz=True)], "an RFC 3339 date and time with a UTC offset", ["2024-01-01T00:00:00"]),
    (Annotated[datetime, Meta(tz=False)], "an RFC 3339 date and time without a UTC offset", ["2024-01-01T00:00:00Z"]),
    (time, "an RFC 3339 time", ["24:00:00", "12:00", "12:60:00", "12:00:00+25:00", " 12:00:00", "noon", "5", SECRET]),
    (timedelta, "an ISO 8601 duration", ["P", "PT", "P1DT", "P1Y", "P1M", "5", "1 day", "P99999999999D", SECRET]),
    (Colour, "one of 'red', 'blue'", ["RED", "Red", "Colour.RED", "red ", "green", "5", SECRET]),
    (Level, "one of 1, 2", ["3", "01", " 1", "1.0", "LOW", "١", SECRET]),
    (Literal["a", "b", 1], "one of 1, 'a', 'b'", ["c", "A", "01", "ab", SECRET]),
    (Literal[True, 7], "one of 7, true", ["2", "false", "0", SECRET]),
    (int | None, "an integer", ["x", "null", "None", " ", "1_000", "nan", SECRET]),
    (Colour | None, "one of 'red', 'blue'", ["green", "null", SECRET]),
    (int | float, "an integer or a number", NO_FLOATS),
    (int | bool, "an integer or a boolean", ["5.5", "tru", "", SECRET]),
    (date | datetime, "an RFC 3339 date or an RFC 3339 date and time", ["2024-13-01", "2024", SECRET]),
    (UUID | int | None, "a UUID or an integer", ["5.5", "0x10", SECRET]),
    (Decimal | Literal["free"], "one of 'free' or a decimal number", ["Free", "nan", SECRET]),
]  # fmt: skip
EMPTY_TEXTS = [(annotation, words) for annotation, words, _ in TEXTS if type(None) not in getattr(annotation, "__args__", ())]


@pytest.mark.parametrize(("annotation", "words", "texts"), TEXTS, ids=name_of)
@pytest.mark.parametrize("source", SOURCES)
def test_a_text_that_does_not_fit_is_refused_wherever_it_stands(
    source: str, annotation: Any, words: str, texts: list[str]
) -> None:
    marker, kind, send = SOURCES[source]
    aim = cached_target(Annotated[annotation, marker])
    for text in texts:
        if text.encode(errors="ignore") and text:
            check(aim, send([("value", text)]), [((kind, parameter_name(source, "value")), f"Expected {words}")])


@pytest.mark.parametrize(("annotation", "words"), EMPTY_TEXTS, ids=name_of)
@pytest.mark.parametrize("source", ALL_BUT_PATH)
def test_an_empty_text_is_a_value_like_any_other(source: str, annotation: Any, words: str) -> None:
    marker, kind, send = SOURCES[source]
    aim = cached_target(Annotated[annotation, marker])
    check(aim, send([("value", "")]), [((kind, parameter_name(source, "value")), f"Expected {words}")])


@pytest.mark.parametrize(("annotation", "words", "texts"), TEXTS, ids=name_of)
def test_without_a_marker_it_is_refused_in_the_source_that_has_it(annotation: Any, words: str, texts: list[str]) -> None:
    aim = cached_target(annotation)
    for source in ("path", "query", "urlencoded", "multipart"):
        _, kind, send = SOURCES[source]
        check(aim, send([("value", texts[-1])]), [((kind, "value"), f"Expected {words}")])


# --- several texts --------------------------------------------------------------------------------------------------

MANY: list[tuple[Any, str, list[list[str]]]] = [
    (list[int], "values, each an integer", [["1", "x"], ["1_000"], ["1,2"], ["9" * 5000], ["1", ""], [SECRET, "1"]]),
    (set[UUID], "values, each a UUID", [["5"], [SECRET]]),
    (frozenset[date], "values, each an RFC 3339 date", [["2024-01-01", "2024-02-30"]]),
    (tuple[Colour, ...], "values, each one of 'red', 'blue'", [["red", "green"]]),
    (Annotated[list[str], Meta(min_length=2, max_length=3)], "values of length >= 2 and <= 3, each text", [
        [SECRET], ["a", "b", "c", "d"],
    ]),
    (list[Annotated[int, Meta(ge=1)]], "values, each an integer >= 1", [["1", "0"]]),
    (tuple[int, str], "2 values: an integer, text", [["1"], ["1", "a", "b"], ["a", "1"]]),
    (list[bool] | None, "values, each a boolean", [["2"], ["", "1"]]),
]  # fmt: skip


@pytest.mark.parametrize(("annotation", "words", "cases"), MANY, ids=name_of)
@pytest.mark.parametrize("source", ALL_BUT_PATH)
def test_several_texts_that_do_not_fit_are_refused_as_one_parameter(
    source: str, annotation: Any, words: str, cases: list[list[str]]
) -> None:
    marker, kind, send = SOURCES[source]
    aim = cached_target(Annotated[annotation, marker])
    for texts in cases:
        given = [("value", text) for text in texts]
        check(aim, send(given), [((kind, parameter_name(source, "value")), f"Expected {words}")])


def test_each_of_the_remaining_segments_is_told() -> None:
    class Api(App):
        async def take(self, first: int, *rest: int) -> None:
            calls.append((first, rest))

    calls: list[object] = []
    wrong = ("path", "rest"), "Expected an integer"
    check(Target(Api(), calls), Sent("/take/1/2/x/3"), [wrong])
    check(Target(Api(), calls), Sent("/take/y/2/x/3"), [(("path", "first"), "Expected an integer"), wrong])


# --- several names --------------------------------------------------------------------------------------------------

NAMES: list[tuple[Any, Given, list[tuple[str, str]]]] = [
    (Flat, [("title", "longer"), ("amount", SECRET), ("prices", "1"), ("prices", "nan")], [
        ("title", "Expected text of length >= 1 and <= 5"), ("amount", "Expected an integer"),
        ("prices", "Expected values, each a decimal number"),
    ]),
    (Flat, [("amount", "1_000")], [
        ("title", "Missing required parameter 'title'"), ("amount", "Expected an integer"),
    ]),
    (Cat | Dog, [("type", SECRET), ("lives", "9")], [("type", "Expected one of 'Cat', 'Dog'")]),
    (Cat | Dog, [("lives", "9")], [("type", "Expected one of 'Cat', 'Dog'")]),
    (Cat | Dog, [("type", "Cat"), ("lives", "x")], [("lives", "Expected an integer")]),
    (Cat | Dog, [("type", "Dog")], [("name", "Missing required parameter 'name'")]),
    (Range, [("low", "2"), ("high", "1")], [("value", "low must not be above high")]),
    (User, [("name", "A"), ("born", SECRET)], [("born", "Expected an RFC 3339 date")]),
    (Address, [("street", "x" * 10), ("number", "x")], [
        ("number", "Expected an integer"), ("street", "Expected text of length <= 9"),
    ]),
    (Point, [("x", "1"), ("y", SECRET)], [("y", "Expected an integer")]),
    (Wheel, [("size", "٥")], [("size", "Expected an integer")]),
]  # fmt: skip


@pytest.mark.parametrize(("annotation", "given_names", "errors"), NAMES, ids=name_of)
@pytest.mark.parametrize("source", ALL_BUT_PATH)
def test_every_field_that_does_not_fit_is_told(
    source: str, annotation: Any, given_names: Given, errors: list[tuple[str, str]]
) -> None:
    marker, kind, send = SOURCES[source]
    aim = cached_target(Annotated[annotation, marker])
    expected = [
        (
            (kind, parameter_name(source, name)),
            detail.replace(f"'{name}'", f"'{parameter_name(source, name)}'") if detail.startswith("Missing") else detail,
        )
        for name, detail in errors
    ]
    check(aim, send(given_names), expected)


@pytest.mark.parametrize(("annotation", "given_names", "errors"), NAMES, ids=name_of)
@pytest.mark.parametrize("send", [in_form, in_multipart])
def test_a_form_without_a_marker_is_the_whole_body(
    send: Send, annotation: Any, given_names: Given, errors: list[tuple[str, str]]
) -> None:
    check(cached_target(annotation), send(given_names), [(("form", name), detail) for name, detail in errors])


@pytest.mark.parametrize("source", ["query", "urlencoded", "multipart", "cookie"])
def test_a_name_too_many_is_told_where_the_type_forbids_it(source: str) -> None:
    marker, kind, send = SOURCES[source]
    check(target(Annotated[Closed, marker]), send([("x", "1"), ("y", SECRET)]), [((kind, "y"), "Unknown field")])


# --- JSON -----------------------------------------------------------------------------------------------------------

DOCUMENTS: list[tuple[Any, str, list[tuple[str, Sequence[tuple[str, str]]]]]] = [
    (int, "an integer", [
        ('"5"', [("", "Expected an integer, got a string")]), ("5.5", [("", "Expected an integer")]),
        ("true", [("", "Expected an integer, got a boolean")]), ("null", [("", "Expected an integer, got null")]),
        ("[5]", [("", "Expected an integer, got an array")]), ("{}", [("", "Expected an integer, got an object")]),
        (f'"{SECRET}"', [("", "Expected an integer, got a string")]), ("1e3", [("", "Expected an integer")]),
    ]),
    (Annotated[int, Meta(ge=1, le=5)], "an integer >= 1 and <= 5", [
        ("0", [("", "Expected an integer >= 1 and <= 5")]), ("6", [("", "Expected an integer >= 1 and <= 5")]),
        ("9" * 40, [("", "Expected an integer >= 1 and <= 5")]),
    ]),
    (float, "a number", [('"1.5"', [("", "Expected a number, got a string")]), ("true", [("", "Expected a number, got a boolean")])]),
    (bool, "a boolean", [("1", [("", "Expected a boolean, got a number")]), ('"true"', [("", "Expected a boolean, got a string")])]),
    (Annotated[str, Meta(min_length=2, max_length=4)], "text of length >= 2 and <= 4", [
        ('"x"', [("", "Expected text of length >= 2 and <= 4")]), (f'"{SECRET}"', [("", "Expected text of length >= 2 and <= 4")]),
        ("55", [("", "Expected text of length >= 2 and <= 4, got a number")]),
    ]),
    (Annotated[bytes, Meta(max_length=4)], "base64 text of length <= 4", [
        ('"%"', [("", "Expected base64 text of length <= 4")]), ('"AAAAAAAA"', [("", "Expected base64 text of length <= 4")]),
    ]),
    (Decimal, "a decimal number", [('"x"', [("", "Expected a decimal number, got a string")])]),
    (UUID, "a UUID", [('"x"', [("", "Expected a UUID")]), ("5", [("", "Expected a UUID, got a number")])]),
    (date, "an RFC 3339 date", [('"2024-02-30"', [("", "Expected an RFC 3339 date")]), ("5", [("", "Expected an RFC 3339 date, got a number")])]),
    (datetime, "an RFC 3339 date and time", [('"2024-01-01"', [("", "Expected an RFC 3339 date and time")])]),
    (time, "an RFC 3339 time", [('"24:00:00"', [("", "Expected an RFC 3339 time")])]),
    (timedelta, "an ISO 8601 duration", [('"1 day"', [("", "Expected an ISO 8601 duration")])]),
    (Colour, "one of 'red', 'blue'", [('"RED"', [("", "Expected one of 'red', 'blue'")]), ("5", [("", "Expected one of 'red', 'blue'")])]),
    (Level, "one of 1, 2", [("3", [("", "Expected one of 1, 2")]), ('"1"', [("", "Expected one of 1, 2")])]),
    (Literal["a", "b", 1], "one of 1, 'a', 'b'", [('"c"', [("", "Expected one of 1, 'a', 'b'")]), ("true", [("", "Expected one of 1, 'a', 'b'")])]),
    (int | None, "an integer or null", [('""', [("", "Expected an integer or null")]), (f'"{SECRET}"', [("", "Expected an integer or null")])]),
    (int | str, "an integer or text", [("[]", [("", "Expected an integer or text")]), ("null", [("", "Expected an integer or text")])]),
    (date | datetime, "an RFC 3339 date or an RFC 3339 date and time", [
        ('"2024"', [("", "Expected an RFC 3339 date or an RFC 3339 date and time")]),
    ]),
    (list[int], "an array", [
        ("{}", [("", "Expected an array, got an object")]), ("5", [("", "Expected an array, got a number")]),
        (f'[1,"{SECRET}",2,null]', [("/1", "Expected an integer, got a string"), ("/3", "Expected an integer, got null")]),
    ]),
    (Annotated[list[int], Meta(max_length=1)], "an array of length <= 1", [
        ('[1,"x"]', [("", "Expected an array of length <= 1"), ("/1", "Expected an integer, got a string")]),
    ]),
    (tuple[int, str], "an array of length 2", [
        ("[1]", [("", "Expected an array of length 2")]),
        ('["x",1]', [("/0", "Expected an integer, got a string"), ("/1", "Expected text, got a number")]),
    ]),
    (dict[str, int], "an object", [
        ("[]", [("", "Expected an object, got an array")]),
        ('{"a/b":"x","c~d":null}', [("/a~1b", "Expected an integer, got a string"), ("/c~0d", "Expected an integer, got null")]),
    ]),
    (Todo, "an object", [
        ("[]", [("", "Expected an object, got an array")]), ("null", [("", "Expected an object, got null")]),
        ("{}", [("/title", "Missing required field")]),
        ('{"title":"longer","priority":9,"tags":[{"name":""},{},5],"colour":"green"}', [
            ("/title", "Expected text of length >= 1 and <= 5"), ("/priority", "Expected an integer >= 1 and <= 5"),
            ("/tags/0/name", "Expected text of length >= 1"), ("/tags/1/name", "Missing required field"),
            ("/tags/2", "Expected an object, got a number"), ("/colour", "Expected one of 'red', 'blue' or null"),
        ]),
    ]),
    (Closed, "an object", [(f'{{"y":"{SECRET}"}}', [("/y", "Unknown field")])]),
    (Range, "an object", [('{"low":2,"high":1}', [("", "low must not be above high")])]),
    (Cat | Dog, "an object", [
        ('{"lives":9}', [("/type", "Expected one of 'Cat', 'Dog'")]),
        (f'{{"type":"{SECRET}"}}', [("/type", "Expected one of 'Cat', 'Dog'")]),
        ('{"type":"Dog"}', [("/name", "Missing required field")]),
        ('{"type":"Cat","lives":"9"}', [("/lives", "Expected an integer, got a string")]),
    ]),
    (User, "an object", [('{"born":"x"}', [("/name", "Missing required field"), ("/born", "Expected an RFC 3339 date or null")])]),
    (Address, "an object", [('{"street":5,"number":"x"}', [
        ("/number", "Expected an integer, got a string"), ("/street", "Expected text of length <= 9, got a number"),
    ])]),
    (Point, "an array of length 1 to 2", [('[1,"x"]', [("/1", "Expected an integer, got a string")])]),
    (Wheel, "an object", [('{"size":"x"}', [("/size", "Expected an integer, got a string")])]),
    (list[Tag], "an array", [('[{"name":"a"},{"name":""}]', [("/1/name", "Expected text of length >= 1")])]),
]  # fmt: skip
STRUCTURED = (dict[str, int], Todo, Closed, Range, Cat | Dog, User, Address, Point, Wheel, list[Tag])


@pytest.mark.parametrize(("annotation", "words", "cases"), DOCUMENTS, ids=name_of)
def test_a_json_key_that_does_not_fit_is_refused_at_its_pointer(annotation: Any, words: str, cases: Any) -> None:
    aim = cached_target(Annotated[annotation, Body("value")] if annotation in STRUCTURED else annotation)
    for document, errors in cases:
        check(aim, in_json(f'{{"value":{document}}}'), [("/value" + pointer, detail) for pointer, detail in errors])


@pytest.mark.parametrize(("annotation", "words", "cases"), DOCUMENTS, ids=name_of)
def test_a_field_of_the_whole_body_that_does_not_fit_is_refused_at_its_pointer(
    annotation: Any, words: str, cases: Any
) -> None:
    if annotation == date | datetime:  # msgspec has no such field
        pytest.skip("only a parameter of its own can be one of several that JSON writes as text")
    aim = target(msgspec.defstruct("Envelope", [("field", annotation)]))
    for document, errors in cases:
        check(aim, in_json(f'{{"field":{document}}}'), [("/field" + pointer, detail) for pointer, detail in errors])


@pytest.mark.parametrize(
    ("annotation", "words", "cases"), [case for case in DOCUMENTS if case[0] in STRUCTURED], ids=name_of
)
def test_a_whole_body_that_does_not_fit_is_refused_at_its_pointers(annotation: Any, words: str, cases: Any) -> None:
    for aim in (cached_target(annotation), cached_target(Annotated[annotation, Body()])):
        for document, errors in cases:
            check(aim, in_json(document), errors)


@pytest.mark.parametrize("document", ["[1]", "5", "null", '"value"', "true"])
def test_a_json_body_that_is_no_object_has_no_keys(document: str) -> None:
    check(cached_target(int), in_json(document), [("/value", "Missing required parameter 'value'")])


MALFORMED: list[bytes] = [
    b"{", b"{]", b"{\"value\":}", b"{\"value\":1", b"{\"value\":1}}", b"{'value':1}", b"value=1", b"{\"value\":1,}",
    b"{\"value\":NaN}", b"{\"value\":Infinity}", b"{\"value\":-Infinity}", b"{\"value\":05}", b"{\"value\":+5}",
    b"{\"value\":1_000}", b"{\"value\":0x10}", b"{\"value\":.5}", b"{\"value\":5.}", b"{\"value\":1}\0", b"\0",
    b"\xef\xbb\xbf{\"value\":1}", b"\xff\xfe{\0}\0", b"{\"value\":" + b"[" * 100_000, b"[" * 100_000,
    b"{\"value\":" + b"[" * 100_000 + b"]" * 100_000 + b"}", b"{\"a\":" * 100_000 + b"1" + b"}" * 100_000,
    b"\xff", b"{\"value\":\xd9\xa1}",
]  # fmt: skip


@pytest.mark.parametrize("body", MALFORMED, ids=name_of)
@pytest.mark.parametrize("annotation", [int, Todo, dict[str, Any], Any, Tree])
def test_a_body_that_is_no_json_is_bad_json(annotation: Any, body: bytes) -> None:
    check(cached_target(Annotated[annotation, Body()]), in_json(body), [("", "Bad JSON")])


TOO_MUCH = ["1e999", "-1e999", "9" * 5000, "[1e999]", "[[" + "9" * 5000 + "]]", '{"x":1e999}']


@pytest.mark.parametrize("document", TOO_MUCH, ids=name_of)
@pytest.mark.parametrize("annotation", [int, float, str, Any, list[int], int | float | None])
def test_a_json_number_that_no_python_number_can_be_is_refused_at_its_pointer(annotation: Any, document: str) -> None:
    check(cached_target(annotation), in_json(f'{{"value":{document}}}'), [("/value", "Bad JSON")])


@pytest.mark.parametrize("document", ['{"value":1e999}', '{"value":' + "9" * 5000 + "}"], ids=name_of)
def test_such_a_number_in_a_whole_body_makes_it_bad_json(document: str) -> None:
    for annotation in (Tree, dict[str, Any], dict[str, float]):
        check(cached_target(annotation), in_json(document), [("", "Bad JSON")])


NO_TEXT_IN_JSON = [
    b'{"value":"\\ud800"}', b'{"value":"\\udc00\\ud800"}', b'{"value":"\\udfff!"}', b'{"\\ud800":1,"value":1}',
    b'{"value":"\xff"}', b'{"value":"\xed\xa0\x80"}', b'{"value":"\xc0\x80"}', b'{"\xff":1,"value":1}', b'{"value":"\0"}',
]  # fmt: skip


@pytest.mark.parametrize("body", NO_TEXT_IN_JSON)
@pytest.mark.parametrize("annotation", [str, int, Any, dict[str, Any], Annotated[str, Meta(max_length=1)]])
def test_json_that_is_no_text_is_bad_json(annotation: Any, body: bytes) -> None:
    check(cached_target(annotation), in_json(body), [("", "Bad JSON")])


@pytest.mark.parametrize("text", ["NaN", "-nan", "sNaN1", "Infinity", "-inf", "\\u004eaN", SECRET])
def test_no_decimal_of_a_json_text_is_infinite_or_no_number(text: str) -> None:
    wrong = "Expected a decimal number, got a string"
    check(cached_target(Decimal), in_json(f'{{"value":"{text}"}}'), [("/value", wrong)])
    check(cached_target(dict[str, Decimal]), in_json(f'{{"x":"{text}"}}'), [("/x", wrong)])


@pytest.mark.parametrize("depth", [300, 900])
def test_json_that_is_nested_deeply_and_does_not_fit_is_refused_without_a_crash(depth: int) -> None:
    document = '{"value":1,"children":[' * depth + '{"value":"x"}' + "]}" * depth
    answer = in_json(document).to(cached_target(Tree).app)
    assert (answer.status, answer.header("content-type")) == (400, "application/problem+json")
    assert cached_target(Tree).calls == []


def test_keys_made_to_collide_are_refused() -> None:
    modulus = 2**61 - 1
    document = "{" + ",".join(f'"{number * modulus}":1' for number in range(1, 5000)) + "}"
    answer = in_json(document).to(cached_target(dict[int, int]).app)
    assert (answer.status, cached_target(dict[int, int]).calls) == (400, [])


# --- what is not text -----------------------------------------------------------------------------------------------

UNDECODABLE = ["%ff", "%C3", "%ED%A0%80", "%C0%80", "a%80b", "%F5%80%80%80", "%00", "a%00b"]


@pytest.mark.parametrize("encoded", UNDECODABLE)
@pytest.mark.parametrize("annotation", [str, int, list[str], Any, Flat])
def test_a_query_or_form_that_is_no_text_is_refused_whole(annotation: Any, encoded: str) -> None:
    for pair in (f"value={encoded}", f"{encoded}=1", f"other={encoded}&value=1"):
        for source, marker in (("query", Query()), ("form", Form())):
            aim = cached_target(Annotated[annotation, marker])
            text = f"The {source} is not valid UTF-8 text"
            sent = Sent(f"/take?{pair}") if source == "query" else Sent(body=pair.encode(), headers=FORM)
            check_plain(sent.to(aim.app), f"400 Bad Request: {text}")
            check_problem(sent.to(aim.app, *PROBLEM), PROBLEM_OF_SOURCE % (text.encode(), text.encode(), source.encode()))
            assert aim.calls == []


PROBLEM_OF_SOURCE: Final = (
    b'{"type":"about:blank","title":"Bad Request","status":400,"detail":"%b","errors":[{"detail":"%b","in":"%b"}]}'
)


@pytest.mark.parametrize("raw", [b"\xff", b"a\x00b", b"\xed\xa0\x80"])
def test_raw_bytes_that_are_no_text_are_refused_too(raw: bytes) -> None:
    aim = cached_target(Annotated[str, Query()])
    scope = {"query_string": b"value=" + raw}
    check_plain(call(aim.app, "GET", "/take", **scope), "400 Bad Request: The query is not valid UTF-8 text")
    aim = cached_target(Annotated[str, Form()])
    sent = Sent(body=b"value=" + raw, headers=FORM)
    check_plain(sent.to(aim.app), "400 Bad Request: The form is not valid UTF-8 text")
    assert aim.calls == []


@pytest.mark.parametrize("encoded", UNDECODABLE)
def test_a_path_that_is_no_text_is_refused(encoded: str) -> None:
    detail = "The path holds a NUL" if "%00" in encoded else "The path is not valid UTF-8 text"
    for path in (f"/take/{encoded}", f"/{encoded}", f"/take/{encoded}/"):
        check_status(cached_target(str), Sent(path), 400, "Bad Request", detail)


@pytest.mark.parametrize("raw", [b"\xff", b"\xc3", b"a\0b", b"\xed\xa0\x80"])
@pytest.mark.parametrize("annotation", [str, int, list[str], Any])
def test_a_header_that_is_no_text_is_refused(annotation: Any, raw: bytes) -> None:
    aim = cached_target(Annotated[annotation, Header()])
    check(aim, Sent(headers=[(b"value", raw)]), [(("header", "Value"), "Expected UTF-8 text")])


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"value=\xff", "The Cookie header is not valid UTF-8 text"),
        (b"other=\xed\xa0\x80; value=1", "The Cookie header is not valid UTF-8 text"),
        (b"value=a\0b", "The Cookie header holds a NUL"),
    ],
)
@pytest.mark.parametrize("annotation", [str, int, list[str], Flat])
def test_cookies_that_are_no_text_are_refused(annotation: Any, raw: bytes, text: str) -> None:
    aim = cached_target(Annotated[annotation, Cookie()])
    sent = Sent(headers=[(b"cookie", raw)])
    check_plain(sent.to(aim.app), f"400 Bad Request: {text}")
    check_problem(sent.to(aim.app, *PROBLEM), PROBLEM_OF_SOURCE % (text.encode(), text.encode(), b"cookie"))
    assert aim.calls == []


def part(disposition: bytes, content: bytes) -> bytes:
    return b"--frontier\r\nContent-Disposition: form-data; " + disposition + b"\r\n\r\n" + content + b"\r\n--frontier--\r\n"


MALFORMED_PARTS: list[tuple[bytes, int, str, str]] = [
    (part(b'name="value"', b"\xff"), 400, "Bad Request", "A form field is not valid UTF-8"),
    (part(b'name="value"', b"a\0b"), 400, "Bad Request", "A form field holds a NUL character"),
    (b"--frontier\r\nContent-Disposition: form-data; name=\"value\"\r\n\r\n1", 400, "Bad Request",
     "Malformed multipart body: it ends before its closing boundary"),
    (form_data([("value", "1")])[:-4], 400, "Bad Request",
     "Malformed multipart body: it ends before its closing boundary"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "status", "title", "detail"), MALFORMED_PARTS)
@pytest.mark.parametrize("annotation", [Annotated[list[str], Form()], Annotated[Wheel, Form()], Wheel])
def test_a_malformed_multipart_body_is_refused(annotation: Any, body: bytes, status: int, title: str, detail: str) -> None:
    aim = cached_target(annotation)
    for pieces in (body, [body[at : at + 1] for at in range(len(body))]):
        check_status(aim, Sent(body=pieces, headers=MULTIPART), status, title, detail)


@pytest.mark.parametrize("kind", [b"multipart/form-data", b"multipart/form-data; boundary=", b'multipart/form-data; x="boundary=a"'])
def test_a_multipart_body_without_a_boundary_is_refused(kind: bytes) -> None:
    aim = cached_target(Annotated[int, Form()])
    sent = Sent(body=form_data([("value", "1")]), headers=[(b"content-type", kind)])
    check_plain(sent.to(aim.app), "400 Bad Request: Missing boundary")
    check_problem(
        sent.to(aim.app, *PROBLEM),
        b'{"type":"about:blank","title":"Bad Request","status":400,"detail":"Missing boundary",'
        b'"errors":[{"detail":"Missing boundary"}]}',
    )
    assert aim.calls == []


@pytest.mark.parametrize("name", [b'filename="a\0b.txt"', b'filename="\xff.txt"'])
def test_a_file_name_that_is_no_text_is_refused(name: bytes) -> None:
    aim = cached_target(UploadFile)
    answer = Sent(body=part(b'name="value"; ' + name, b"x"), headers=MULTIPART).to(aim.app)
    assert (answer.status, answer.header("content-type"), aim.calls) == (400, "text/plain; charset=utf-8", [])


# --- what is missing ------------------------------------------------------------------------------------------------

MISSING: list[tuple[Any, Place, str]] = [
    (int, ("query", "value"), "value"),
    (Any, ("query", "value"), "value"),
    (list[int], ("query", "value"), "value"),
    (int | None, ("query", "value"), "value"),
    (Annotated[int, Path()], ("path", "value"), "value"),
    (Annotated[int, Query("page")], ("query", "page"), "page"),
    (Annotated[int, Form("field")], ("form", "field"), "field"),
    (Annotated[int, Body("key/~")], "/key~1~0", "key/~"),
    (Annotated[int, Header()], ("header", "Value"), "Value"),
    (Annotated[int, Header("X-Request-Id")], ("header", "X-Request-Id"), "X-Request-Id"),
    (Annotated[int, Cookie("flavour")], ("cookie", "flavour"), "flavour"),
    (Annotated[int, Session()], ("session", "value"), "value"),
    (Annotated[Todo, Session("cart")], ("session", "cart"), "cart"),
    (UploadFile, ("file", "value"), "value"),
    (list[UploadFile], ("file", "value"), "value"),
    (Annotated[UploadFile, File("image")], ("file", "image"), "image"),
]


@pytest.mark.parametrize(("annotation", "place", "name"), MISSING, ids=name_of)
def test_what_is_nowhere_is_missing_where_it_should_have_been(annotation: Any, place: Place, name: str) -> None:
    check(cached_target(annotation), Sent(), [(place, f"Missing required parameter '{name}'")])


@pytest.mark.parametrize(
    ("sent", "place"),
    [
        (Sent(), ("query", "value")),
        (in_form([("other", "1")]), ("form", "value")),
        (in_multipart([("other", "1")]), ("form", "value")),
        (in_json('{"other":1}'), "/value"),
    ],
)
def test_what_may_be_in_the_body_is_missing_in_the_kind_that_came(sent: Sent, place: Place) -> None:
    check(cached_target(int), sent, [(place, "Missing required parameter 'value'")])


@pytest.mark.parametrize("annotation", [Todo, dict[str, int], list[Tag], Cat | Dog, Annotated[Todo, Body()]])
def test_a_body_that_is_missing_is_told(annotation: Any) -> None:
    check(cached_target(annotation), Sent(), [("", "Missing request body")])


# --- 415, 413, 408 --------------------------------------------------------------------------------------------------

ANY_KIND: Final = "The request body must be application/json or application/x-www-form-urlencoded or multipart/form-data"
JSON_ONLY: Final = "The request body must be application/json"


@pytest.mark.parametrize(
    "kind",
    [
        b"text/plain", b"text/plain; application/json", b"application/octet-stream", b"application/xml", b"", b"json",
        b"application/jsonp", b"text/json", b"*/*", b"application/json-seq",
    ],
)  # fmt: skip
def test_a_structured_body_of_another_media_type_is_refused(kind: bytes) -> None:
    for annotation, detail in (
        (Flat, ANY_KIND), (Annotated[Flat, Body()], JSON_ONLY), (list[Tag], JSON_ONLY), (Todo, ANY_KIND),
        (Annotated[int, Body()], JSON_ONLY),
    ):  # fmt: skip
        sent = Sent(body=b'{"title":"a","amount":1}', headers=[(b"content-type", kind)])
        check_status(cached_target(annotation), sent, 415, "Unsupported Media Type", detail)


def test_a_form_is_no_json_and_json_is_no_form() -> None:
    as_form, as_json = in_form([("title", "a"), ("amount", "1")]), in_json('{"title":"a","amount":1}')
    check_status(cached_target(Annotated[Flat, Body()]), as_form, 415, "Unsupported Media Type", JSON_ONLY)
    only_forms = "The request body must be application/x-www-form-urlencoded or multipart/form-data"
    check_status(cached_target(Annotated[Flat, Form()]), as_json, 415, "Unsupported Media Type", only_forms)


SMALL: Final = Limits(body=100, multipart=400, field=50, fields=5, query=60)
TOO_LARGE: Final = "Content Too Large" if not hasattr(__import__("http").HTTPStatus, "CONTENT_TOO_LARGE") else None


@pytest.mark.parametrize("headers", [JSON, FORM, [(b"content-type", b"text/plain")]], ids=["json", "form", "other"])
@pytest.mark.parametrize("annotation", [Annotated[dict[str, Any], Body()], int, Annotated[bytes, Body()]])
def test_a_body_over_the_limit_is_refused_declared_or_not(annotation: Any, headers: RawHeaders) -> None:
    aim = target(annotation, limits=SMALL)
    detail = "The request body is larger than 100 bytes"
    declared = Sent(body=b"{}", headers=[*headers, (b"content-length", b"101")])
    absurd = Sent(body=b"{}", headers=[*headers, (b"content-length", b"9" * 5000)])
    chunked = Sent(body=[b"x" * 30] * 5, headers=headers)
    lying = Sent(body=b"x" * 101, headers=[*headers, (b"content-length", b"5")])
    for sent in (declared, absurd, chunked, lying):
        answer = sent.to(aim.app)
        assert answer.status == 413
        assert detail in answer.text
        assert aim.calls == []
