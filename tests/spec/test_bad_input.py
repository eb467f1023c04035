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
from http import HTTPStatus
from typing import Annotated, Any, Final, Literal, NamedTuple, NotRequired, TypeAlias, TypedDict
from urllib.parse import quote, urlencode
from uuid import UUID

import attrs
import msgspec
import pytest
from msgspec import Meta, Struct

from micropie import App, Body, Cookie, File, Form, Header, Limits, Path, Query, Session, UploadFile, WebSocket
from micropie.types import Message
from tests.support.asgi import (
    FORM,
    JSON,
    MULTIPART,
    PROBLEM,
    Answer,
    RawHeaders,
    call,
    call_socket,
    form_data,
    http_scope,
)

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
        {"detail": detail} | ({"pointer": place} if isinstance(place, str) else {"in": place[0], "parameter": place[1]})
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

    @property
    def is_json(self) -> bool:
        return (b"content-type", b"application/json") in self.headers

    def to(self, app: App, *more: tuple[bytes, bytes]) -> Answer:
        return call(app, "POST" if self.body else "GET", self.path, self.body, [*self.headers, *more])


def check(aim: Target, sent: Sent, errors: Errors) -> None:
    """`sent` is refused for `errors`, in both formats; what was sent as JSON, only as problem details."""
    if not sent.is_json:
        check_plain(sent.to(aim.app), plain(errors))
    check_problem(sent.to(aim.app, *PROBLEM), problem(errors))
    assert aim.calls == []


def check_status(aim: Target, sent: Sent, status: int, title: str, detail: str) -> None:
    """`sent` is refused with another status, in both formats."""
    document = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    if not sent.is_json:
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
    "1_000", "١", "٥", "５", "²", "0x10", "0b1", "0o7", " 5", "5 ",
    "\t5", "5\u00a0", "\u20035", "\ufeff5", "nan", "NaN",
    "-nan", "inf", "-inf", "Infinity", "+5", "05", "--5", "-", "5,6", "5.", ".5", "1e", "[5]", "{}", '"5"', "null",
    "true", "None", "5/6", "5%", "\ud7ff", SECRET,
]  # fmt: skip
NO_INTEGERS = [*NO_NUMBERS, "5.0", "5.5", "1e3", "1e999", "9" * 5000, "-" + "9" * 5000]
NO_FLOATS = [*NO_NUMBERS, "1e999", "-1e999", "9" * 5000]

TEXTS: list[tuple[Any, str, list[str]]] = [
    (int, "an integer", NO_INTEGERS),
    (Annotated[int, Meta(ge=1, le=5)], "an integer >= 1 and <= 5", [
        "0", "6", "-1", "9" * 40, "9" * 5000, "5.0", SECRET,
    ]),
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
    (int | bool, "an integer or a boolean", ["5.5", "tru", SECRET]),
    (date | datetime, "an RFC 3339 date or an RFC 3339 date and time", ["2024-13-01", "2024", SECRET]),
    (UUID | int | None, "a UUID or an integer", ["5.5", "0x10", SECRET]),
    (Decimal | Literal["free"], "one of 'free' or a decimal number", ["Free", "nan", SECRET]),
]  # fmt: skip
EMPTY_TEXTS = [
    (annotation, words) for annotation, words, _ in TEXTS if type(None) not in getattr(annotation, "__args__", ())
]


@pytest.mark.parametrize(("annotation", "words", "texts"), TEXTS, ids=name_of)
@pytest.mark.parametrize("source", SOURCES)
def test_a_text_that_does_not_fit_is_refused_wherever_it_stands(
    source: str, annotation: Any, words: str, texts: list[str]
) -> None:
    marker, kind, send = SOURCES[source]
    aim = cached_target(Annotated[annotation, marker])
    for text in texts:
        check(aim, send([("value", text)]), [((kind, parameter_name(source, "value")), f"Expected {words}")])


@pytest.mark.parametrize(("annotation", "words"), EMPTY_TEXTS, ids=name_of)
@pytest.mark.parametrize("source", ALL_BUT_PATH)
def test_an_empty_text_is_a_value_like_any_other(source: str, annotation: Any, words: str) -> None:
    marker, kind, send = SOURCES[source]
    aim = cached_target(Annotated[annotation, marker])
    check(aim, send([("value", "")]), [((kind, parameter_name(source, "value")), f"Expected {words}")])


@pytest.mark.parametrize(("annotation", "words", "texts"), TEXTS, ids=name_of)
def test_without_a_marker_it_is_refused_in_the_source_that_has_it(
    annotation: Any, words: str, texts: list[str]
) -> None:
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
            detail.replace(f"'{name}'", f"'{parameter_name(source, name)}'")
            if detail.startswith("Missing")
            else detail,
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


