"""Apps, requests and checks for the tests of what a bad request gets.

The handler of a `Target` only notes that it was called. `check` sends a bad request and compares the whole response,
in both of its formats.
"""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Annotated, Any, Final, NamedTuple, NotRequired, TypeAlias, TypedDict
from urllib.parse import quote, urlencode

import attrs
import msgspec
from msgspec import Meta, Struct

from micropie import App, Cookie, Form, Header, Limits, Path, Query, UploadFile
from tests.support.asgi import (
    FORM,
    JSON,
    MULTIPART,
    PROBLEM,
    Answer,
    RawHeaders,
    call,
    form_data,
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


SECRET: Final = "s3cr3t-v4lue"


KNOWN: Final = "known-session-identifier"
