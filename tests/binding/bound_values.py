# ruff: noqa: B006  (mutable defaults, which requests must not share, are part of what is tested)
"""These types and this function are what the tests of bound values share."""

from typing import Annotated, Any, Generic, NamedTuple, TypeVar

from msgspec import Meta, Struct

from micropie import App, Query
from tests.support.asgi import RawHeaders, call

T = TypeVar("T")


class Todo(Struct):
    title: str
    priority: int = 3


class Page(Struct):
    page: int = 1
    size: Annotated[int, Meta(le=100)] = 10


class Recorder(App):
    """An app whose handlers return the values that they get."""

    async def any(self, v=None):  # type: ignore[no-untyped-def]
        return {"v": v if not isinstance(v, dict) or "content" not in v else "a file"}

    async def text(self, v: str = "") -> object:
        return {"v": v}

    async def number(self, v: int = -1) -> object:
        return {"v": v}

    async def keyword(self, *, v: int = -1) -> object:
        return {"v": v}

    async def many(self, v: list[int] = []) -> object:
        return {"v": v}

    async def positional(self, a: int, b: int = 2, /) -> object:
        return {"v": [a, b]}

    async def args(self, first: str, *rest: int) -> object:
        return {"v": [first, *rest]}

    async def kwargs(this, a: int = 0, **rest: str) -> object:  # pyright: ignore[reportSelfClsParameterName]
        return {"v": [a, rest]}

    async def kwlists(self, **rest: list[int]) -> object:
        return {"v": rest}

    async def kwany(self, **rest):  # type: ignore[no-untyped-def]
        return {"v": rest}

    async def kwquery(self, **rest: Annotated[str, Query()]) -> object:
        return {"v": rest}

    async def login(self, v: int) -> str:
        self.request.session["v"] = v
        return ""


def bound_value(method: str, path: str, body: bytes = b"", headers: RawHeaders = (), app: App | None = None) -> Any:
    """Return the value that a handler of `app`, by default a Recorder, gets from a request. Fails unless it is 200."""
    response = call(app if app is not None else Recorder(), method, path, body, headers)
    assert response.status == 200, response.text
    return response.json["v"]


class Named(NamedTuple):
    title: str
    priority: int = 3


class Box(Struct, Generic[T]):
    title: T


class Cat(Struct, tag=True):
    title: str


class Dog(Struct, tag=True):
    bark: int