@pytest.mark.parametrize("send", [in_form, in_multipart])
def test_a_form_with_another_tag_than_the_only_one_is_refused(send: Send) -> None:
    wrong = [(("form", "lives"), "Expected an integer"), (("form", "type"), "Expected 'Cat'")]
    check(cached_target(Cat), send([("type", "Dog"), ("lives", SECRET)]), wrong)
    check(cached_target(Cat), send([("type", SECRET), ("lives", "9")]), wrong[1:])


@pytest.mark.parametrize("source", ["query", "urlencoded", "multipart", "cookie"])
def test_a_name_too_many_is_told_where_the_type_forbids_it(source: str) -> None:
    marker, kind, send = SOURCES[source]
    check(target(Annotated[Closed, marker]), send([("x", "1"), ("y", SECRET)]), [((kind, "y"), "Unknown field")])


# --- JSON -----------------------------------------------------------------------------------------------------------

Cases: TypeAlias = Sequence[tuple[str, str | Sequence[tuple[str, str]]]]
"""JSON, and what is wrong with it: at its pointers, or with all of it."""


DOCUMENTS: list[tuple[Any, Cases]] = [
    (int, [
        ('"5"', "Expected an integer, got a string"), ("5.5", "Expected an integer"),
        ("true", "Expected an integer, got a boolean"), ("null", "Expected an integer, got null"),
        ("[5]", "Expected an integer, got an array"), ("{}", "Expected an integer, got an object"),
        (f'"{SECRET}"', "Expected an integer, got a string"), ("1e3", "Expected an integer"),
    ]),
    (Annotated[int, Meta(ge=1, le=5)], [
        ("0", "Expected an integer >= 1 and <= 5"), ("6", "Expected an integer >= 1 and <= 5"),
        ("9" * 40, "Expected an integer >= 1 and <= 5"),
    ]),
    (float, [('"1.5"', "Expected a number, got a string"), ("true", "Expected a number, got a boolean")]),
    (bool, [("1", "Expected a boolean, got a number"), ('"true"', "Expected a boolean, got a string")]),
    (Annotated[str, Meta(min_length=2, max_length=4)], [
        ('"x"', "Expected text of length >= 2 and <= 4"), (f'"{SECRET}"', "Expected text of length >= 2 and <= 4"),
        ("55", "Expected text of length >= 2 and <= 4, got a number"),
    ]),
    (Annotated[bytes, Meta(max_length=4)], [
        ('"%"', "Expected base64 text of length <= 4"), ('"AAAAAAAA"', "Expected base64 text of length <= 4"),
    ]),
    (Decimal, [('"x"', "Expected a decimal number, got a string")]),
    (UUID, [('"x"', "Expected a UUID"), ("5", "Expected a UUID, got a number")]),
    (date, [('"2024-02-30"', "Expected an RFC 3339 date"), ("5", "Expected an RFC 3339 date, got a number")]),
    (datetime, [('"2024-01-01"', "Expected an RFC 3339 date and time")]),
    (time, [('"24:00:00"', "Expected an RFC 3339 time")]),
    (timedelta, [('"1 day"', "Expected an ISO 8601 duration")]),
    (Colour, [('"RED"', "Expected one of 'red', 'blue'"), ("5", "Expected one of 'red', 'blue'")]),
    (Level, [("3", "Expected one of 1, 2"), ('"1"', "Expected one of 1, 2")]),
    (Literal["a", "b", 1], [('"c"', "Expected one of 1, 'a', 'b'"), ("true", "Expected one of 1, 'a', 'b'")]),
    (int | None, [('""', "Expected an integer or null"), (f'"{SECRET}"', "Expected an integer or null")]),
    (int | str, [("[]", "Expected an integer or text"), ("null", "Expected an integer or text")]),
    (date | datetime, [
        ('"2024"', "Expected an RFC 3339 date or an RFC 3339 date and time"),
    ]),
    (list[int], [
        ("{}", "Expected an array, got an object"), ("5", "Expected an array, got a number"),
        (f'[1,"{SECRET}",2,null]', [
            ("/1", "Expected an integer, got a string"), ("/3", "Expected an integer, got null"),
        ]),
    ]),
    (Annotated[list[int], Meta(max_length=1)], [
        ('[1,"x"]', [("", "Expected an array of length <= 1"), ("/1", "Expected an integer, got a string")]),
    ]),
    (tuple[int, str], [
        ("[1]", "Expected an array of length 2"),
        ('["x",1]', [("/0", "Expected an integer, got a string"), ("/1", "Expected text, got a number")]),
    ]),
    (dict[str, int], [
        ("[]", "Expected an object, got an array"),
        ('{"a/b":"x","c~d":null}', [
            ("/a~1b", "Expected an integer, got a string"), ("/c~0d", "Expected an integer, got null"),
        ]),
    ]),
    (Todo, [
        ("[]", "Expected an object, got an array"), ("null", "Expected an object, got null"),
        ("{}", [("/title", "Missing required field")]),
        ('{"title":"longer","priority":9,"tags":[{"name":""},{},5],"colour":"green"}', [
            ("/title", "Expected text of length >= 1 and <= 5"), ("/priority", "Expected an integer >= 1 and <= 5"),
            ("/tags/0/name", "Expected text of length >= 1"), ("/tags/1/name", "Missing required field"),
            ("/tags/2", "Expected an object, got a number"), ("/colour", "Expected one of 'red', 'blue' or null"),
        ]),
    ]),
    (Closed, [(f'{{"y":"{SECRET}"}}', [("/y", "Unknown field")])]),
    (Range, [('{"low":2,"high":1}', "low must not be above high")]),
    (Cat | Dog, [
        ('{"lives":9}', [("/type", "Expected one of 'Cat', 'Dog'")]),
        (f'{{"type":"{SECRET}"}}', [("/type", "Expected one of 'Cat', 'Dog'")]),
        ('{"type":"Dog"}', [("/name", "Missing required field")]),
        ('{"type":"Cat","lives":"9"}', [("/lives", "Expected an integer, got a string")]),
    ]),
    (User, [('{"born":"x"}', [("/name", "Missing required field"), ("/born", "Expected an RFC 3339 date or null")])]),
    (Address, [('{"street":5,"number":"x"}', [
        ("/number", "Expected an integer, got a string"), ("/street", "Expected text of length <= 9, got a number"),
    ])]),
    (Point, [('[1,"x"]', [("/1", "Expected an integer, got a string")])]),
    (Wheel, [('{"size":"x"}', [("/size", "Expected an integer, got a string")])]),
    (list[Tag], [('[{"name":"a"},{"name":""}]', [("/1/name", "Expected text of length >= 1")])]),
]  # fmt: skip


