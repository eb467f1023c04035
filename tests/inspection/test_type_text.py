"""These tests write types, constraints and defaults as text."""

import functools
import inspect
from collections.abc import Callable
from datetime import date
from typing import Annotated, Any, Generic, Literal, NewType, Optional, TypeVar, Union

import pytest
from msgspec import Meta, Struct
from typing_extensions import TypeAliasType

from micropie import App, Query
from micropie.binding.signature import Parameter
from micropie.inspection.type_text import (
    format_default,
    format_parameter_type,
    format_return_type,
    format_type,
    get_class_name,
    read_meta,
)

T = TypeVar("T")
Age = NewType("Age", int)
Pair = TypeAliasType("Pair", tuple[int, int])


class Todo(Struct):
    title: str


class Page(Struct, Generic[T]):
    items: list[T]


TYPES: list[tuple[Any, str]] = [
    (inspect.Parameter.empty, ""),
    (int, "int"),
    (date, "date"),
    (Todo, "Todo"),
    (None, "None"),
    (type(None), "None"),
    ("Later", "Later"),
    (Any, "Any"),
    (T, "~T"),
    (Age, "Age"),
    (Pair, "Pair"),
    (list[int], "list[int]"),
    (dict[str, list[Todo]], "dict[str, list[Todo]]"),
    (tuple[int, ...], "tuple[int, ...]"),
    (Page[Todo], "Page[Todo]"),
    (int | None, "int | None"),
    (Optional[Todo], "Todo | None"),  # noqa: UP045  (the older spelling is another type)
    (Union[int, str], "int | str"),  # noqa: UP007  (as above)
    (Literal["a", 1], "Literal['a', 1]"),
    (Callable[[int, str], bool], "Callable[[int, str], bool]"),
    (Callable[..., None], "Callable[..., None]"),
    (Annotated[int, Meta(ge=1), Query()], "int"),
    (list[Annotated[int, Meta(ge=1)]], "list[int]"),
]


@pytest.mark.parametrize(("annotation", "text"), TYPES, ids=[text for _, text in TYPES])
def test_type_is_written_without_modules_and_metadata(annotation: Any, text: str) -> None:
    assert format_type(annotation) == text


class Site(App):
    async def typed(self) -> list[Todo]:
        return []

    async def untyped(self):  # type: ignore[no-untyped-def]  # the case of a missing annotation
        return ""

    async def nothing(self) -> None: ...

    async def limited(  # type: ignore[no-untyped-def]  # the case of a missing annotation
        self,
        page: Annotated[int, Meta(ge=1), Meta(le=5, title="the page")] = 1,
        name: Annotated[str, Meta(pattern="^a", min_length=1)] = "a",
        *,
        plain: int,
        free=None,
    ) -> str:
        return ""


@pytest.mark.parametrize(("url", "text"), [("/typed", "list[Todo]"), ("/untyped", ""), ("/nothing", "None")])
def test_return_type_of_a_handler_is_written(url: str, text: str) -> None:
    assert format_return_type(Site().routes[url]) == text


def limited(name: str) -> Parameter:
    """Return the parameter `name` of the handler with limits."""
    (handler,) = [route for url, route in Site().routes.items() if url.startswith("/limited")]
    return next(parameter for parameter in handler.signature.parameters if parameter.name == name)


@pytest.mark.parametrize(
    ("name", "meta", "text", "default"),
    [
        ("page", {"ge": 1, "le": 5}, "int (ge=1, le=5)", "1"),
        ("name", {"pattern": "^a", "min_length": 1}, "str (pattern='^a', min_length=1)", "'a'"),
        ("plain", {}, "int", None),
        ("free", {}, "", "None"),
    ],
)
def test_parameter_is_written_with_its_constraints_and_default(
    name: str, meta: dict[str, object], text: str, default: str | None
) -> None:
    parameter = limited(name)
    assert (read_meta(parameter), format_parameter_type(parameter), format_default(parameter)) == (meta, text, default)


class Called:
    def __call__(self) -> None: ...


@pytest.mark.parametrize(
    ("thing", "name"),
    [
        (Todo, "Todo"),
        (Todo("x"), "Todo"),
        (limited, "limited"),
        (Site.typed, "Site.typed"),
        (Called().__call__, "Called.__call__"),
        (Called(), "Called"),
    ],
)
def test_name_of_an_object_is_that_of_its_class_with_the_module(thing: object, name: str) -> None:
    assert get_class_name(thing) == f"{__name__}.{name}"


def test_name_of_a_partial_function_is_that_of_its_class() -> None:
    assert get_class_name(functools.partial(limited, "page")) == "functools.partial"
