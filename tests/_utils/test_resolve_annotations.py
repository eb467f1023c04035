"""These tests resolve annotations that are strings, as all annotations of this module are."""

from __future__ import annotations

import dataclasses
import importlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Annotated, Any, Generic, Literal, NewType, Optional, TypeVar

import pytest
from msgspec import Meta, Struct
from typing_extensions import TypeAliasType

from micropie import App, Query, Resource, SetupError
from micropie._utils.resolve_annotations import resolve_annotation
from tests.support.asgi import JSON, call

if TYPE_CHECKING:
    import decimal
    import decimal as money
    import xml.dom
    from decimal import Decimal
    from uuid import UUID as Identifier

    from nowhere import NotThere  # type: ignore[import-not-found]  # pyright: ignore  (that is the point)

    def uses(a: decimal.Decimal, b: money.Decimal, c: xml.dom.Node, d: Decimal, e: Identifier, f: NotThere) -> None: ...


class Todo(Struct):
    title: str


Age = NewType("Age", int)
Ages = list[Age]


def handler() -> None:
    """Stands for a handler of this module."""


def of_module(annotation: object) -> Any:
    return resolve_annotation(handler, annotation, None)


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        (int, int),
        (list[int], list[int]),
        (None, type(None)),
        ("int", int),
        ("Todo", Todo),
        ("None", type(None)),
        ("Todo | None", Todo | None),
        ("Ages", list[Age]),
        ("Annotated[int, Query(alias='x')]", Annotated[int, Query(alias="x")]),
        ("Literal['Todo']", Literal["Todo"]),
        (list["Todo"], list[Todo]),
        (Optional["Todo"], Optional[Todo]),  # noqa: UP045
        (Annotated["list[Todo]", Meta(min_length=1)], Annotated[list[Todo], Meta(min_length=1)]),
        ("list['Todo']", list[Todo]),
        ("dict[str, list['Todo']]", dict[str, list[Todo]]),
        ("dataclasses.Field", dataclasses.Field),
    ],
)
def test_strings_at_any_depth_are_resolved_to_types(annotation: object, expected: object) -> None:
    assert of_module(annotation) == expected


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        ("Decimal", "decimal.Decimal"),
        ("decimal.Decimal", "decimal.Decimal"),
        ("money.Decimal", "decimal.Decimal"),
        ("Identifier", "uuid.UUID"),
        ("xml.dom.Node", "xml.dom.Node"),
    ],
)
def test_name_imported_under_type_checking_is_imported(annotation: str, expected: str) -> None:
    cls = of_module(annotation)
    assert f"{cls.__module__}.{cls.__qualname__}" == expected


@pytest.mark.parametrize(
    ("annotation", "error"),
    [("Nope", NameError), ("list[Nope]", NameError), ("not a type", SyntaxError), ("int.nope", AttributeError)],
)
def test_unresolvable_annotation_raises(annotation: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        of_module(annotation)


def test_failing_import_under_type_checking_raises() -> None:
    with pytest.raises(ModuleNotFoundError, match="nowhere"):
        of_module("NotThere")


# --- scopes ---------------------------------------------------------------------------------------------------------


class Outer:
    class Inner(Struct):
        x: int

    Small = Annotated[int, Meta(le=9)]
    Limit = Meta(ge=1)

    def list(self) -> None: ...

    def method(self) -> None: ...


class Below(Outer):
    pass


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        ("Inner", Outer.Inner),
        ("Small", Outer.Small),
        ("Annotated[int, Limit]", Annotated[int, Outer.Limit]),
        ("list[int]", list[int]),
    ],
)
@pytest.mark.parametrize("owner", [Outer, Below])
def test_types_of_a_class_are_visible_in_its_annotations_but_its_methods_are_not(
    owner: type, annotation: str, expected: object
) -> None:
    assert resolve_annotation(owner.method, annotation, owner) == expected  # type: ignore[attr-defined]