def below(pointer: str, errors: str | Sequence[tuple[str, str]]) -> Errors:
    found = [("", errors)] if isinstance(errors, str) else errors
    return [(pointer + place, detail) for place, detail in found]


STRUCTURED = (dict[str, int], Todo, Closed, Range, Cat | Dog, User, Address, Point, Wheel, list[Tag])


@pytest.mark.parametrize(("annotation", "cases"), DOCUMENTS, ids=name_of)
def test_a_json_key_that_does_not_fit_is_refused_at_its_pointer(annotation: Any, cases: Cases) -> None:
    aim = cached_target(Annotated[annotation, Body("value")] if annotation in STRUCTURED else annotation)
    for document, errors in cases:
        check(aim, in_json(f'{{"value":{document}}}'), below("/value", errors))


# Only a parameter of its own can be one of several types that JSON writes as text; msgspec has no such field.
@pytest.mark.parametrize(
    ("annotation", "cases"), [case for case in DOCUMENTS if case[0] != date | datetime], ids=name_of
)
def test_a_field_of_the_whole_body_that_does_not_fit_is_refused_at_its_pointer(annotation: Any, cases: Cases) -> None:
    aim = target(msgspec.defstruct("Envelope", [("field", annotation)]))
    for document, errors in cases:
        check(aim, in_json(f'{{"field":{document}}}'), below("/field", errors))


@pytest.mark.parametrize(("annotation", "cases"), [case for case in DOCUMENTS if case[0] in STRUCTURED], ids=name_of)
def test_a_whole_body_that_does_not_fit_is_refused_at_its_pointers(annotation: Any, cases: Cases) -> None:
    for aim in (cached_target(annotation), cached_target(Annotated[annotation, Body()])):
        for document, errors in cases:
            check(aim, in_json(document), below("", errors))


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


@pytest.mark.parametrize("raw", [b"\xff", b"a\xc3", b"\xed\xa0\x80", b"\xc0\x80"])
def test_a_json_text_that_is_no_utf8_is_bad_json(raw: bytes) -> None:
    body = b'{"value":"' + raw + b'"}'
    annotations: list[Any] = [str, int, Any, Annotated[str, Meta(max_length=1)], Colour, dict[str, Any], Tree]
    for annotation in annotations:
        check(cached_target(annotation), in_json(body), [("", "Bad JSON")])


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
    b'{"\xff":1,"value":1}', b'{"value":"\0"}',
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
            check_problem(
                sent.to(aim.app, *PROBLEM), PROBLEM_OF_SOURCE % (text.encode(), text.encode(), source.encode())
            )
            assert aim.calls == []


PROBLEM_OF_SOURCE: Final = (
    b'{"type":"about:blank","title":"Bad Request","status":400,"detail":"%b","errors":[{"detail":"%b","in":"%b"}]}'
)


