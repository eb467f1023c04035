"""Creating an app reports mistakes that would otherwise show only by their effects."""

from dataclasses import dataclass
from functools import partialmethod
from typing import Annotated, Any, Generic, TypeAlias, TypeVar

import pytest
from msgspec import Struct

from micropie import App, File, Query, Resource, Session, SetupError, UploadFile, route
from tests.support.asgi import call

T = TypeVar("T")
Buried: TypeAlias = Annotated[str, Session()] | None
JSON = [(b"content-type", b"application/json")]


class Item(Struct):
    count: int


@dataclass
class Account:
    user: Annotated[str, Session()] | None = None


class Box(Struct, Generic[T]):
    value: T


def problems_of(cls: type[App]) -> list[tuple[str, str, str]]:
    with pytest.raises(SetupError) as caught:
        cls()
    return [(problem.where.partition(" (")[0], problem.what, problem.remedy) for problem in caught.value.problems]


def test_marker_as_a_default_is_refused() -> None:
    class Bank(App):
        async def pay(self, user: str = Session()) -> None: ...  # type: ignore[assignment]  # the mistake

    assert problems_of(Bank) == [
        (
            "test_marker_as_a_default_is_refused.<locals>.Bank.pay",
            "Session() must be inside Annotated[...]",
            "Write Annotated[T, Session()]",
        )
    ]


def test_marker_as_the_type_is_refused() -> None:
    class Bank(App):
        async def pay(self, user: Query) -> None: ...

    assert [what for _, what, _ in problems_of(Bank)] == ["Query() must be inside Annotated[...]"]


@pytest.mark.parametrize(
    "annotation",
    [
        Buried,
        list[Annotated[str, Session()]],
        dict[str, list[Annotated[int, Session]]],
        Annotated[Annotated[str, Session()] | None, Query()],
    ],
)
def test_marker_inside_a_type_is_refused(annotation: Any) -> None:
    async def pay(self: App, user: Any = None) -> None: ...

    pay.__annotations__["user"] = annotation
    bank: type[App] = type("Bank", (App,), {"pay": pay})
    assert problems_of(bank) == [
        (
            "Bank.pay",
            "Session() must be around the whole type, not inside it",
            "Write Annotated[T | None, Session()]",
        )
    ]


class Photo(Struct):
    file: Annotated[UploadFile, File(max_size=10)]


class Nested(Struct):
    photos: list[Photo] = []


@pytest.mark.parametrize(
    ("annotation", "marker"), [(Photo, "File"), (Nested, "File"), (Account, "Session"), (list[Account], "Session")]
)
def test_marker_beside_a_field_is_refused(annotation: Any, marker: str) -> None:
    async def pay(self: App, it: Any) -> None: ...

    pay.__annotations__["it"] = annotation
    bank: type[App] = type("Bank", (App,), {"pay": pay})
    [(_, what, remedy)] = problems_of(bank)
    assert what.startswith(f"{marker}() has no effect on the field ")
    assert remedy == f"Add a parameter for the value: Annotated[T, {marker}()]"


def test_unbound_type_variable_is_refused() -> None:
    class Crud(App, Generic[T]):
        async def put(self, item: T, box: Box[T]) -> None: ...

    assert [what for _, what, _ in problems_of(Crud)] == ["the type variable ~T has no type here"] * 2


class Crud(App, Generic[T]):
    async def boxed(self, box: Box[T]) -> Box[T]:
        return box

    async def plain(self, value: T) -> list[T]:
        return [value]

    @route("/pinned")
    async def pinned(self, value: Annotated[T, Query()]) -> list[T]:
        return [value]


class Lists(Crud[list[T]], Generic[T]):
    """Passes its type variable on."""


class Items(Crud[Item]):
    """Binds `T` to a type."""


class Numbers(Lists[int]):
    """Binds `T` of both bases to a type."""


@pytest.mark.parametrize(
    ("app", "method", "target", "body", "status", "expected"),
    [
        (Items(), "POST", "/boxed", b'{"value": {"count": 1}}', 200, {"value": {"count": 1}}),
        (Items(), "POST", "/boxed", b'{"value": {"count": "x"}}', 400, None),
        (Items(), "POST", "/plain", b'{"count": 2}', 200, [{"count": 2}]),
        (Numbers(), "GET", "/plain?value=1&value=2", b"", 200, [[1, 2]]),
        (Numbers(), "GET", "/plain?value=x", b"", 400, None),
        (Numbers(), "GET", "/pinned?value=3", b"", 200, [[3]]),
    ],
)
def test_type_variable_has_the_type_of_the_subclass(
    app: App, method: str, target: str, body: bytes, status: int, expected: object
) -> None:
    response = call(app, method, target, body=body, headers=JSON if body else [])
    assert response.status == status
    assert expected is None or response.json == expected


@pytest.mark.parametrize(
    "name", ["debug", "limits", "middlewares", "check_returns", "error_handlers", "routes", "mount"]
)
def test_method_with_a_name_of_the_framework_is_refused(name: str) -> None:
    async def handler(self: Any) -> None: ...

    cls: type[App] = type("Mine", (App,), {name: handler})
    assert [what for _, what, _ in problems_of(cls)] == [
        f"'{name}' is a name of the framework's own class and never a URL"
    ]


def test_resource_with_verbs_has_no_index() -> None:
    class Both(Resource):
        def get(self) -> int:
            return 1

        def index(self) -> int:
            return 2

    class Holder(App):
        both = Both()

    assert ["answers the Resource's own URL" in what for _, what, _ in problems_of(Holder)] == [True]


def test_method_without_self_is_refused() -> None:
    class Selfless(App):
        async def index() -> None: ...  # type: ignore[misc]  # the mistake

    assert [remedy for *_, remedy in problems_of(Selfless)] == [
        "Make it a plain method, with `self` as its first parameter"
    ]


def test_route_without_parentheses_is_refused_with_the_right_form() -> None:
    with pytest.raises(TypeError, match=r"write @route\(\)"):
        route(lambda self: None)  # type: ignore[arg-type]  # the mistake


def test_partial_methods_are_urls_too() -> None:
    class Partial(App):
        async def _greet(self, name: str, end: str = "!") -> str:
            return name + end

        ann = partialmethod(_greet, "Ann")

    assert call(Partial(), "GET", "/ann/%3F").text == "Ann?"


def test_options_of_a_resource_names_the_verbs_that_take_the_path_value() -> None:
    class Things(Resource):
        def get(self, id: int) -> int:
            return id

        def post(self) -> None: ...

        def head(self) -> None: ...

    class Holder(App):
        things = Things()

    app = Holder()
    assert call(app, "OPTIONS", "/things/5").header("allow") == "GET, HEAD, OPTIONS"
    assert call(app, "OPTIONS", "/things").header("allow") == "GET, HEAD, OPTIONS, POST"
    assert sorted(app.routes) == ["GET /things/{id}", "HEAD /things", "POST /things"]