def test_free_variable_of_a_function_is_resolved() -> None:
    class Local(Struct):
        x: int

    def inner() -> type:
        return Local

    assert resolve_annotation(inner, "Local", None) is Local


def test_unassigned_free_variable_is_ignored() -> None:
    def inner() -> object:
        return later

    assert resolve_annotation(inner, "int", None) is int
    later = 5
    assert inner() == 5


def test_wrapped_function_is_followed() -> None:
    import functools

    @functools.wraps(handler)
    def wrapper() -> None: ...

    assert resolve_annotation(wrapper, "Todo", None) is Todo


def test_callable_without_code_and_module_resolves_builtins_only() -> None:
    class Bare:
        __module__ = "no.such.module"

        def __call__(self) -> None: ...

    assert resolve_annotation(Bare(), "int", None) is int
    with pytest.raises(NameError):
        resolve_annotation(Bare(), "Nope", None)


def request_json(app: App, path: str = "/todo", body: bytes = b'{"x":1}') -> object:
    return call(app, "POST", path, body, JSON).json


def make_app_class() -> type[App]:
    class Local(Struct):
        x: int

    Alias = Annotated[int, Meta(ge=1)]
    Named = TypeAliasType("Named", Local)  # pyright: ignore[reportGeneralTypeIssues]  (it may stand here)
    import uuid as module

    class Api(App):
        async def todo(self, todo: Local) -> dict[str, int]:
            return {"x": todo.x}

        async def named(self, todo: Named) -> dict[str, int]:  # pyright: ignore[reportInvalidTypeForm]
            return {"x": todo.x}

        async def alias(self, x: Alias) -> dict[str, int]:  # pyright: ignore[reportInvalidTypeForm]
            return {"x": x}

        async def with_module(self, x: int, key: module.UUID | None = None) -> dict[str, int]:
            return {"x": x}

    return Api


@pytest.mark.parametrize("path", ["/todo", "/named", "/alias", "/with_module"])
def test_local_types_are_resolved_after_their_function_returned(path: str) -> None:
    assert request_json(make_app_class()(), path) == {"x": 1}


def test_local_types_are_resolved_in_a_subclass_defined_elsewhere() -> None:
    class Below(make_app_class()):  # type: ignore[misc]
        pass

    assert request_json(Below()) == {"x": 1}


def make_resource() -> Resource:
    class Local(Struct):
        x: int

    class Todos(Resource):
        async def post(self, todo: Local) -> dict[str, int]:
            return {"x": todo.x}

    return Todos()


def test_local_types_are_resolved_in_a_resource() -> None:
    class Api(App):
        todo = make_resource()

    assert request_json(Api()) == {"x": 1}


@pytest.mark.parametrize(
    "decorate",
    [dataclass, dataclass(slots=True), dataclass(frozen=True), dataclass(slots=True, frozen=True)],
    ids=["plain", "slots", "frozen", "slots and frozen"],
)
def test_local_types_are_resolved_in_a_dataclass(decorate: Callable[[type], type]) -> None:
    def make() -> Any:
        class Local(Struct):
            x: int

        class Api(App):
            factor: int = 2

            async def todo(self, todo: Local) -> dict[str, int]:
                return {"x": todo.x * self.factor}

        return decorate(Api)

    assert request_json(make()(3)) == {"x": 3}


def test_local_type_defined_after_the_class_is_resolved_while_its_function_runs() -> None:
    class Api(App):
        async def todo(self, todo: Later) -> dict[str, int]:
            return {"x": todo.x}

    class Later(Struct):
        x: int

    assert request_json(Api()) == {"x": 1}


def test_local_types_are_resolved_for_a_handler_that_is_set_late() -> None:
    class Local(Struct):
        x: int

    async def todo(self: App, todo: Local) -> dict[str, int]:
        return {"x": todo.x}

    app = App()
    app.todo = todo.__get__(app)  # type: ignore[attr-defined]
    assert request_json(app) == {"x": 1}