@pytest.mark.parametrize("raw", [b"\xff", b"a\x00b", b"\xed\xa0\x80"])
def test_raw_bytes_that_are_no_text_are_refused_too(raw: bytes) -> None:
    aim = cached_target(Annotated[str, Query()])
    answer = call(aim.app, "GET", "/take", query_string=b"value=" + raw)
    check_plain(answer, "400 Bad Request: The query is not valid UTF-8 text")
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
    return (
        b"--frontier\r\nContent-Disposition: form-data; "
        + disposition
        + b"\r\n\r\n"
        + content
        + b"\r\n--frontier--\r\n"
    )


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
def test_a_malformed_multipart_body_is_refused(
    annotation: Any, body: bytes, status: int, title: str, detail: str
) -> None:
    aim = cached_target(annotation)
    for pieces in (body, [body[at : at + 1] for at in range(len(body))]):
        check_status(aim, Sent(body=pieces, headers=MULTIPART), status, title, detail)


@pytest.mark.parametrize(
    "kind", [b"multipart/form-data", b"multipart/form-data; boundary=", b'multipart/form-data; x="boundary=a"']
)
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


@pytest.mark.parametrize(
    ("name", "detail"),
    [
        (b'filename="a\0b.txt"', "control character in a part's header"),
        (b'filename="\xff.txt"', "Segment header failed to decode"),
    ],
)
def test_a_file_name_that_is_no_text_is_refused(name: bytes, detail: str) -> None:
    sent = Sent(body=part(b'name="value"; ' + name, b"x"), headers=MULTIPART)
    check_status(cached_target(UploadFile), sent, 400, "Bad Request", f"Malformed multipart body: {detail}")


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

JSON_ONLY: Final = "The request body must be application/json"
FORMS_ONLY: Final = "The request body must be application/x-www-form-urlencoded or multipart/form-data"
ANY_KIND: Final = f"{JSON_ONLY} or application/x-www-form-urlencoded or multipart/form-data"


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
    check_status(cached_target(Annotated[Flat, Form()]), as_json, 415, "Unsupported Media Type", FORMS_ONLY)


SMALL: Final = Limits(body=100, multipart=400, field=50, fields=5, query=60)
TOO_LARGE: Final = HTTPStatus.REQUEST_ENTITY_TOO_LARGE.phrase  # Python 3.13 has RFC 9110's newer words for it


@pytest.mark.parametrize("headers", [JSON, FORM, [(b"content-type", b"text/plain")]], ids=["json", "form", "other"])
@pytest.mark.parametrize("annotation", [Annotated[dict[str, Any], Body()], int, Annotated[bytes, Body()]])
def test_a_body_over_the_limit_is_refused_declared_or_not(annotation: Any, headers: RawHeaders) -> None:
    aim = target(annotation, limits=SMALL)
    for sent in (
        Sent(body=b"{}", headers=[*headers, (b"content-length", b"101")]),
        Sent(body=b"{}", headers=[*headers, (b"content-length", b"9" * 5000)]),
        Sent(body=[b"x" * 30] * 5, headers=headers),
        Sent(body=b"x" * 101, headers=[*headers, (b"content-length", b"5")]),
    ):
        check_status(aim, sent, 413, TOO_LARGE, "The request body is larger than 100 bytes")


def test_a_body_that_is_declared_too_large_is_not_even_read() -> None:
    aim = target(int, limits=SMALL)

    async def receive() -> Message:
        raise AssertionError("the body was asked for")

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(aim.app(http_scope("POST", "/take", [*FORM, (b"content-length", b"101")]), receive, send))
    assert (sent[0]["status"], aim.calls) == (413, [])


def test_a_multipart_body_over_its_limits_is_refused() -> None:
    aim = target(Annotated[list[str], Form()], limits=SMALL)
    whole = form_data([("value", "x" * 500)])
    for sent in (Sent(body=whole, headers=MULTIPART), Sent(body=[whole[:250], whole[250:]], headers=MULTIPART)):
        answer = sent.to(aim.app)
        assert (answer.status, aim.calls) == (413, [])
    field_too_large = in_multipart([("value", "x" * 51)])
    check_status(aim, field_too_large, 413, TOO_LARGE, "A form field is larger than 50 bytes")


def test_names_parts_and_queries_beyond_count_are_refused() -> None:
    given = [("value", "1")] * 6
    aim = target(Annotated[list[int], Query()], limits=SMALL)
    check_status(aim, in_query(given), 400, "Bad Request", "More than 5 names in the query")
    too_long = Sent("/take?value=" + "1" * 55)
    check_status(aim, too_long, 413, TOO_LARGE, "The query string is longer than 60 bytes")
    check_status(aim, Sent("/take?" + "&" * 5), 400, "Bad Request", "More than 5 names in the query")
    aim = target(Annotated[list[int], Form()], limits=SMALL)
    check_status(aim, in_form(given), 400, "Bad Request", "More than 5 names in the form")
    aim = target(Annotated[list[int], Form()], limits=Limits(fields=5))
    answer = in_multipart(given).to(aim.app)
    assert (answer.status, aim.calls) == (413, [])


