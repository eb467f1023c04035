"""These types and functions are what the tests of signatures share."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple, NewType, TypeVar

from msgspec import Meta, Struct  # noqa: F401  # pyright: ignore[reportUnusedImport]  # a quoted annotation names Meta
from typing_extensions import TypeAliasType

from micropie import Query, Request, UploadFile
from micropie.binding.signature import Parameter, Signature
from micropie.binding.signature_reader import read_signature

T = TypeVar("T")


Handler = Callable[..., Any]


class Todo(Struct):
    title: str


class User(Struct):
    name: str


class Filter(Struct):
    page: int = 1


class Nested(Struct):
    inside: Todo


class Pictures(Struct):
    image: UploadFile


class Album(Struct):
    pictures: list[Pictures]


class Point(NamedTuple):
    x: int


@dataclass
class Pair:
    x: int


class MyRequest(Request):
    pass


Age = NewType("Age", int)


Named = TypeAliasType("Named", Annotated[Age, Query(alias="a")])


A_LIST: Any = list


def read(handler: Handler, **options: Any) -> Signature:
    """Return the signature of `handler`, which must have no problems."""
    signature, problems = read_signature(handler, "h", **options)
    assert problems == []
    return signature


def only(handler: Handler, **options: Any) -> Parameter:
    """Return the only parameter of `handler`."""
    (parameter,) = read(handler, **options).parameters
    return parameter


def value(annotation: Any, default: Any = inspect.Parameter.empty, kind: str = "KEYWORD_ONLY") -> Handler:
    """Return a handler with one parameter `v`."""

    def handler(*_: object, **__: object) -> None: ...

    parameter = inspect.Parameter("v", getattr(inspect.Parameter, kind), annotation=annotation, default=default)
    handler.__signature__ = inspect.Signature([parameter])  # type: ignore[attr-defined]
    return handler


def positional(annotation: Any = inspect.Parameter.empty, default: Any = inspect.Parameter.empty) -> Handler:
    return value(annotation, default, "POSITIONAL_OR_KEYWORD")


ANY = ("path", "query", "form", "body", "file", "session")


SCALAR = ("path", "query", "form", "body", "session")


def assert_refused(handler: Handler, options: dict[str, Any], what: str, remedy: str) -> None:
    """Assert that `handler` has one problem, which begins with `what` and `remedy`."""
    _, problems = read_signature(handler, "Api.h", **options)
    assert [problem.what.startswith(what) for problem in problems] == [True], problems
    assert problems[0].remedy.startswith(remedy)
    assert problems[0].where.startswith("Api.h")