T = TypeVar("T")
K = TypeVar("K")


class Crud(Resource, Generic[K, T]):
    async def post(self, item: T, others: Annotated[list[K], Query()]) -> object:
        return [item, others]


class Keyed(Crud[K, Todo]):
    async def put(self, key: K) -> object:
        return key


def test_type_variables_of_a_generic_class_are_replaced_by_the_arguments_of_a_subclass() -> None:
    class Items(Keyed[int]):
        pass

    class Api(App):
        items = Items()

    response = call(Api(), "POST", "/items?others=1&others=2", b'{"title":"x"}', JSON)
    assert response.json == [{"title": "x"}, [1, 2]]
    assert call(Api(), "PUT", "/items?key=5").json == 5
    assert call(Api(), "PUT", "/items?key=x").status == 400


def test_undefined_name_is_a_setup_problem() -> None:
    class Api(App):
        async def todo(self, todo: Nowhere) -> None: ...  # type: ignore[name-defined]  # noqa: F821  # pyright: ignore

    with pytest.raises(SetupError) as caught:
        Api()
    (problem,) = caught.value.problems
    assert problem.where.endswith("Api.todo (todo: Nowhere)")
    assert problem.what == "the annotation cannot be resolved: name 'Nowhere' is not defined"
    assert problem.remedy == "Import or define the name at module level, where it exists when the app is made"
    assert (problem.file, problem.line) == (__file__, Api.todo.__code__.co_firstlineno)


def test_local_variable_that_is_not_a_type_is_not_resolved() -> None:
    caller_has_this = object()

    class Api(App):
        async def todo(self, todo: caller_has_this) -> None: ...  # type: ignore[valid-type]  # pyright: ignore

    with pytest.raises(SetupError, match="name 'caller_has_this' is not defined"):
        Api()


# --- modules --------------------------------------------------------------------------------------------------------


@pytest.fixture
def make_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., ModuleType]]:
    """Return a function that writes the package `shop` with these modules, and imports its `app`."""
    before = set(sys.modules)

    def make(**modules: str) -> ModuleType:
        package = tmp_path / "shop"
        package.mkdir()
        for name, source in {"__init__": "", **modules}.items():
            (package / f"{name}.py").write_text(source)
        monkeypatch.syspath_prepend(tmp_path)
        return importlib.import_module("shop.app")

    yield make
    for name in set(sys.modules) - before:
        del sys.modules[name]


APP = """
from __future__ import annotations
from typing import TYPE_CHECKING
import typing
from micropie import App

if typing.TYPE_CHECKING:
    from {relative} import {name}

class Api(App):
    async def todo(self, todo: {annotation}) -> object:
        return todo
"""
MODELS = "import msgspec\nclass Todo(msgspec.Struct):\n    x: int\n"


@pytest.mark.parametrize(
    ("relative", "name", "annotation"),
    [
        (".models", "Todo", "Todo"),
        (".models", "Todo as T", "list[T] | T"),
        (".", "models", "models.Todo"),
        ("shop.models", "Todo", "Todo | None"),
    ],
)
def test_relative_import_under_type_checking_is_resolved_in_circular_modules(
    make_package: Callable[..., ModuleType], relative: str, name: str, annotation: str
) -> None:
    app = make_package(app=APP.format(relative=relative, name=name, annotation=annotation), models=MODELS)
    assert request_json(app.Api()) == {"x": 1}


def test_module_without_source_has_no_type_checking_imports() -> None:
    module = ModuleType("made_up")
    sys.modules["made_up"] = module
    try:
        exec("def f(): ...", module.__dict__)
        assert resolve_annotation(module.f, "int", None) is int
        with pytest.raises(NameError):
            resolve_annotation(module.f, "Nope", None)
    finally:
        del sys.modules["made_up"]