def test_the_usual_limits_are_a_thousand_names_and_64_kib_of_query() -> None:
    aim = target(Annotated[list[int], Query()])
    assert in_query([("value", "1")] * 1000).to(aim.app).status == 204
    aim.calls.clear()
    check_status(aim, in_query([("value", "1")] * 1001), 400, "Bad Request", "More than 1000 names in the query")
    too_long = Sent("/take?value=" + "1" * 65_536)
    check_status(aim, too_long, 413, TOO_LARGE, "The query string is longer than 65536 bytes")


def slow_call(aim: Target, headers: RawHeaders, first: bytes, then: Callable[[], Awaitable[Message]]) -> list[Message]:
    """What was answered to a body whose first piece is there at once, and whose other pieces `then` brings."""
    sent: list[Message] = []
    arrived: list[Message] = [{"type": "http.request", "body": first, "more_body": True}]

    async def receive() -> Message:
        return arrived.pop() if arrived else await then()

    async def send(message: Message) -> None:
        sent.append(message)

    framing = (b"transfer-encoding", b"chunked")
    asyncio.run(aim.app(http_scope("POST", "/take", [*headers, framing]), receive, send))
    return sent


async def nothing() -> Message:
    await asyncio.Event().wait()
    raise AssertionError("nothing sets this event")


async def one_byte() -> Message:
    await asyncio.sleep(0.02)
    return {"type": "http.request", "body": b" ", "more_body": True}


async def disconnect() -> Message:
    return {"type": "http.disconnect"}


BODIES: list[tuple[Any, RawHeaders, bytes]] = [
    (dict[str, Any], JSON, b'{"value":'),
    (int, JSON, b'{"value":1'),
    (int, FORM, b"value=1"),
    (Annotated[list[str], Form()], MULTIPART, form_data([("value", "1")]).partition(b"1")[0]),
    (Annotated[bytes, Body()], (), b"raw"),
]


@pytest.mark.parametrize(("annotation", "headers", "first"), BODIES, ids=name_of)
def test_a_body_that_stalls_or_drips_is_refused_in_time(annotation: Any, headers: RawHeaders, first: bytes) -> None:
    too_late, too_long = "The request body did not arrive in time", "The request body took too long"
    stalls = Limits(read_timeout=0.05), nothing, [too_late]
    drips = Limits(body_timeout=0.2, multipart_timeout=0.2), one_byte, [too_late, too_long]
    for limits, then, details in (stalls, drips):
        aim = target(annotation, limits=limits)
        for more in ((), PROBLEM):
            start, body = slow_call(aim, [*headers, *more], first, then)
            document = {"type": "about:blank", "title": "Request Timeout", "status": 408}
            texts = [f"408 Request Timeout: {detail}".encode() for detail in details]
            problems = [msgspec.json.encode(document | {"detail": detail}) for detail in details]
            assert (start["status"], aim.calls) == (408, [])
            assert body["body"] in (problems if more or headers == JSON else texts)


@pytest.mark.parametrize(("annotation", "headers", "first"), BODIES, ids=name_of)
def test_a_client_that_leaves_in_mid_body_is_not_answered(annotation: Any, headers: RawHeaders, first: bytes) -> None:
    aim = target(annotation)
    assert (slow_call(aim, headers, first, disconnect), aim.calls) == ([], [])


# --- files ----------------------------------------------------------------------------------------------------------


def a_file(content: bytes = b"x" * 10, kind: str = "image/png", name: str = "value") -> Sent:
    return Sent(body=form_data([(name, ("f.png", kind, content))]), headers=MULTIPART)


@pytest.mark.parametrize("kind", ["text/html", "image/svg+xml", "image", "", "imagex/png", SECRET])
def test_a_file_of_another_type_is_refused(kind: str) -> None:
    for base in (UploadFile, list[UploadFile]):
        aim = target(Annotated[base, File(content_types=["image/png", "text/plain"])])
        wanted = "Expected a file of type image/png or text/plain"
        check_status(aim, a_file(kind=kind), 415, "Unsupported Media Type", wanted)


def test_a_file_that_is_too_large_is_refused_before_the_handler_or_where_it_reads() -> None:
    class Api(App):
        async def take(self, value: Annotated[UploadFile, File(max_size=9)]) -> None:
            calls.append(await value.read())

    calls: list[object] = []
    aim = Target(Api(), calls)
    whole = a_file().body
    assert isinstance(whole, bytes)
    for body in (whole, [whole[at : at + 1] for at in range(len(whole))]):
        answer = Sent(body=body, headers=MULTIPART).to(aim.app)
        assert (answer.status, calls) == (413, [])
    assert a_file(b"x" * 9).to(aim.app).status == 204


