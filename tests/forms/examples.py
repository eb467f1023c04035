"""This module holds form types that the tests of forms share, and submits forms of them."""

from collections.abc import Sequence
from dataclasses import field
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal, NewType, TypeVar
from urllib.parse import urlencode

from msgspec import Meta, Struct

from micropie import App, File, FormResult, UploadFile
from tests.support.asgi import FORM, call

T = TypeVar("T")


Pairs = Sequence[tuple[str, str]]


class Size(Enum):
    SMALL = "small"
    LARGE = "large"


class Signup(Struct):
    name: Annotated[str, Meta(min_length=2, max_length=20)]
    age: Annotated[int, Meta(ge=18, le=150)]
    news: bool = True
    nickname: str | None = "Guest"
    born: date | None = None

    def __post_init__(self) -> None:
        if self.name == self.nickname:
            raise ValueError("The nickname must differ from the name")


def shown(value: Any, seen: list[FormResult[Any]]) -> App:
    """Return an app whose handler appends its form to `seen`."""

    async def signup(self: App, form: Any) -> None:
        seen.append(form)

    generic: Any = FormResult
    signup.__annotations__["form"] = generic[value]
    cls: type[App] = type("Site", (App,), {"signup": signup})
    return cls()


def filled(kind: Any, pairs: Pairs, headers: Any = FORM, method: str = "POST") -> FormResult[Any]:
    """Submit a form with these names and texts, and return what the handler gets."""
    seen: list[FormResult[Any]] = []
    response = call(shown(kind, seen), method, "/signup", urlencode(pairs).encode(), headers)
    assert response.status == 204, response.text
    return seen[0]


GOOD = [("name", "Ann"), ("age", "42")]


Age = NewType("Age", int)


class All(Struct):
    flag: bool = True
    terms: Literal[True] = True
    answer: bool | None = None
    text: str = "x"
    note: str | None = "x"
    count: int | None = 5
    either: int | str | None = 5
    size: Size = Size.SMALL
    plan: Literal["b", "a"] | None = None
    tags: list[str] = []
    sizes: set[Size] = set()
    few: Annotated[list[int], Meta(min_length=1, max_length=2)] = field(default_factory=lambda: [1])
    price: Decimal = Decimal(1)
    weight: float = 1.0
    at: datetime | None = None
    start: time = time(9)
    age: Age = Age(1)


FEW = ("few", "1")


TERMS = ("terms", "on")


class Needs(Struct):
    nickname: str | None
    count: int | None
    flag: bool
    tags: list[str]
    picture: UploadFile | None


class Photo(Struct):
    picture: Annotated[UploadFile, File]


def blank(kind: Any) -> FormResult[Any]:
    seen: list[FormResult[Any]] = []
    call(shown(kind, seen), "GET", "/signup")
    return seen[0]