def test_a_truncated_upload_is_an_error_where_it_is_read() -> None:
    class Api(App):
        async def take(self, value: UploadFile) -> None:
            calls.append(await value.read())

    calls: list[object] = []
    whole = a_file(b"x" * 1000).body
    assert isinstance(whole, bytes)
    for cut in (whole[:-4], whole[:-500]):
        detail = "Malformed multipart body: it ends before its closing boundary"
        check_status(Target(Api(), calls), Sent(body=cut, headers=MULTIPART), 400, "Bad Request", detail)


def test_a_text_where_a_file_should_be_is_a_missing_file_and_the_other_way_round() -> None:
    missing = "Missing required parameter 'value'"
    check(cached_target(UploadFile), in_multipart([("value", SECRET)]), [(("file", "value"), missing)])
    check(cached_target(str), a_file(SECRET.encode()), [(("form", "value"), missing)])


def test_a_form_with_a_file_that_does_not_fit_is_refused() -> None:
    check(cached_target(Picture), in_multipart([("title", SECRET), ("image", SECRET)]), [
        (("form", "title"), "Expected text of length <= 5"), (("form", "image"), "Missing required parameter 'image'"),
    ])  # fmt: skip
    json = in_json('{"title":"a","image":"x"}')
    check(cached_target(Picture), json, [("/image", "Expected a file")])


# --- sessions -------------------------------------------------------------------------------------------------------

KNOWN: Final = "known-session-identifier"

STORED: list[tuple[Any, object, list[str]]] = [
    (int, SECRET, ["Expected an integer, got a string"]),
    (Annotated[int, Meta(ge=1, le=5)], 9, ["Expected an integer >= 1 and <= 5"]),
    (bool, 1, ["Expected a boolean, got a number"]),
    (str, 5, ["Expected text, got a number"]),
    (Annotated[str, Meta(max_length=4)], SECRET, ["Expected text of length <= 4"]),
    (UUID, SECRET, ["Expected a UUID"]),
    (date, "2024-02-30", ["Expected an RFC 3339 date"]),
    (Colour, "green", ["Expected one of 'red', 'blue'"]),
    (Literal["a", 1], "b", ["Expected one of 1, 'a'"]),
    (int | None, SECRET, ["Expected an integer or null"]),
    (date | datetime, SECRET, ["Expected an RFC 3339 date or an RFC 3339 date and time"]),
    (list[int], [1, SECRET, None], [
        "Expected an integer, got a string at '/1'", "Expected an integer, got null at '/2'",
    ]),
    (dict[str, int], {"a": SECRET}, ["Expected an integer, got a string at '/a'"]),
    (Cat | Dog, {"type": SECRET}, ["Expected one of 'Cat', 'Dog' at '/type'"]),
    (Todo, {"title": SECRET, "tags": [{"name": ""}]}, [
        "Expected text of length >= 1 and <= 5 at '/title'", "Expected text of length >= 1 at '/tags/0/name'",
    ]),
    (Todo, {"priority": 1}, ["Missing required field at '/title'"]),
]  # fmt: skip


@pytest.mark.parametrize(("annotation", "stored", "details"), STORED, ids=name_of)
def test_stored_data_that_no_longer_fits_is_refused(annotation: Any, stored: object, details: list[str]) -> None:
    aim = target(Annotated[annotation, Session("cart")])
    suffix = ": what the session holds does not fit"
    check(aim, with_session(aim, {"cart": stored}), [(("session", "cart"), detail + suffix) for detail in details])
    if annotation is Todo:
        assert isinstance(stored, dict)
        aim = target(Annotated[Todo, Session()])
        check(aim, with_session(aim, stored), [(("session", "value"), detail + suffix) for detail in details])


def test_a_session_value_cannot_come_from_anywhere_else() -> None:
    aim = target(Annotated[int, Session()])
    for sent in (in_query([("value", "1")]), in_form([("value", "1")]), in_cookies([("value", "1")])):
        check(aim, sent, [(("session", "value"), "Missing required parameter 'value'")])
    check(aim, in_json('{"value":1}'), [(("session", "value"), "Missing required parameter 'value'")])


def with_session(aim: Target, data: dict[str, Any]) -> Sent:
    asyncio.run(aim.app.session_backend.save(KNOWN, data, 3600))
    return Sent(headers=[(b"cookie", f"session_id={KNOWN}".encode())])


# --- everything at once ---------------------------------------------------------------------------------------------


class Everything(App):
    def __init__(self, calls: list[object]) -> None:
        super().__init__()
        self.calls = calls

    async def take(
        self,
        segment: int,
        page: Annotated[int, Query()],
        flavour: Annotated[Colour, Cookie()],
        x_request_id: Annotated[UUID, Header()],
        todo: Todo,
        since: Annotated[date, Query()],
        role: Annotated[Literal["admin"], Session()],
        sizes: Annotated[list[int], Query("size")],
        *,
        missing: Annotated[str, Header("X-Missing")],
    ) -> None:
        self.calls.append(segment)


def test_every_error_of_every_source_is_told_at_once_in_the_order_of_the_parameters() -> None:
    calls: list[object] = []
    app = Everything(calls)
    asyncio.run(app.session_backend.save(KNOWN, {"role": SECRET}, 3600))
    sent = Sent(
        f"/take/{SECRET}?size=1&size={SECRET}&since=2024-02-30&page=1_000",
        f'{{"title":"{SECRET}","priority":0,"tags":[{{}}]}}'.encode(),
        [*JSON, (b"cookie", f"session_id={KNOWN}; flavour={SECRET}".encode()), (b"x-request-id", SECRET.encode())],
    )
    answer = sent.to(app)
    check_problem(
        answer,
        b'{"type":"about:blank","title":"Bad Request","status":400,"detail":"'
        b"Invalid path parameter 'segment': Expected an integer; "
        b"Invalid query parameter 'page': Expected an integer; "
        b"Invalid cookie parameter 'flavour': Expected one of 'red', 'blue'; "
        b"Invalid header parameter 'X-Request-Id': Expected a UUID; "
        b"Invalid value at '/title': Expected text of length >= 1 and <= 5; "
        b"Invalid value at '/priority': Expected an integer >= 1 and <= 5; "
        b"Invalid value at '/tags/0/name': Missing required field; "
        b"Invalid query parameter 'since': Expected an RFC 3339 date; "
        b"Invalid session parameter 'role': Expected one of 'admin': what the session holds does not fit; "
        b"Invalid query parameter 'size': Expected values, each an integer; "
        b'Missing required parameter \'X-Missing\'","errors":['
        b'{"detail":"Expected an integer","in":"path","parameter":"segment"},'
        b'{"detail":"Expected an integer","in":"query","parameter":"page"},'
        b'{"detail":"Expected one of \'red\', \'blue\'","in":"cookie","parameter":"flavour"},'
        b'{"detail":"Expected a UUID","in":"header","parameter":"X-Request-Id"},'
        b'{"detail":"Expected text of length >= 1 and <= 5","pointer":"/title"},'
        b'{"detail":"Expected an integer >= 1 and <= 5","pointer":"/priority"},'
        b'{"detail":"Missing required field","pointer":"/tags/0/name"},'
        b'{"detail":"Expected an RFC 3339 date","in":"query","parameter":"since"},'
        b'{"detail":"Expected one of \'admin\': what the session holds does not fit",'
        b'"in":"session","parameter":"role"},'
        b'{"detail":"Expected values, each an integer","in":"query","parameter":"size"},'
        b'{"detail":"Missing required parameter \'X-Missing\'","in":"header","parameter":"X-Missing"}]}',
    )
    assert SECRET not in answer.text
    assert calls == []


def test_the_same_in_plain_text_is_one_line_for_each_error() -> None:
    calls: list[object] = []
    form = urlencode([("title", SECRET), ("priority", "٥"), ("colour", SECRET)]).encode()
    sent = Sent(f"/take/{SECRET}?page=0x10&size=", form, [*FORM, (b"x-missing", b"here"), (b"x-request-id", b"1")])
    answer = sent.to(Everything(calls))
    check_plain(
        answer,
        "400 Bad Request: Invalid path parameter 'segment': Expected an integer\n"
        "400 Bad Request: Invalid query parameter 'page': Expected an integer\n"
        "400 Bad Request: Missing required parameter 'flavour'\n"
        "400 Bad Request: Invalid header parameter 'X-Request-Id': Expected a UUID\n"
        "400 Bad Request: Invalid form parameter 'title': Expected text of length >= 1 and <= 5\n"
        "400 Bad Request: Invalid form parameter 'priority': Expected an integer >= 1 and <= 5\n"
        "400 Bad Request: Invalid form parameter 'colour': Expected one of 'red', 'blue'\n"
        "400 Bad Request: Missing required parameter 'since'\n"
        "400 Bad Request: Missing required parameter 'role'\n"
        "400 Bad Request: Invalid query parameter 'size': Expected values, each an integer",
    )
    assert SECRET not in answer.text
    assert calls == []


def test_two_bodies_are_two_keys_and_both_are_told() -> None:
    aim = target(Todo, list[Tag])
    check(aim, in_json('{"a":{"title":""},"b":[{}]}'), [
        ("/a/title", "Expected text of length >= 1 and <= 5"), ("/b/0/name", "Missing required field"),
    ])  # fmt: skip
    check(aim, in_json('{"a":5}'), [
        ("/a", "Expected an object, got a number"), ("/b", "Missing required parameter 'b'"),
    ])  # fmt: skip


# --- names that mean something to Python ----------------------------------------------------------------------------

PYTHON_NAMES: Final = [
    "self", "request", "cls", "class", "lambda", "None", "call", "segments", "function", "func", "args", "kwargs",
    "value", "v0", "explain", "__class__", "a b", "", "é", "1", "'; x = '",
]  # fmt: skip


def test_any_name_may_go_into_the_keyword_arguments_but_the_receivers() -> None:
    class Api(App):
        async def take(self, **kwargs: int) -> dict[str, int]:
            return kwargs

        def blocking(self, **kwargs: int) -> dict[str, int]:
            return kwargs

        async def this(this, **kwargs: int) -> dict[str, int]:  # pyright: ignore[reportSelfClsParameterName]
            return kwargs

        async def positional(self, first: int = 0, /, **kwargs: int) -> dict[str, int]:
            return kwargs

    app = Api()
    for path, receiver in (("/take", "self"), ("/blocking", "self"), ("/this", "this"), ("/positional", "self")):
        for name in [*PYTHON_NAMES, "this"]:
            answer = call(app, "GET", f"{path}?" + urlencode([(name, "5")]))
            assert (answer.status, answer.json) == (200, {} if name == receiver else {name: 5}), (path, name)
            wrong = call(app, "GET", f"{path}?" + urlencode([(name, SECRET)]))
            assert wrong.status == (200 if name == receiver else 400), (path, name)
            assert SECRET not in wrong.text


@pytest.mark.parametrize("name", PYTHON_NAMES)
def test_a_keyword_argument_that_does_not_fit_is_told_by_its_name(name: str) -> None:
    class Api(App):
        async def take(this, **kwargs: int) -> None:  # pyright: ignore[reportSelfClsParameterName]
            calls.append(kwargs)

    calls: list[object] = []
    aim = Target(Api(), calls)
    check(aim, in_query([(name, SECRET)]), [(("query", name), "Expected an integer")])
    check(aim, in_form([(name, SECRET)]), [(("form", name), "Expected an integer")])


def test_parameters_may_be_called_what_the_framework_calls_its_own() -> None:
    names = ["request", "call", "segments", "query", "form", "data", "media", "got", "count", "explain", "cls", "v0"]
    aim = named_target(dict.fromkeys(names, Annotated[int, Query()]))
    sent = in_query([(name, str(number)) for number, name in enumerate(names)])
    assert sent.to(aim.app).status == 204
    assert aim.calls == [tuple(range(len(names)))]
    aim.calls.clear()
    wrong = in_query([(name, SECRET) for name in names])
    check(aim, wrong, [(("query", name), "Expected an integer") for name in names])


# --- what is never an answer ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", SOURCES)
def test_what_was_sent_is_never_in_the_answer(source: str) -> None:
    marker, _, send = SOURCES[source]
    for annotation, _, _ in TEXTS:
        aim = cached_target(Annotated[annotation, marker])
        for more in ((), PROBLEM):
            answer = send([("value", SECRET * 3)]).to(aim.app, *more)
            assert answer.status == 400
            assert SECRET not in answer.text
        assert aim.calls == []


def test_a_value_is_not_in_the_answer_either_when_it_is_a_name_s_neighbour() -> None:
    aim = cached_target(Annotated[Flat, Query()])
    answer = in_query([("title", SECRET), (SECRET, SECRET), ("amount", SECRET)]).to(aim.app)
    assert (answer.status, aim.calls) == (400, [])
    assert SECRET not in answer.text


# --- WebSockets -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "headers", "reason"),
    [
        ("/chat/x", (), "Invalid path parameter 'room': Expected an integer"),
        ("/chat/1?page=1_000", (), "Invalid query parameter 'page': Expected an integer"),
        ("/chat/1?page=%ff", (), "The query is not valid UTF-8 text"),
        ("/chat", (), "Missing required parameter 'room'"),
        ("/chat/1", ((b"x-since", SECRET.encode()),), "Invalid header parameter 'X-Since': Expected an RFC 3339 date"),
    ],
)
def test_a_handshake_that_does_not_fit_is_refused_with_the_reason(path: str, headers: RawHeaders, reason: str) -> None:
    class Api(App):
        async def ws_chat(
            self, ws: WebSocket, room: int, page: int = 0, x_since: Annotated[date | None, Header()] = None
        ) -> None:
            calls.append(room)
            await ws.accept()

    calls: list[object] = []
    (message,) = call_socket(Api(), path, headers=headers)
    assert (message["type"], message["code"], message["reason"], calls) == ("websocket.close", 1008, reason, [])
